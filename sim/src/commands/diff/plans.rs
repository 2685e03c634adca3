//! In what two plans differ.

use serde::Serialize;
use serde_json::Value;
use sim::Plan;

/// A part that is not the same; `None` where that side has nothing of the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `seed`, `knobs.lease_ms`, `faults` and so on.
    pub part: String,
    /// In the first plan.
    pub a: Option<String>,
    /// In the second.
    pub b: Option<String>,
}

/// Every difference, but for notes and expectations, which say nothing to a run.
pub fn differences(a: &Plan, b: &Plan) -> Vec<Difference> {
    let mut found = Vec::new();
    let whole = |plan: &Plan| {
        serde_json::json!({
            "seed": plan.seed,
            "duration_ms": plan.duration_ms,
            "ending": plan.ending,
            "knobs": plan.knobs,
        })
    };
    in_values("", Some(&whole(a)), Some(&whole(b)), &mut found);
    in_lists("faults", &lines(&a.faults), &lines(&b.faults), &mut found);
    in_lists("work", &lines(&a.work), &lines(&b.work), &mut found);
    found
}

fn lines(things: &[impl Serialize]) -> Vec<String> {
    let text = |thing| serde_json::to_string(thing).expect("faults and work have no map keys but strings");
    things.iter().map(text).collect()
}

/// Goes down into objects and lists as long as both sides have them.
fn in_values(part: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Difference>) {
    match (a, b) {
        _ if a == b => {}
        (Some(Value::Object(these)), Some(Value::Object(those))) => {
            let further = those.keys().filter(|name| !these.contains_key(*name));
            for name in these.keys().chain(further) {
                let dot = if part.is_empty() { "" } else { "." };
                in_values(
                    &format!("{part}{dot}{name}"),
                    these.get(name),
                    those.get(name),
                    found,
                );
            }
        }
        (Some(Value::Array(these)), Some(Value::Array(those))) => {
            for place in 0..these.len().max(those.len()) {
                in_values(
                    &format!("{part}[{place}]"),
                    these.get(place),
                    those.get(place),
                    found,
                );
            }
        }
        _ => found.push(Difference {
            part: part.to_owned(),
            a: a.map(Value::to_string),
            b: b.map(Value::to_string),
        }),
    }
}

/// What only one list has. The order is left out: it says nothing as long as the times do.
fn in_lists(part: &str, a: &[String], b: &[String], found: &mut Vec<Difference>) {
    let mut rest = b.to_vec();
    for line in a {
        match rest.iter().position(|other| other == line) {
            Some(place) => {
                rest.remove(place);
            }
            None => found.push(Difference {
                part: part.to_owned(),
                a: Some(line.clone()),
                b: None,
            }),
        }
    }
    found.extend(rest.into_iter().map(|line| Difference {
        part: part.to_owned(),
        a: None,
        b: Some(line),
    }));
}

#[cfg(test)]
mod tests {
    use sim::{Fault, FaultKind};

    use super::*;

    #[test]
    fn equal_plans_have_no_differences_whatever_their_notes() {
        let a = Plan::from_seed(3);
        let b = Plan {
            note: "another word".to_owned(),
            ..a.clone()
        };
        assert_eq!(differences(&a, &b), []);
    }

    #[test]
    fn each_knob_and_fault_is_named_with_both_sides() {
        let mut a = Plan::from_seed(3);
        a.faults.clear();
        let mut b = a.clone();
        b.knobs.lease_ms = a.knobs.lease_ms + 1;
        b.knobs.members[0].clock_ppm = a.knobs.members[0].clock_ppm + 1;
        b.faults.push(Fault {
            from_ms: 1,
            to_ms: 2,
            kind: FaultKind::Crash { member: 0 },
        });
        let found = differences(&a, &b);
        let parts: Vec<&str> = found.iter().map(|difference| difference.part.as_str()).collect();
        assert_eq!(parts, ["knobs.lease_ms", "knobs.members[0].clock_ppm", "faults"]);
        assert_eq!(found[0].a, Some(a.knobs.lease_ms.to_string()));
        assert_eq!(found[2].a, None);
        assert!(found[2].b.as_ref().is_some_and(|line| line.contains("crash")));
    }
}
