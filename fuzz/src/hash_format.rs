//! Username hash formats: the first line is a format, the rest is a username.

use maildirector::topology::{HashFormat, UserKey};

/// Any format is refused or gives every name one key, the same one through its printed form.
pub fn run(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (format, name) = text.split_once('\n').unwrap_or((text, "anna@example.org"));
    let Ok(parsed) = HashFormat::parse(format) else {
        return;
    };
    let key = parsed.key(name);
    assert_ne!(key.hash(), 0, "Dovecot never uses the hash 0");
    let mut expanded = Vec::new();
    parsed.expand(name, &mut expanded);
    assert_eq!(
        UserKey::of_expanded(&expanded),
        key,
        "the key is that of the expanded name"
    );
    let again = HashFormat::parse(parsed.as_str()).expect("a format's text is a format");
    assert_eq!(again.key(name), key, "a format's text means the same format");
}
