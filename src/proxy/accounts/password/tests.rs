//! Hashes that `doveadm pw -p secret` of Dovecot 2.3.19 has made.

use proptest::prelude::*;

use super::*;

const MADE_BY_DOVECOT: [&str; 19] = [
    "{PLAIN}secret",
    "{CLEARTEXT}secret",
    "{SHA256-CRYPT}$5$CBRBdazPqX.BWsD.$6k.xFQtePPJiIkdRlmYYeYakhZQcDy2RU6hIHQbjVC/",
    "{SHA512-CRYPT}$6$WQRVa8nk9gOx4l50$CWlIuBbp4ZSrbYyaLpQtVROjZncXxnQ/tG1SE.2X1Csda3x30JcW.QFSl4.m5S6cGt1PvHDeH5aT2VohpLWCx.",
    "{CRYPT}$2y$05$IE4wPzhybTFgQd55n7dnxu6B.Huqee4AzkSIfMlhxC4XNP4/Fp08S",
    "$2y$05$IE4wPzhybTFgQd55n7dnxu6B.Huqee4AzkSIfMlhxC4XNP4/Fp08S",
    "$5$CBRBdazPqX.BWsD.$6k.xFQtePPJiIkdRlmYYeYakhZQcDy2RU6hIHQbjVC/",
    "{BLF-CRYPT}$2y$05$h3ShRR3X4VNb/z46YKRrMuY2ygj8MlKeQEwx7/cnwlE6SUoOUMeau",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$hvDCIPaB2eE14HTSflYuEg$uiSczOIsbzo7HBx5UW0HTuhEnsfNe8Hby3S3+jkd+IY",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$jxxVb4diOv+QpikYQnQ7UA$1kF0xFavtTFQ/xulp0j0g0jHFQbnm6ZMsc8DmzgZuoc",
    "{SSHA256}pLOx20glFWtI2WwXa3dMX9G5XfjOdBPNmrUYphY8ujBd+fWk",
    "{SSHA512}qwTNKuk6HSZlWffTQoXWYAJrD4bBKvg9HbXVSShXDIGLncERL64pVLvzbYcx3dFZuM2kaii27/zyB7QWYiBrqWPSS+8=",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
    "{SSHA256.HEX}281726d61786f47183373b98f97672ef54d37648491f7b922517af9f6a15450c6840f514",
    "{SHA256.HEX}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    "{SHA256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    "{SSHA512.HEX}261babd44d889e924643c2c9173ff4ca4c13137e4381154ba8e6277524f19d95f407c12f74983362d6a056ee9b67a673df585c795af2f42720f7ed777f084b879f981cb9",
    "{sha512.b64}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
];

fn parsed(text: &str) -> Password {
    let password = Password::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    password.unwrap_or_else(|| panic!("{text} is locked"))
}

fn error(text: &str) -> HashError {
    Password::parse(text)
        .err()
        .unwrap_or_else(|| panic!("{text} is usable"))
}

#[test]
fn every_hash_that_dovecot_makes_fits_its_password_only() {
    for text in MADE_BY_DOVECOT {
        let password = parsed(text);
        assert_eq!(password.is(b"secret"), Ok(true), "{text}");
        for wrong in [&b""[..], b"Secret", b"secret\n", b"secre", b"secret\0"] {
            assert_eq!(password.is(wrong), Ok(false), "{text}, {wrong:?}");
        }
    }
}

#[test]
fn the_vectors_of_the_sha_crypt_specification_fit() {
    for (hash, password) in [
        (
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            "Hello world!",
        ),
        (
            "$5$rounds=10000$saltstringsaltst$3xv.VbSCBX41eDL9L3voE0bApc8/fQBI/hGvzYuMEb5",
            "no",
        ),
        (
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            "Hello world!",
        ),
    ] {
        assert_eq!(
            parsed(hash).is(password.as_bytes()),
            Ok(password != "no"),
            "{hash}"
        );
    }
}

#[test]
fn a_locked_account_has_no_password() {
    for text in [
        "",
        "!",
        "*",
        "!!",
        "!$6$salt$x",
        "{PLAIN}",
        "{CRYPT}*",
        "{CRYPT}!",
    ] {
        assert!(matches!(Password::parse(text), Ok(None)), "{text}");
    }
}

#[test]
fn what_can_not_be_verified_is_said_when_it_is_read() {
    use HashError::*;
    let argon2 = |costs: &str| {
        let hash = "jxxVb4diOv+QpikYQnQ7UA$1kF0xFavtTFQ/xulp0j0g0jHFQbnm6ZMsc8DmzgZuoc";
        format!("{{ARGON2ID}}$argon2id$v=19${costs}${hash}")
    };
    let digest = "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
    for (text, expected) in [
        ("{PLAIN", NoEnd),
        ("{MD5-CRYPT}$1$x$y", Scheme),
        ("{SHA256.ROT13}abc", Scheme),
        ("{}secret", Scheme),
        ("secret", Crypt),
        ("$1$salt$digest", Crypt),
        ("{SHA256-CRYPT}$6$salt$x", Malformed),
        (&format!("$5$$${digest}"), Malformed),
        (&format!("$5$${digest}"), Malformed),
        (&format!("$5$seventeen.letters$${digest}"), Malformed),
        (&format!("$5$rounds=999$salt${digest}"), Malformed),
        (&format!("$5$rounds=05000$salt${digest}"), Malformed),
        (&format!("$5$rounds=1000001$salt${digest}"), TooManyRounds),
        (&format!("$5$salt${digest}x"), Malformed),
        (&format!("$5$salt${digest}$"), Malformed),
        (
            "$2y$16$IE4wPzhybTFgQd55n7dnxu6B.Huqee4AzkSIfMlhxC4XNP4/Fp08S",
            BcryptCost,
        ),
        (
            "$2y$03$IE4wPzhybTFgQd55n7dnxu6B.Huqee4AzkSIfMlhxC4XNP4/Fp08S",
            Malformed,
        ),
        (
            "$2x$05$IE4wPzhybTFgQd55n7dnxu6B.Huqee4AzkSIfMlhxC4XNP4/Fp08S",
            Malformed,
        ),
        ("$2y$05$IE4wPzhybTFgQd55n7dnxu6B", Malformed),
        (&argon2("m=262145,t=1,p=1"), Argon2Cost),
        (&argon2("m=262144,t=17,p=1"), Argon2Cost),
        (&argon2("m=8,t=1000001,p=1"), Argon2Cost),
        (&argon2("m=65536,t=3,p=65"), Argon2Cost),
        (&argon2("m=7,t=1,p=1"), Malformed),
        (&argon2("m=65536,t=3"), Malformed),
        (&argon2("m=65536,t=3,p=1,q=1"), Malformed),
        (
            &argon2("m=65536,t=3,p=1").replace("ARGON2ID", "ARGON2I"),
            Malformed,
        ),
        (&argon2("m=65536,t=3,p=1").replace("v=19", "v=16"), Malformed),
        ("{SHA256}K7gN", Malformed),
        ("{SHA256.HEX}2bb", Malformed),
        ("{SSHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", Malformed),
        (
            "{SHA256}pLOx20glFWtI2WwXa3dMX9G5XfjOdBPNmrUYphY8ujBd+fWk",
            Malformed,
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_password_beyond_the_limit_never_fits() {
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    assert_eq!(parsed(&format!("{{PLAIN}}{long}")).is(long.as_bytes()), Ok(false));
    let longest = &long[1..];
    let password = parsed(&format!("{{PLAIN}}{longest}"));
    assert_eq!(password.is(longest.as_bytes()), Ok(true));
    assert_eq!(password.is(long.as_bytes()), Ok(false));
}

#[test]
fn the_digests_alone_are_quick() {
    for text in MADE_BY_DOVECOT {
        let is_crypt = text.contains("CRYPT") || text.contains("ARGON2") || text.starts_with('$');
        assert_eq!(parsed(text).is_slow(), is_crypt, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_password_or_an_error(text in any::<String>()) {
        let _ = Password::parse(&text);
    }

    #[test]
    fn a_hash_that_is_damaged_never_panics(
        which in 0..MADE_BY_DOVECOT.len(),
        place in any::<prop::sample::Index>(),
        put in "[${}=,.a0!/+\u{e9}]{0,3}",
        cut in 0usize..3,
    ) {
        let mut text: Vec<char> = MADE_BY_DOVECOT[which].chars().collect();
        let start = place.index(text.len());
        let end = (start + cut).min(text.len());
        text.splice(start..end, put.chars());
        let text: String = text.into_iter().collect();
        if let Ok(Some(password)) = Password::parse(&text) && !matches!(password, Password::Argon2(_)) {
            prop_assert!(password.is(b"xyzzy").is_ok());
        }
    }
}
