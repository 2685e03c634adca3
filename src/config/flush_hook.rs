//! `director_flush_socket`: whom to tell of a user who was moved, before he is let in again.

use std::path::{Path, PathBuf};

use super::complaint::{Complaint, Quoted};

/// Longer values are refused; the longest path of a socket has 107 bytes.
const BYTES_MAX: usize = 1_024;

/// Whom to tell. In texts `%i` stands for the address of the backend that the user is moved to, `%h` for its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlushHook {
    /// A server behind a socket of this host; its path is absolute.
    Unix(String),
    /// A server elsewhere.
    Tcp {
        /// Its address or name.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A program that is started each time.
    Program {
        /// Absolute.
        path: PathBuf,
        /// What it is given before what is to be told.
        arguments: Vec<String>,
    },
}

impl FlushHook {
    /// Reads `unix:PATH`, `tcp:HOST:PORT` or `exec:PATH ARGUMENTS`. A relative path of a socket is below `base_dir`, as in
    /// Dovecot. Unlike there a value without a scheme, or an unknown variable, is a fault.
    pub(super) fn parse(text: &str, base_dir: &Path) -> Result<Self, Complaint> {
        const HINT: &str = "unix:/path/to/socket, tcp:host:port or exec:/path/to/program";
        let bad = |what: &str| Complaint::with_hint(format!("{} {what}", Quoted(text)), HINT);
        if text.len() > BYTES_MAX || text.chars().any(char::is_control) {
            return Err(bad("is too long or has control characters"));
        }
        if let Some(variable) = unknown_variable(text) {
            let message = format!("{}: the variable %{variable} is unknown", Quoted(text));
            return Err(Complaint::with_hint(
                message,
                "%i is the new backend's address, %h its name",
            ));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(bad("has no scheme"));
        };
        match scheme {
            _ if rest.is_empty() => Err(bad("names nobody")),
            "unix" => {
                let path = base_dir.join(rest);
                let path = path.to_str().ok_or_else(|| bad("is no path"))?;
                Ok(FlushHook::Unix(path.to_owned()))
            }
            "tcp" => {
                let (host, port) = rest.rsplit_once(':').ok_or_else(|| bad("has no port"))?;
                let host = host
                    .strip_prefix('[')
                    .and_then(|host| host.strip_suffix(']'))
                    .unwrap_or(host);
                match port.parse() {
                    Ok(port) if port > 0 && !host.is_empty() => Ok(FlushHook::Tcp {
                        host: host.to_owned(),
                        port,
                    }),
                    _ => Err(bad("has no host or no port")),
                }
            }
            "exec" => {
                let mut words = rest.split(' ').filter(|word| !word.is_empty());
                let path = words.next().filter(|path| path.starts_with('/'));
                let path = path.ok_or_else(|| bad("names no absolute path"))?;
                Ok(FlushHook::Program {
                    path: path.into(),
                    arguments: words.map(str::to_owned).collect(),
                })
            }
            _ => Err(bad("has an unknown scheme")),
        }
    }
}

fn unknown_variable(text: &str) -> Option<char> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            match chars.next() {
                Some('i' | 'h' | '%') => {}
                other => return Some(other.unwrap_or(' ')),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FlushHook, String> {
        FlushHook::parse(text, Path::new("/run/dovecot")).map_err(|complaint| complaint.message)
    }

    #[test]
    fn each_scheme_is_read() {
        assert_eq!(
            parse("unix:flush"),
            Ok(FlushHook::Unix("/run/dovecot/flush".to_owned()))
        );
        assert_eq!(parse("unix:/srv/%h"), Ok(FlushHook::Unix("/srv/%h".to_owned())));
        for (text, host) in [
            ("tcp:%i:12", "%i"),
            ("tcp:[fd00::1]:12", "fd00::1"),
            ("tcp:host:12", "host"),
        ] {
            let host = host.to_owned();
            assert_eq!(parse(text), Ok(FlushHook::Tcp { host, port: 12 }));
        }
        let program = FlushHook::Program {
            path: "/usr/bin/flush".into(),
            arguments: vec!["-v".to_owned(), "%i".to_owned()],
        };
        assert_eq!(parse("exec:/usr/bin/flush  -v %i"), Ok(program));
    }

    #[test]
    fn whatever_names_nobody_is_refused() {
        for (text, message) in [
            ("flush.sock", "\"flush.sock\" has no scheme"),
            ("unix:", "\"unix:\" names nobody"),
            ("tcp:host", "\"tcp:host\" has no port"),
            ("tcp::12", "\"tcp::12\" has no host or no port"),
            ("tcp:host:0", "\"tcp:host:0\" has no host or no port"),
            ("exec:flush", "\"exec:flush\" names no absolute path"),
            ("http://x", "\"http://x\" has an unknown scheme"),
            ("unix:/a%u", "\"unix:/a%u\": the variable %u is unknown"),
            ("unix:/a%", "\"unix:/a%\": the variable %  is unknown"),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()), "{text}");
        }
    }
}
