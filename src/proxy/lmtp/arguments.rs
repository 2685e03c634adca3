//! What stands behind MAIL FROM: and RCPT TO: (RFC 5321, section 4.1.2), and the user whom an address means.

use crate::config::LmtpUser;

/// A path with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Without brackets and without a source route, quoted as it came.
    pub address: String,
    /// Words such as `SIZE=7`, as they came.
    pub parameters: Vec<String>,
}

impl Argument {
    /// Reads what stands behind `FROM:` or `TO:`; nothing if it is no path.
    pub fn parse(text: &[u8]) -> Option<Argument> {
        let text = std::str::from_utf8(text).ok()?.trim_start_matches(' ');
        let inner = text.strip_prefix('<')?;
        let end = end_of_path(inner)?;
        let (path, rest) = (&inner[..end], &inner[end + 1..]);
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        // RFC 5321, section 4.1.1.3: a source route is passed over.
        let address = match path.strip_prefix('@') {
            Some(route) => route.split_once(':')?.1,
            None => path,
        };
        Some(Argument {
            address: address.to_owned(),
            parameters: rest.split_ascii_whitespace().map(str::to_owned).collect(),
        })
    }

    /// The user whom it means: in lower case, unquoted, without the detail. Nothing if that is no name.
    pub fn user(&self, named_by: LmtpUser) -> Option<Box<str>> {
        let (local, domain) = split(&self.address)?;
        named_by.of(&local, domain)
    }

    /// The value of a parameter: of its first, should it be there twice.
    pub fn parameter(&self, keyword: &str) -> Option<&str> {
        self.parameters.iter().find_map(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            key.eq_ignore_ascii_case(keyword).then_some(value)
        })
    }
}

/// The extension that a parameter belongs to.
pub(super) fn extension_of(parameter: &str) -> Option<&'static str> {
    let keyword = parameter.split('=').next().unwrap_or_default();
    match keyword.to_ascii_uppercase().as_str() {
        "SIZE" => Some("SIZE"),
        "BODY" => Some("8BITMIME"),
        "SMTPUTF8" => Some("SMTPUTF8"),
        "RET" | "ENVID" | "NOTIFY" | "ORCPT" => Some("DSN"),
        _ => None,
    }
}

/// Where the path's `>` is: not in quotes, and with no space before it.
fn end_of_path(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return Some(at),
            b' ' | b'<' if !is_quoted => return None,
            _ => {}
        }
    }
    None
}

/// The local part without its quotes, and the domain. Nothing if it is no address.
fn split(address: &str) -> Option<(String, Option<&str>)> {
    let Some(quoted) = address.strip_prefix('"') else {
        let (local, domain) = address
            .rsplit_once('@')
            .map_or((address, None), |(local, domain)| (local, Some(domain)));
        let is_plain = !local.is_empty() && !local.contains(['"', '@', '\\']);
        return (is_plain && domain != Some("")).then(|| (local.to_owned(), domain));
    };
    let mut local = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => local.push(rest.next()?),
            other => local.push(other),
        }
    }
    let rest = rest.as_str();
    let domain = rest.strip_prefix('@').filter(|domain| !domain.is_empty());
    let is_whole = !local.is_empty() && (rest.is_empty() || domain.is_some());
    is_whole.then_some((local, domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::NAME_BYTES_MAX;

    fn user(text: &str, named_by: LmtpUser) -> Option<Box<str>> {
        Argument::parse(text.as_bytes())?.user(named_by)
    }

    #[test]
    fn a_recipient_is_the_user_in_lower_case_without_his_detail() {
        for (text, address, localpart) in [
            ("<Ann@Example.ORG>", "ann@example.org", "ann"),
            (" <ann+lists@example.org>", "ann@example.org", "ann"),
            ("<ann+a+b@example.org>", "ann@example.org", "ann"),
            ("<ann>", "ann", "ann"),
            ("<Ann+x>", "ann", "ann"),
            ("<@relay,@other:ann@example.org>", "ann@example.org", "ann"),
            ("<\"ann b\"@example.org>", "ann b@example.org", "ann b"),
            ("<\"a>\\\"@c\"@example.org>", "a>\"@c@example.org", "a>\"@c"),
            ("<+x@example.org>", "+x@example.org", "+x"),
        ] {
            assert_eq!(user(text, LmtpUser::Address).as_deref(), Some(address), "{text}");
            assert_eq!(
                user(text, LmtpUser::LocalPart).as_deref(),
                Some(localpart),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_means_nobody() {
        let long = format!("<{}@example.org>", "x".repeat(NAME_BYTES_MAX));
        for text in [
            "",
            "<>",
            "ann",
            "<ann",
            "<ann b>",
            "<ann>x",
            "<@x>",
            "<@x:>",
            "<a@>",
            "<@>",
            "<\"a>",
            "<\"\"@b>",
            "<\"a\"b@c>",
            "<a@b@c>",
            "<a\"b@c>",
            "<<a>>",
            &long,
        ] {
            assert_eq!(user(text, LmtpUser::Address), None, "{text}");
        }
        assert_eq!(Argument::parse(b"<a\xff@b>"), None);
    }

    #[test]
    fn parameters_belong_to_extensions() {
        let argument = Argument::parse(b"<a@b>  size=77 BODY=8BITMIME X=1").expect("a path");
        assert_eq!(argument.parameter("SIZE"), Some("77"));
        assert_eq!(argument.parameter("RET"), None);
        let of: Vec<_> = argument.parameters.iter().map(|one| extension_of(one)).collect();
        assert_eq!(of, [Some("SIZE"), Some("8BITMIME"), None]);
    }
}
