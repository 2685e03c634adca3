//! What two members say of themselves before they link, as text that every release can read.
//!
//! A first line with the versions spoken, then lines of `key`, tab, value, then `end`. Unknown keys are skipped, so
//! that later releases can say more.

use std::collections::BTreeMap;

use super::event::Difference;
use super::refusal::Refusal;
use super::settings::{Circle, RingSettings, Setting};
use crate::agreement::Boot;
use crate::topology::MemberId;

/// The lowest version of the ring's protocol that this release speaks.
pub const PROTOCOL_MIN: u16 = 1;

/// The highest version of the ring's protocol that this release speaks.
pub const PROTOCOL_MAX: u16 = 1;

/// The largest greeting, in bytes.
pub(super) const GREETING_BYTES_MAX: usize = 256 << 10;

pub(super) const END: &str = "end";

const MAGIC: &str = "maildirector-ring";
const SETTINGS_MAX: usize = 256;
/// As much of a stranger's first line as is worth showing.
const SHOWN_CHARS: usize = 40;

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub versions: (u16, u16),
    pub cluster: String,
    pub from: MemberId,
    pub boot: Boot,
    /// Whom it believes it dials.
    pub to: Option<MemberId>,
    pub settings: Vec<Setting>,
}

/// What two greetings agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub peer: MemberId,
    pub boot: Boot,
    pub version: u16,
    /// Settings that differ, and may.
    pub differences: Vec<Difference>,
}

impl Greeting {
    pub fn of(settings: &RingSettings, circle: &Circle, to: Option<MemberId>) -> Self {
        Greeting {
            versions: settings.limits.versions,
            cluster: settings.cluster.clone(),
            from: settings.me,
            boot: settings.boot,
            to,
            settings: [&settings.said[..], &circle.said].concat(),
        }
    }

    pub fn text(&self) -> String {
        let mut text = format!("{MAGIC} {} {}\n", self.versions.0, self.versions.1);
        text += &format!("cluster\t{}\n", escape(&self.cluster));
        text += &format!(
            "from\t{}\nboot\t{:016x}\n",
            self.from.index(),
            self.boot.to_bits()
        );
        if let Some(to) = self.to {
            text += &format!("to\t{}\n", to.index());
        }
        for Setting {
            name,
            value,
            must_match,
        } in &self.settings
        {
            let rule = if *must_match { "must" } else { "may" };
            text += &format!("setting\t{rule}\t{}\t{}\n", escape(name), escape(value));
        }
        text + END + "\n"
    }

    /// The greeting in these lines, without the one that ends it. Of a version that is not spoken here only the
    /// versions need to make sense.
    pub fn parse(lines: &[String], spoken: (u16, u16)) -> Result<Self, Refusal> {
        let first = lines.first().map(String::as_str).unwrap_or_default();
        let versions = versions(first)?;
        common(spoken, versions)?;
        let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
        let mut settings = Vec::new();
        for line in &lines[1..] {
            let (key, value) = line
                .split_once('\t')
                .ok_or_else(|| malformed("a line without a tab"))?;
            if key == "setting" {
                settings.push(setting(value)?);
            } else {
                fields.insert(key, value);
            }
        }
        if settings.len() > SETTINGS_MAX {
            return Err(malformed(&format!(
                "{} settings, the limit is {SETTINGS_MAX}",
                settings.len()
            )));
        }
        let field = |key: &str| {
            fields
                .get(key)
                .copied()
                .ok_or_else(|| malformed(&format!("no {key}")))
        };
        let boot = u64::from_str_radix(field("boot")?, 16).map_err(|_| malformed("boot is not a number"))?;
        Ok(Greeting {
            versions,
            cluster: unescape(field("cluster")?),
            from: member("from", field("from")?)?,
            boot: Boot::from_bits(boot),
            to: fields.get("to").map(|text| member("to", text)).transpose()?,
            settings,
        })
    }
}

/// Whether these two may link; `expected` is whom this member dialled.
pub(super) fn agree(
    mine: &Greeting,
    theirs: &Greeting,
    expected: Option<MemberId>,
    is_member: impl Fn(MemberId) -> bool,
) -> Result<Agreed, Refusal> {
    let version = common(mine.versions, theirs.versions)?;
    let (me, said) = (mine.from, theirs.from);
    if mine.cluster != theirs.cluster {
        let (here, there) = (mine.cluster.clone(), theirs.cluster.clone());
        return Err(Refusal::Cluster { here, there });
    }
    if said == me {
        return Err(Refusal::Myself { me });
    }
    if let Some(expected) = expected.filter(|expected| *expected != said) {
        return Err(Refusal::Another { expected, said });
    }
    if !is_member(said) {
        return Err(Refusal::Unknown { said });
    }
    if let Some(meant) = theirs.to.filter(|to| *to != me) {
        return Err(Refusal::Another {
            expected: meant,
            said: me,
        });
    }
    let (grave, differences) = compare(&mine.settings, &theirs.settings);
    if !grave.is_empty() {
        return Err(Refusal::Settings { differences: grave });
    }
    Ok(Agreed {
        peer: said,
        boot: theirs.boot,
        version,
        differences,
    })
}

/// The settings that differ and must not, and those that may. One that only one side knows may: the other's release
/// is older.
fn compare(here: &[Setting], there: &[Setting]) -> (Vec<Difference>, Vec<Difference>) {
    let mut pairs: BTreeMap<&str, (Option<&Setting>, Option<&Setting>)> = BTreeMap::new();
    for setting in here {
        pairs.entry(&setting.name).or_default().0 = Some(setting);
    }
    for setting in there {
        pairs.entry(&setting.name).or_default().1 = Some(setting);
    }
    let (mut grave, mut slight) = (Vec::new(), Vec::new());
    for (name, (here, there)) in pairs {
        if here.map(|setting| &setting.value) == there.map(|setting| &setting.value) {
            continue;
        }
        let must_match = |(here, there): (&Setting, &Setting)| here.must_match || there.must_match;
        let is_grave = here.zip(there).is_some_and(must_match);
        let kind = if is_grave { &mut grave } else { &mut slight };
        kind.push(Difference {
            setting: name.to_owned(),
            here: here.map(|setting| setting.value.clone()),
            there: there.map(|setting| setting.value.clone()),
        });
    }
    (grave, slight)
}

fn common(here: (u16, u16), there: (u16, u16)) -> Result<u16, Refusal> {
    let version = here.1.min(there.1);
    if version < here.0.max(there.0) {
        return Err(Refusal::Version { here, there });
    }
    Ok(version)
}

fn versions(first: &str) -> Result<(u16, u16), Refusal> {
    let stranger = || Refusal::NotAMember { said: shown(first) };
    let mut words = first.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(stranger());
    }
    let mut number = || {
        words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(stranger)
    };
    Ok((number()?, number()?))
}

/// The start of what a stranger said, fit for a log.
pub(super) fn shown(text: &str) -> String {
    if text.starts_with('\u{16}') {
        return "a TLS greeting: ring.insecure is set here and not there".to_owned();
    }
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    format!("\"{}\"", start.escape_debug())
}

fn setting(text: &str) -> Result<Setting, Refusal> {
    let mut parts = text.splitn(3, '\t');
    let (Some(rule), Some(name), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("a setting without a value"));
    };
    Ok(Setting {
        name: unescape(name),
        value: unescape(value),
        must_match: rule == "must",
    })
}

fn member(key: &str, text: &str) -> Result<MemberId, Refusal> {
    let number = text
        .parse()
        .map_err(|_| malformed(&format!("{key} is not a member's number")))?;
    Ok(MemberId::from_index(number))
}

fn malformed(why: &str) -> Refusal {
    Refusal::Malformed { why: why.to_owned() }
}

/// A text without tabs and line ends.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}

pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let plain = match char {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        out.push(plain);
    }
    out
}

#[cfg(test)]
mod tests;
