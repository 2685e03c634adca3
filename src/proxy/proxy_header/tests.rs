//! The specification's examples, what hostile bytes are answered with, and every cut.

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

fn proxied(source: &str, destination: &str, is_tls: bool) -> Header {
    Header::Proxied {
        source: address(source),
        destination: address(destination),
        is_tls,
    }
}

/// A block of version 2 with any version and command, family and contents.
fn block(command: u8, family: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend_from_slice(&[command, family]);
    bytes.extend_from_slice(&(contents.len() as u16).to_be_bytes());
    bytes.extend_from_slice(contents);
    bytes
}

const IPV4_ADDRESSES: &[u8] = &[192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];

fn block_with_vectors(vectors: &[u8]) -> Vec<u8> {
    block(0x21, 0x11, &[IPV4_ADDRESSES, vectors].concat())
}

#[test]
fn the_specifications_line_is_understood_and_what_follows_is_left() {
    let line = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
    let mut bytes = line.to_vec();
    bytes.extend_from_slice(b"GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n");
    let header = proxied("192.168.0.1:56324", "192.168.0.11:443", false);
    assert_eq!(parse(&bytes), Ok(Some((header, line.len()))));
}

#[test]
fn the_longest_lines_are_understood() {
    let ipv6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    let header = proxied("255.255.255.255:65535", "255.255.255.255:65535", false);
    assert_eq!(parse(line.as_bytes()), Ok(Some((header, 56))));

    let line = format!("PROXY TCP6 {ipv6} {ipv6} 65535 65535\r\n");
    let end = format!("[{ipv6}]:65535");
    assert_eq!(
        parse(line.as_bytes()),
        Ok(Some((proxied(&end, &end, false), 104)))
    );

    let line = format!("PROXY UNKNOWN {ipv6} {ipv6} 65535 65535\r\n");
    assert_eq!(parse(line.as_bytes()), Ok(Some((Header::Local, 107))));
    assert_eq!(parse(b"PROXY UNKNOWN\r\nEHLO"), Ok(Some((Header::Local, 15))));
}

#[test]
fn a_line_without_an_end_is_not_waited_for() {
    let mut bytes = b"PROXY UNKNOWN ".to_vec();
    bytes.resize(LINE_BYTES_MAX - 1, b'x');
    assert_eq!(parse(&bytes), Ok(None));
    bytes.push(b'\r');
    assert_eq!(parse(&bytes), Err(HeaderError::TooLong));
    bytes.push(b'\n');
    assert_eq!(parse(&bytes), Err(HeaderError::TooLong));
}

#[test]
fn malformed_lines_are_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n",
        "PROXY TCP4 1.1.1.1\r2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
        "PROXY TCP4 ::1 2.2.2.2 1 2\r\n",
        "PROXY TCP6 1.1.1.1 ::1 1 2\r\n",
        "PROXY TCP6 ::1 fe80::1%eth0 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2  \r\n",
        "PROXY TCP4 1.1.1.\u{663} 2.2.2.2 1 2\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(HeaderError::Line), "{line:?}");
    }
    assert_eq!(
        parse(b"PROXY TCP4 \xff\xfe 2.2.2.2 1 2\r\n"),
        Err(HeaderError::Line)
    );
}

#[test]
fn the_port_zero_is_a_port() {
    let header = proxied("1.1.1.1:0", "2.2.2.2:0", false);
    assert_eq!(
        parse(b"PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n"),
        Ok(Some((header, 32)))
    );
}

#[test]
fn what_is_no_header_is_refused_at_its_first_strange_byte() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PROXYTCP4",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\x16\x03\x01",
        b"p",
    ] {
        assert_eq!(parse(bytes), Err(HeaderError::Unrecognized), "{bytes:?}");
    }
    assert_eq!(parse(b""), Ok(None));
    assert_eq!(
        HeaderError::Unrecognized.to_string(),
        "not a header of the PROXY protocol"
    );
}

#[test]
fn ipv4_is_written_byte_by_byte_as_specified() {
    let bytes = encode_v2(address("192.168.0.1:56324"), address("192.168.0.11:443"), false);
    assert_eq!(
        bytes,
        b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\
          \xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb"
    );
}

#[test]
fn tls_is_told_of_without_a_verified_certificate() {
    let bytes = encode_v2(address("[2001:db8::1]:1"), address("[2001:db8::2]:995"), true);
    let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x2c".to_vec();
    expected.extend_from_slice(b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01");
    expected.extend_from_slice(b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02");
    expected.extend_from_slice(b"\x00\x01\x03\xe3");
    expected.extend_from_slice(b"\x20\x00\x05\x01\x00\x00\x00\x01");
    assert_eq!(bytes, expected);
}

#[test]
fn mixed_families_are_both_written_as_ipv6() {
    let (ipv4, ipv6) = (address("192.0.2.1:10"), address("[2001:db8::2]:110"));
    let header = proxied("[::ffff:192.0.2.1]:10", "[2001:db8::2]:110", false);
    assert_eq!(parse(&encode_v2(ipv4, ipv6, false)), Ok(Some((header, 52))));
    let header = proxied("[2001:db8::2]:110", "[::ffff:192.0.2.1]:10", true);
    assert_eq!(parse(&encode_v2(ipv6, ipv4, true)), Ok(Some((header, 60))));
}

#[test]
fn the_connections_own_addresses_are_used_where_no_others_are_told() {
    let ends = [&[0; 216][..], b"more"].concat();
    for (command, family, contents) in [
        (0x20, 0x00, &b""[..]),
        (0x20, 0x11, IPV4_ADDRESSES),
        (0x20, 0xff, b"short"),
        (0x21, 0x00, b""),
        (0x21, 0x00, b"anything"),
        (0x21, 0x10, IPV4_ADDRESSES),
        (0x21, 0x01, IPV4_ADDRESSES),
        (0x21, 0x12, IPV4_ADDRESSES),
        (0x21, 0x31, &ends),
    ] {
        let mut bytes = block(command, family, contents);
        let length = bytes.len();
        bytes.extend_from_slice(b"EHLO");
        assert_eq!(
            parse(&bytes),
            Ok(Some((Header::Local, length))),
            "{command:x} {family:x}"
        );
    }
}

#[test]
fn what_the_specification_does_not_know_is_refused() {
    for (command, family) in [
        (0x22, 0x11),
        (0x2f, 0x11),
        (0x11, 0x11),
        (0x31, 0x11),
        (0x01, 0x11),
        (0x21, 0x41),
        (0x21, 0x13),
        (0x21, 0xff),
    ] {
        let bytes = block(command, family, IPV4_ADDRESSES);
        assert_eq!(
            parse(&bytes),
            Err(HeaderError::Unspecified),
            "{command:x} {family:x}"
        );
    }
}

#[test]
fn addresses_that_are_cut_short_are_refused() {
    assert_eq!(
        parse(&block(0x21, 0x11, &IPV4_ADDRESSES[..11])),
        Err(HeaderError::Addresses)
    );
    assert_eq!(parse(&block(0x21, 0x21, &[0; 35])), Err(HeaderError::Addresses));
}

#[test]
fn only_the_flag_in_the_vector_about_tls_says_tls() {
    for (vectors, is_tls) in [
        (&b""[..], false),
        (b"\x20\x00\x05\x01\x00\x00\x00\x00", true),
        (b"\x20\x00\x05\x06\x00\x00\x00\x00", false),
        (b"\x04\x00\x00\x20\x00\x05\x07\x00\x00\x00\x01", true),
        (
            b"\x20\x00\x0f\x01\x00\x00\x00\x01\x21\x00\x07TLSv1.3\x02\x00\x01a",
            true,
        ),
        (b"\x02\x00\x08\x20\x00\x05\x01\x00\x00\x00\x00", false),
    ] {
        let bytes = block_with_vectors(vectors);
        let header = proxied("192.168.0.1:56324", "192.168.0.11:443", is_tls);
        assert_eq!(parse(&bytes), Ok(Some((header, bytes.len()))), "{vectors:?}");
    }
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    for vectors in [
        &b"\x20"[..],
        b"\x20\x00",
        b"\x20\x00\x05\x01\x00\x00\x00",
        b"\x20\x00\x04\x01\x00\x00\x00",
        b"\x20\x00\x00",
        b"\x04\xff\xff",
        b"\x04\x00\x00\x04",
    ] {
        assert_eq!(
            parse(&block_with_vectors(vectors)),
            Err(HeaderError::Vectors),
            "{vectors:?}"
        );
    }
}

#[test]
fn a_block_has_a_limit_that_is_known_before_it_has_come() {
    let largest = block(0x20, 0, &vec![0; BLOCK_BYTES_MAX - PREAMBLE_BYTES]);
    assert_eq!(parse(&largest), Ok(Some((Header::Local, BLOCK_BYTES_MAX))));
    let larger = block(0x20, 0, &vec![0; BLOCK_BYTES_MAX - PREAMBLE_BYTES + 1]);
    assert_eq!(parse(&larger[..PREAMBLE_BYTES]), Err(HeaderError::TooLong));
}

#[test]
fn every_header_that_is_cut_short_is_waited_for() {
    let headers = [
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        encode_v2(address("192.168.0.1:1"), address("192.168.0.11:2"), true),
        encode_v2(address("[::1]:1"), address("[::2]:2"), false),
        block(0x20, 0x31, &[1; 216]),
    ];
    for header in headers {
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Ok(None), "{cut} of {header:?}");
        }
        let whole = parse(&header).map(|found| found.map(|(_, length)| length));
        assert_eq!(whole, Ok(Some(header.len())));
    }
}

#[test]
fn no_single_wrong_byte_makes_a_header_longer_than_its_bytes() {
    let header = encode_v2(address("192.168.0.1:1"), address("192.168.0.11:2"), true);
    for at in 0..header.len() {
        for byte in 0..=u8::MAX {
            let mut hostile = header.clone();
            hostile[at] = byte;
            if let Ok(Some((_, length))) = parse(&hostile) {
                assert!(length <= hostile.len(), "byte {at} is {byte}");
            }
        }
    }
}
