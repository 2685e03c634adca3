//! Formats that Dovecot understands, with what its own sources and documentation say comes out.

use super::*;

#[test]
fn the_default_lowers_ascii_letters_only() {
    assert_eq!(expanded("%Lu", "ÉMILE@Example.COM"), "Émile@example.com");
    assert_eq!(HashFormat::default(), HashFormat::parse("%Lu").unwrap());
}

#[test]
fn the_quick_ways_give_the_keys_of_the_long_way() {
    let long = "x".repeat(63) + "Y@" + &"Z".repeat(200);
    for name in ["", "bob", "Bob@Example.COM", "É", long.as_str()] {
        assert_eq!(key("%Lu", name), key("%L{user}", name), "{name}");
        assert_eq!(key("%u", name), key("%{user}", name), "{name}");
        assert_eq!(
            key("%Lu", name),
            UserKey::of_expanded(expanded("%Lu", name).as_bytes()),
            "{name}"
        );
    }
}

#[test]
fn variables_split_a_name_at_the_first_at_sign() {
    for (format, whole, none, twice) in [
        ("%u", "a@b", "a", "a@b@c"),
        ("%n", "a", "a", "a"),
        ("%d", "b", "", "b@c"),
        ("%{username}|%{domain}", "a|b", "a|", "a|b@c"),
        ("x-%u-%%-y", "x-a@b-%-y", "x-a-%-y", "x-a@b@c-%-y"),
    ] {
        assert_eq!(expanded(format, "a@b"), whole, "{format}");
        assert_eq!(expanded(format, "a"), none, "{format}");
        assert_eq!(expanded(format, "a@b@c"), twice, "{format}");
    }
}

#[test]
fn widths_and_offsets_cut_as_in_dovecot() {
    for (format, cut) in [
        ("%3u", "val"),
        ("%-3u", "val"),
        ("%3.2u", "ue"),
        ("%3.-2u", "ue12"),
        ("%-3.2u", "23"),
        ("%0.-1u", "value123"),
        ("%-4.-1u", "123"),
        ("%20u", "value1234"),
        ("%012u", "000value1234"),
        ("%03u", "value1234"),
        ("%5.06u", "001234"),
        ("%20.2u", ""),
        ("%-20.2u", "va"),
        ("%7.-3u", "34"),
        ("%2147483647u", "value1234"),
    ] {
        assert_eq!(expanded(format, "value1234"), cut, "{format}");
    }
}

#[test]
fn modifiers_apply_in_order() {
    for (format, name, modified) in [
        ("%Lu", "Bob", "bob"),
        ("%Uu", "Bob", "BOB"),
        ("%Ru", "abc", "cba"),
        ("%LRu", "ABc", "cba"),
        ("%2RUu", "abc", "CB"),
        ("%Eu", "o'b\"\\", "o\\'b\\\"\\\\"),
        ("%Xu", "255", "ff"),
        ("%Xu", "+5", "0"),
        ("%Xu", "18446744073709551616", "0"),
        ("%Du", "sub.example.com", "sub,dc=example,dc=com"),
        ("%Tu", "a b \t\u{b}", "a b"),
        ("%Mu", "alice", "6384e2b2184bcbf58eccf10ca7a6563c"),
        ("%4.8Mu", "alice", "e2b2184b"),
    ] {
        assert_eq!(expanded(format, name), modified, "{format} of {name}");
    }
}

#[test]
fn hash_modifiers_take_the_width_as_modulus_and_the_offset_as_digits() {
    for (format, name, hash) in [
        ("%50Hu", "value", "1f"),
        ("%50Hu", "value2", "2e"),
        ("%50Nu", "value", "25"),
        ("%50Nu", "value2", "e"),
        ("%Nu", "alice", "184bcbf5"),
        ("%7Nu", "alice", "4"),
        ("%4.7Nu", "alice", "0004"),
        ("%-4.7Nu", "alice", "4"),
    ] {
        assert_eq!(expanded(format, name), hash, "{format} of {name}");
    }
}

#[test]
fn hashes_of_variables_take_rounds_salt_bits_and_encoding() {
    let sha256 = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
    for (format, hash) in [
        ("%{md5:username}", "6384e2b2184bcbf58eccf10ca7a6563c"),
        ("%{sha256:username}", sha256),
        ("%{sha256;format=hexuc:username}", sha256),
        (
            "%{sha256;format=base64:username}",
            "K9gGyX8OAK8aH8Myj6djqSaXI8jbj6xPk69x2xhtbpA=",
        ),
        ("%{md5;format=base64:username}", "Y4TishhLy/WOzPEMp6ZWPA=="),
        ("%{sha256;truncate=12:username}", "02bd"),
        ("%{sha256;truncate=16:username}", "2bd8"),
        ("%{sha256;truncate=0:username}", sha256),
        ("%{sha256;truncate=999:username}", sha256),
        (
            "%{sha256;rounds=3,salt=sea:username}",
            "2b68c280ba5767900af2e05c9c3438a6ab98ddddaf2697dcebba2700bc7f38d7",
        ),
        (
            "%{sha256;salt=sea-%d:username}",
            "7567b5548c28e8c96537e0507b981408a2635262c708df9950821b77eb4b1945",
        ),
        (
            "%{sha256:md5:username}",
            "14c841de1e849b034439efff4855ae11894a27df4c53c8b981368aa2fe7b8b79",
        ),
        ("%4.8{sha256:username}", "06c97f0e"),
    ] {
        assert_eq!(expanded(format, "alice@example.com"), hash, "{format}");
    }
    assert!(expanded("%{sha384:username}", "alice").starts_with("96a5353e625adc00"));
    assert!(expanded("%{sha512:username}", "alice").starts_with("408b27d3097eea5a"));
}

#[test]
fn what_is_not_a_variable_of_a_username_is_refused() {
    for name in [
        "x",
        "{pid}",
        "{hostname}",
        "{env:HOME}",
        "{}",
        "{user",
        "{user:x}",
        "{sha1:user}",
        "{sha256}",
        "{",
    ] {
        let refused = HashFormat::parse(&format!("a%{name}"));
        assert!(
            matches!(refused, Err(HashFormatError::UnknownVariable { .. })),
            "{name}: {refused:?}"
        );
    }
    // After 10 modifiers the next letter is a variable.
    assert!(HashFormat::parse("%LLLLLLLLLLu").is_ok());
    assert!(HashFormat::parse("%LLLLLLLLLLLu").is_err());
}

#[test]
fn a_last_percent_sign_is_passed_over_as_in_dovecot() {
    assert_eq!(expanded("%u%", "bob"), "bob");
    assert_eq!(expanded("%u%5L", "bob"), "bob");
}

#[test]
fn limits_are_refused_by_name() {
    let limit = |format: &str| HashFormat::parse(format).expect_err(format);
    assert_eq!(
        limit("%2147483648u"),
        HashFormatError::NumberOutOfRange { max: i32::MAX as u32 }
    );
    assert_eq!(limit("%0257u"), HashFormatError::NumberOutOfRange { max: 256 });
    assert_eq!(limit("%257.1Nu"), HashFormatError::NumberOutOfRange { max: 256 });
    assert_eq!(
        limit("%{md5;rounds=0:user}"),
        HashFormatError::RoundsOutOfRange { max: 1_000 }
    );
    assert_eq!(
        limit("%{md5;rounds=1001:user}"),
        HashFormatError::RoundsOutOfRange { max: 1_000 }
    );
    assert_eq!(
        limit("%{md5;turns=2:user}"),
        HashFormatError::BadArgument {
            argument: "turns=2".into()
        }
    );
    assert_eq!(
        limit(&"x".repeat(513)),
        HashFormatError::TooLong { bytes: 513, max: 512 }
    );
    assert!(HashFormat::parse(&"x".repeat(512)).is_ok());
}

fn expanded(format: &str, name: &str) -> String {
    let mut out = Vec::new();
    HashFormat::parse(format).expect(format).expand(name, &mut out);
    String::from_utf8(out).expect("these formats cut no character")
}

fn key(format: &str, name: &str) -> UserKey {
    HashFormat::parse(format).expect(format).key(name)
}
