//! What each fuzz target does with its bytes. The targets only hand them over, so that the tests can run the same bodies
//! without a fuzzer.

pub mod accounts;
#[cfg(test)]
mod corpus;
pub mod dovecot_conf;
pub mod dovecot_lines;
pub mod envelope;
pub mod hash_format;
pub mod lmtp;
pub mod machine;
pub mod plan;
pub mod probe_lines;
pub mod proxy_backs;
pub mod proxy_fronts;
pub mod proxy_header;
mod ring;
