//! `certs`: a small private CA for a ring, and the certificates of its members.

use std::io::Write;
use std::time::SystemTime;

use super::arguments::{Certs, CertsCommand};
use super::run::Failure;
use crate::ring::certs::{Validity, init, issue};
use crate::topology::MemberId;

pub(super) fn run(certs: &Certs, output: &mut impl Write) -> Result<(), Failure> {
    let made = match &certs.command {
        CertsCommand::Init {
            folder,
            cluster,
            days,
        } => init(folder, cluster, validity(*days)),
        CertsCommand::Issue {
            ca,
            member,
            cluster,
            to,
            days,
        } => issue(ca, cluster, MemberId::from_index(*member), to, validity(*days)),
    };
    for path in made.map_err(|error| Failure::Input(error.to_string()))? {
        writeln!(output, "{}", path.display()).map_err(Failure::Output)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_types, reason = "certificates are good from today on")]
fn validity(days: u32) -> Validity {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Validity {
        now: since.as_secs(),
        days,
    }
}
