//! The text of a plan: plain JSON, laid out for people. Reading it back is left to serde.

use std::fmt;
use std::io::{self, Write};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer as JsonSerializer};

use super::{Ending, Expect, Plan};
use crate::fault::Fault;
use crate::knobs::Knobs;
use crate::work::Work;

/// What is written even where it is the default, since a reader looks for it.
const ALWAYS_SHOWN: &[&str] = &["lease_ms", "users", "serves", "votes", "vhosts"];

/// Only what differs from the defaults of the knobs.
pub(super) fn short(plan: &Plan) -> String {
    laid_out(&ShortPlan {
        format: plan.format,
        note: &plan.note,
        expect: &plan.expect,
        seed: plan.seed,
        duration_ms: plan.duration_ms,
        ending: plan.ending,
        knobs: short_knobs(&plan.knobs),
        faults: &plan.faults,
        work: &plan.work,
    })
}

/// Every knob.
pub(super) fn full(plan: &Plan) -> String {
    laid_out(plan)
}

/// A plan with fewer knobs; its fields are those of [`Plan`].
#[derive(Serialize)]
struct ShortPlan<'a> {
    format: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: &'a Option<Expect>,
    seed: u64,
    duration_ms: u64,
    ending: Ending,
    knobs: Fields,
    faults: &'a [Fault],
    work: &'a [Work],
}

fn short_knobs(knobs: &Knobs) -> Fields {
    let Fields(mut fields) = differing(knobs);
    for (name, field) in &mut fields {
        match name.as_str() {
            "members" => *field = Field::List(knobs.members.iter().map(differing).collect()),
            "backends" => *field = Field::List(knobs.backends.iter().map(differing).collect()),
            _ => {}
        }
    }
    Fields(fields)
}

/// The fields that are not as in the default, and those that are always shown.
fn differing<T: Serialize + Default>(thing: &T) -> Fields {
    let (Fields(fields), Fields(defaults)) = (fields(thing), fields(&T::default()));
    let pairs = fields.into_iter().zip(defaults);
    let kept = pairs.filter(|(field, default)| field != default || ALWAYS_SHOWN.contains(&field.0.as_str()));
    Fields(kept.map(|(field, _)| field).collect())
}

fn fields(thing: &impl Serialize) -> Fields {
    let text = serde_json::to_string(thing).expect("knobs have no map keys but strings");
    serde_json::from_str(&text).expect("knobs are an object")
}

/// An object whose fields stay in their order.
#[derive(Debug, PartialEq)]
struct Fields(Vec<(String, Field)>);

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Field {
    Plain(Value),
    List(Vec<Fields>),
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, field)| (name, field)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.push((name, Field::Plain(value)));
        }
        Ok(Fields(fields))
    }
}

fn laid_out(thing: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut serializer = JsonSerializer::with_formatter(&mut text, Layout::default());
    thing
        .serialize(&mut serializer)
        .expect("a plan has no map keys but strings");
    text.push(b'\n');
    String::from_utf8(text).expect("JSON is text")
}

/// A line for each field of the plan and of its knobs, and for each item of their lists; each item is one line.
#[derive(Default)]
struct Layout {
    /// For each list or object that is open: whether its items have lines of their own, and whether it has any.
    open: Vec<(bool, bool)>,
}

/// Objects with lines for their fields: the plan, and what is directly in it.
const OBJECTS_DEEP: usize = 2;
/// Lists with lines for their items: those of the plan and of the knobs.
const LISTS_DEEP: usize = 3;

impl Layout {
    fn begin(&mut self, out: &mut (impl Write + ?Sized), mark: &[u8], deep: usize) -> io::Result<()> {
        let has_lines = self.open.len() < deep && self.open.iter().all(|(has_lines, _)| *has_lines);
        self.open.push((has_lines, false));
        out.write_all(mark)
    }

    fn item(&mut self, out: &mut (impl Write + ?Sized), is_first: bool) -> io::Result<()> {
        if !is_first {
            out.write_all(b",")?;
        }
        let depth = self.open.len();
        let Some((has_lines, has_items)) = self.open.last_mut() else {
            return Ok(());
        };
        *has_items = true;
        match (*has_lines, is_first) {
            (true, _) => new_line(out, depth),
            (false, true) => Ok(()),
            (false, false) => out.write_all(b" "),
        }
    }

    fn end(&mut self, out: &mut (impl Write + ?Sized), mark: &[u8]) -> io::Result<()> {
        if self.open.pop() == Some((true, true)) {
            new_line(out, self.open.len())?;
        }
        out.write_all(mark)
    }
}

fn new_line(out: &mut (impl Write + ?Sized), depth: usize) -> io::Result<()> {
    write!(out, "\n{:width$}", "", width = depth * 2)
}

impl Formatter for Layout {
    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[", LISTS_DEEP)
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.item(out, is_first)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{", OBJECTS_DEEP)
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.item(out, is_first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;
    use crate::knobs::{BackendKnobs, MemberKnobs};

    #[test]
    fn every_plan_of_a_seed_survives_both_texts() {
        for seed in 0..50 {
            let plan = Plan::from_seed(seed);
            assert_eq!(Plan::parse(&short(&plan)).expect("a plan"), plan);
            assert_eq!(Plan::parse(&full(&plan)).expect("a plan"), plan);
        }
    }

    #[test]
    fn a_plain_world_is_told_in_few_lines() {
        let plan = Plan {
            format: 1,
            note: "It dies.".to_owned(),
            expect: None,
            seed: 7,
            duration_ms: 3_000,
            ending: Ending::None,
            knobs: Knobs {
                members: vec![MemberKnobs::default(); 2],
                backends: vec![BackendKnobs::default()],
                is_ordered: false,
                ..Knobs::default()
            },
            faults: vec![Fault {
                from_ms: 1,
                to_ms: 2,
                kind: FaultKind::Crash { member: 0 },
            }],
            work: Vec::new(),
        };
        let wanted = r#"{
  "format": 1,
  "note": "It dies.",
  "seed": 7,
  "duration_ms": 3000,
  "ending": "none",
  "knobs": {
    "members": [
      {"serves": true, "votes": true},
      {"serves": true, "votes": true}
    ],
    "lease_ms": 1000,
    "backends": [
      {"vhosts": 100}
    ],
    "users": 1,
    "is_ordered": false
  },
  "faults": [
    {"from_ms": 1, "to_ms": 2, "kind": "crash", "member": 0}
  ],
  "work": []
}
"#;
        assert_eq!(short(&plan), wanted);
        assert_eq!(Plan::parse(wanted).expect("a plan"), plan);
    }

    #[test]
    fn a_knob_that_does_not_exist_is_refused() {
        let text = short(&Plan::from_seed(1)).replace("\"users\"", "\"losers\"");
        let error = Plan::parse(&text).expect_err("nobody knows that knob");
        assert!(error.to_string().contains("losers"), "{error}");
    }
}
