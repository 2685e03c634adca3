//! `certs`: a small private CA for a ring, and the certificates of its members.

use std::io::Write;

use super::arguments::{Certs, CertsCommand};
use super::failure::Failure;
use crate::ring::certs::{Validity, init, issue};
use crate::topology::MemberId;
use crate::world::{BootClock, Clock};

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

fn validity(days: u32) -> Validity {
    Validity {
        now: BootClock.unix_seconds(),
        days,
    }
}
