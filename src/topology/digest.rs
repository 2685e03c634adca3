//! Numbers that stand for a whole topology: our fingerprint, and Dovecot's hash over its host list.

use std::net::IpAddr;

use md5::{Digest, Md5};

use super::table::Table;

/// Changes when a release places users otherwise or reads these fields otherwise.
const FINGERPRINT_VERSION: u64 = 1;

/// The first 8 bytes of the MD5 over everything that a configuration decides.
pub(super) fn fingerprint(table: &Table) -> u64 {
    let mut fields = Fields(Md5::new());
    fields.number(FINGERPRINT_VERSION);
    fields.text(&table.hash_format);
    fields.number(table.timing.lease.as_nanos() as u64);
    fields.number(table.timing.drift_ppm.into());
    fields.number(table.timing.user_expire.as_nanos() as u64);
    fields.number(table.health.failed_max_per_mille.into());
    fields.number(table.health.evict_after.as_nanos() as u64);
    fields.number(table.members.len() as u64);
    for member in table.members.values() {
        fields.number(member.id.index().into());
        fields.number(u64::from(member.serves) << 1 | u64::from(member.votes));
    }
    fields.number(table.tags.names().len() as u64);
    for tag in table.tags.names() {
        fields.text(tag);
    }
    fields.number(table.backends.len() as u64);
    for backend in table.backends.iter() {
        fields.number(backend.id.index().into());
        fields.text(&backend.ip.to_string());
        fields.number(backend.hostname.is_some().into());
        fields.text(backend.hostname.as_deref().unwrap_or(""));
        fields.number(backend.vhosts.into());
        fields.number(backend.tag.index().into());
        fields.number(u64::from(backend.is_failed) << 1 | u64::from(backend.is_up));
        let drain = backend
            .drain
            .map(|drain| [drain.since_unix_s, drain.until_unix_s, drain.per_second.into()]);
        fields.number(drain.is_some().into());
        drain
            .into_iter()
            .flatten()
            .for_each(|number| fields.number(number));
    }
    let digest: [u8; 16] = fields.0.finalize().into();
    (u128::from_be_bytes(digest) >> 64) as u64
}

/// Fields run into one another nowhere: numbers have one width, texts their length before them.
struct Fields(Md5);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }
}

/// Dovecot's hash of the host list (`mail_hosts_sort`), as a little-endian machine computes it.
pub(super) fn hosts_hash(table: &Table) -> u32 {
    let mut crc = 0;
    for backend in table.backends.iter() {
        let weight = u32::from(!backend.is_working()) ^ backend.shown_vhosts();
        crc = crc32(crc, &weight.to_le_bytes());
        crc = crc32(crc, &ip_hash(backend.ip).to_le_bytes());
        crc = crc32(crc, table.tags.name(backend.tag).unwrap_or("").as_bytes());
    }
    crc.max(1)
}

/// `net_ip_hash`: the bytes of an IPv4 address as they lie in memory, the PJW hash of an IPv6 one.
fn ip_hash(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(v4) => u32::from_le_bytes(v4.octets()),
        IpAddr::V6(v6) => pjw_hash(&v6.octets()),
    }
}

/// The hash of P. J. Weinberger that Dovecot uses for its own tables.
pub(super) fn pjw_hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |hash: u32, &byte| {
        let hash = (hash << 4).wrapping_add(byte.into());
        let overflow = hash & 0xf000_0000;
        (hash ^ overflow >> 24) & !overflow
    })
}

/// The CRC-32 of zlib, continued from `crc`.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!crc, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_can_be_continued() {
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }
}
