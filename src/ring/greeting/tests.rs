//! Greetings that agree, and each way in which they do not.

use super::*;

fn greeting(from: u16) -> Greeting {
    Greeting {
        versions: (1, 1),
        cluster: "mail".to_owned(),
        from: MemberId::from_index(from),
        boot: Boot::from_bits(0xab00 + u64::from(from)),
        to: None,
        settings: vec![
            setting_of("director_username_hash", "%Lu", true),
            setting_of("director_mail_servers", "10.0.0.1\t10.0.0.2", false),
        ],
    }
}

fn setting_of(name: &str, value: &str, must_match: bool) -> Setting {
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        must_match,
    }
}

fn meet(mine: &Greeting, theirs: &Greeting) -> Result<Agreed, Refusal> {
    agree(mine, theirs, None, |id| id.index() < 10)
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| *line != END)
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_greeting_is_read_as_it_was_written() {
    let mut said = greeting(3);
    said.to = Some(MemberId::from_index(5));
    said.cluster = "tab\there, line\nend, back\\slash".to_owned();
    assert_eq!(Greeting::parse(&lines(&said.text()), (1, 1)), Ok(said));
}

#[test]
fn what_a_later_release_adds_is_skipped() {
    let said = greeting(3);
    let text = said.text().replace("cluster\t", "mood\tgood\ncluster\t");
    assert_eq!(Greeting::parse(&lines(&text), (1, 1)), Ok(said));
}

#[test]
fn equal_greetings_agree_on_the_highest_common_version() {
    let (mut mine, mut theirs) = (greeting(1), greeting(2));
    mine.versions = (1, 4);
    theirs.versions = (2, 3);
    let agreed = meet(&mine, &theirs).expect("they agree");
    assert_eq!((agreed.version, agreed.peer.index()), (3, 2));
    assert!(agreed.differences.is_empty());
}

#[test]
fn releases_too_far_apart_are_told_both_ranges() {
    let text = greeting(2).text().replace("ring 1 1", "ring 3 4");
    let refusal = Greeting::parse(&lines(&text), (1, 2)).expect_err("nothing in common");
    assert_eq!(
        refusal.to_string(),
        "no common version of the ring's protocol: 1 to 2 here, 3 to 4 there; upgrade release by release"
    );
}

#[test]
fn every_grave_difference_is_named_and_slight_ones_only_warn() {
    let (mine, mut theirs) = (greeting(1), greeting(2));
    theirs.settings[1].value = "10.0.0.1".to_owned();
    theirs
        .settings
        .push(setting_of("new_in_the_next_release", "1", true));
    let agreed = meet(&mine, &theirs).expect("slight differences do not part members");
    let named: Vec<_> = agreed
        .differences
        .iter()
        .map(|found| found.setting.as_str())
        .collect();
    assert_eq!(named, ["director_mail_servers", "new_in_the_next_release"]);
    theirs.settings[0].value = "%u".to_owned();
    let refusal = meet(&mine, &theirs).expect_err("the hash must be the same");
    let words = "the setting director_username_hash is \"%Lu\" here, \"%u\" there";
    assert_eq!(refusal.to_string(), words);
}

#[test]
fn strangers_and_doubles_are_refused() {
    let mine = greeting(1);
    let mut other_cluster = greeting(2);
    other_cluster.cluster = "test".to_owned();
    let refusal = meet(&mine, &other_cluster).expect_err("another cluster");
    assert_eq!(
        refusal.to_string(),
        "the setting cluster is \"mail\" here, \"test\" there"
    );
    let refusal = meet(&mine, &greeting(1)).expect_err("the same number");
    assert!(matches!(refusal, Refusal::Myself { .. }), "{refusal}");
    let refusal = meet(&mine, &greeting(10)).expect_err("not a member");
    assert!(matches!(refusal, Refusal::Unknown { .. }), "{refusal}");
    let expected = Some(MemberId::from_index(3));
    let refusal = agree(&mine, &greeting(2), expected, |_| true).expect_err("somebody else answers");
    assert!(matches!(refusal, Refusal::Another { .. }), "{refusal}");
    let mut misled = greeting(2);
    misled.to = expected;
    let refusal = meet(&mine, &misled).expect_err("somebody else was meant");
    assert!(matches!(refusal, Refusal::Another { .. }), "{refusal}");
}

#[test]
fn other_protocols_are_shown_as_they_began() {
    let refusal = Greeting::parse(&["HTTP/1.1 400 Bad Request".to_owned()], (1, 1)).expect_err("not a ring");
    let words = "it does not speak the ring's protocol, it began with \"HTTP/1.1 400 Bad Request\"";
    assert_eq!(refusal.to_string(), words);
    assert!(Greeting::parse(&[], (1, 1)).is_err());
}
