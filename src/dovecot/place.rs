//! What a door is answered: a backend, with the words that name it to Dovecot, or why there is none.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::director::RefuseReason;

/// Where a user belongs, ready to be appended to an auth server's reply. Made once per backend and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    ip: IpAddr,
    suffix: Box<[u8]>,
}

impl Place {
    /// The backend at `ip`, called `hostname` in certificates, for users remembered for `user_expire`.
    ///
    /// A login process reports its user again after half of that time, in whole seconds.
    pub fn new(ip: IpAddr, hostname: Option<&str>, user_expire: Duration) -> Self {
        let refresh_s = user_expire.as_secs() / 2;
        let suffix = match hostname {
            None => format!("\tproxy_refresh={refresh_s}\thost={ip}"),
            Some(hostname) => format!("\tproxy_refresh={refresh_s}\thost={hostname}\thostip={ip}"),
        };
        Place {
            ip,
            suffix: suffix.into_bytes().into(),
        }
    }

    /// Where it is.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// What is appended to a reply: `\tproxy_refresh=..\thost=..`, without the LF.
    pub fn suffix(&self) -> &[u8] {
        &self.suffix
    }
}

/// The answer to one lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user is served there.
    Backend(Arc<Place>),
    /// He is not served now; the client is told of a temporary failure.
    Refused(RefuseReason),
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRE: Duration = Duration::from_secs(900);

    fn suffix(ip: &str, hostname: Option<&str>, expire: Duration) -> String {
        let place = Place::new(ip.parse().expect("an address"), hostname, expire);
        String::from_utf8(place.suffix().to_vec()).expect("text")
    }

    #[test]
    fn backend_without_a_name_is_its_address() {
        assert_eq!(
            suffix("10.1.0.3", None, EXPIRE),
            "\tproxy_refresh=450\thost=10.1.0.3"
        );
        assert_eq!(
            suffix("FD00::a", None, EXPIRE),
            "\tproxy_refresh=450\thost=fd00::a"
        );
    }

    #[test]
    fn backend_with_a_name_is_both() {
        assert_eq!(
            suffix("10.1.0.3", Some("mail3.example.org"), Duration::from_secs(61)),
            "\tproxy_refresh=30\thost=mail3.example.org\thostip=10.1.0.3"
        );
    }
}
