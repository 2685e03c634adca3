//! Where a backend's virtual hosts lie on the hash circle.

use std::fmt::Write;
use std::net::IpAddr;

use md5::{Digest, Md5};

/// The hashes of the virtual hosts `0..count` of the backend at `ip`, in that order: the first 4 bytes,
/// big endian, of the MD5 of `<ip>-<i>`.
pub(super) fn vhost_hashes(ip: IpAddr, count: u32) -> impl Iterator<Item = u32> {
    let mut text = ip_text(ip) + "-";
    let ip_bytes = text.len();
    (0..count).map(move |i| {
        text.truncate(ip_bytes);
        write!(text, "{i}").expect("a String takes all text");
        let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
    })
}

/// The address as `inet_ntop` of glibc writes it, which is what Dovecot hashes.
///
/// It differs from Rust's for IPv4-compatible addresses only: `::1.2.3.4`, not `::102:304`.
fn ip_text(ip: IpAddr) -> String {
    if let IpAddr::V6(v6) = ip
        && let [0, 0, 0, 0, 0, 0, high, _] = v6.segments()
        && high != 0
    {
        let [.., a, b, c, d] = v6.octets();
        return format!("::{a}.{b}.{c}.{d}");
    }
    ip.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_glibc_writes_them() {
        for text in [
            "10.0.0.1",
            "::",
            "::1",
            "::ffff",
            "::1.2.3.4",
            "::ffff:1.2.3.4",
            "fd00:2::a",
            "1:0:0:2::3",
            "1:0:2:3:4:5:6:7",
        ] {
            assert_eq!(ip_text(text.parse().expect("an address")), text);
        }
    }
}
