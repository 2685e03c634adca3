//! Any bytes as the PROXY header of a load balancer.

use maildirector::proxy::proxy_header::{Header, encode_v2, parse};

/// A header is found in the same place however much follows; more bytes never turn one into another; what it names can be told
/// again.
pub fn run(bytes: &[u8]) {
    let whole = parse(bytes);
    for cut in 0..bytes.len().min(300) {
        match (parse(&bytes[..cut]), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(one)), Ok(Some(other))) => assert_eq!(one, *other),
            (Err(_), Err(_)) => {}
            (one, other) => panic!("the first {cut} bytes are {one:?}, all are {other:?}"),
        }
    }
    let Ok(Some((header, length))) = whole else {
        return;
    };
    assert!(length <= bytes.len());
    if let Header::Proxied {
        source,
        destination,
        is_tls,
    } = header
    {
        let again = encode_v2(source, destination, is_tls);
        let (told, all) = parse(&again).expect("it is a header").expect("it is whole");
        assert_eq!(all, again.len());
        assert_eq!(told, header);
    }
}
