//! What stands behind the `?` of a request.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Parameters, as `user=ann%40example.org&tag=blue`. A plus is a plus: addresses have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a>(pub Option<&'a str>);

impl<'a> Parameters<'a> {
    /// The value of one; of its first, should it be there twice. An error when it is no text.
    pub fn find(self, name: &str) -> Result<Option<Cow<'a, str>>, &'static str> {
        let pairs = self.0.unwrap_or("").split('&');
        let values = pairs.filter_map(|pair| pair.split_once('='));
        let found = values.into_iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| decoded(value)).transpose()
    }

    /// A port; the usual one when it is not named.
    pub fn port(self, name: &str, usual: u16) -> Result<u16, String> {
        match self.find(name)? {
            None => Ok(usual),
            Some(text) => match text.parse() {
                Ok(port) if port > 0 => Ok(port),
                _ => Err(format!("{name}={text:?} is no port, 1 to 65535")),
            },
        }
    }
}

/// Without percent signs.
pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, &'static str> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "what is percent-encoded is no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_decoded_and_a_plus_stays_one() {
        let parameters = Parameters(Some("tag=&user=ann+x%40example.org&user=bob&empty"));
        let found = |name| parameters.find(name).expect("it is UTF-8").map(Cow::into_owned);
        assert_eq!(found("user").as_deref(), Some("ann+x@example.org"));
        assert_eq!(found("tag").as_deref(), Some(""));
        assert_eq!(parameters.find("empty"), Ok(None));
        assert_eq!(Parameters(None).find("user"), Ok(None));
        assert!(Parameters(Some("user=%ff")).find("user").is_err());
    }

    #[test]
    fn a_port_is_a_number_that_is_one() {
        let parameters = Parameters(Some("imap=1143&pop3=0&smtp=65536"));
        assert_eq!(parameters.port("imap", 143), Ok(1143));
        assert_eq!(parameters.port("lmtp", 24), Ok(24));
        assert_eq!(
            parameters.port("pop3", 110),
            Err("pop3=\"0\" is no port, 1 to 65535".to_owned())
        );
        assert!(parameters.port("smtp", 587).is_err());
    }
}
