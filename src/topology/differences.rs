//! Where a topology in force is another than the configured one: what admins and probes have changed since.

use super::{Backend, Topology};

/// One difference, in words for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of what: a backend's address, a member, or `ring`.
    pub subject: String,
    /// In what: `presence`, `vhosts`, `tag`, `state`, `lease`, `director_user_expire`.
    pub setting: &'static str,
    /// What is in force.
    pub running: String,
    /// What the configuration says.
    pub configured: String,
}

impl Topology {
    /// Where this topology is another than the configured one; pins and the hostnames of backends aside. In the order of
    /// backends, then members, then the ring's own settings.
    pub fn differences(&self, configured: &Topology) -> Vec<Difference> {
        let mut found = Vec::new();
        for backend in self.backends() {
            match configured.backend_at(backend.ip) {
                None => found.push(presence(backend.ip.to_string(), true)),
                Some(other) => self.compare(backend, configured, other, &mut found),
            }
        }
        let gone = configured
            .backends()
            .filter(|other| self.backend_at(other.ip).is_none());
        found.extend(gone.map(|other| presence(other.ip.to_string(), false)));
        for member in self.members() {
            if configured.member(member.id).is_none() {
                found.push(presence(member.id.to_string(), true));
            }
        }
        let gone = configured
            .members()
            .filter(|other| self.member(other.id).is_none());
        found.extend(gone.map(|other| presence(other.id.to_string(), false)));
        let (timing, other) = (self.timing(), configured.timing());
        let mut differ = Differ {
            subject: "ring".to_owned(),
            found: &mut found,
        };
        differ.unless_equal(
            "lease",
            format!("{:?}", timing.lease),
            format!("{:?}", other.lease),
        );
        differ.unless_equal(
            "director_user_expire",
            format!("{:?}", timing.user_expire),
            format!("{:?}", other.user_expire),
        );
        found
    }

    fn compare(
        &self,
        backend: &Backend,
        configured: &Topology,
        other: &Backend,
        found: &mut Vec<Difference>,
    ) {
        let mut differ = Differ {
            subject: backend.ip.to_string(),
            found,
        };
        differ.unless_equal("vhosts", backend.vhosts.to_string(), other.vhosts.to_string());
        let tag =
            |topology: &Topology, backend: &Backend| topology.tag_name(backend.tag).unwrap_or("").to_owned();
        differ.unless_equal("tag", tag(self, backend), tag(configured, other));
        let state = |backend: &Backend| if backend.is_up { "up" } else { "down" }.to_owned();
        differ.unless_equal("state", state(backend), state(other));
        let drain = |backend: &Backend| if backend.drain.is_some() { "draining" } else { "" }.to_owned();
        differ.unless_equal("drain", drain(backend), drain(other));
    }
}

/// Collects the differences of one subject.
struct Differ<'a> {
    subject: String,
    found: &'a mut Vec<Difference>,
}

impl Differ<'_> {
    fn unless_equal(&mut self, setting: &'static str, running: String, configured: String) {
        if running != configured {
            self.found.push(Difference {
                subject: self.subject.clone(),
                setting,
                running,
                configured,
            });
        }
    }
}

fn presence(subject: String, is_running: bool) -> Difference {
    let word = |is_there: bool| if is_there { "there" } else { "absent" }.to_owned();
    Difference {
        subject,
        setting: "presence",
        running: word(is_running),
        configured: word(!is_running),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::three_backends;
    use super::super::{Change, Draft, NewBackend};
    use super::Difference;

    fn changed(changes: &[Change]) -> Vec<Difference> {
        let configured = three_backends();
        let mut draft = Draft::of(&configured);
        draft.apply(changes).expect("they can be made");
        draft.finish().0.differences(&configured)
    }

    fn said(found: &[Difference]) -> Vec<String> {
        let say = |d: &Difference| format!("{} {} {} {}", d.subject, d.setting, d.running, d.configured);
        found.iter().map(say).collect()
    }

    #[test]
    fn what_was_not_changed_does_not_differ() {
        let configured = three_backends();
        assert_eq!(configured.differences(&configured), []);
    }

    #[test]
    fn every_change_of_an_admin_is_found() {
        let ip = |last: u8| [10, 0, 0, last].into();
        let found = changed(&[
            Change::SetVhosts {
                ip: ip(1),
                vhosts: 50,
            },
            Change::Down {
                ip: ip(1),
                at_unix_s: 7,
            },
            Change::RemoveBackend { ip: ip(2) },
            Change::AddBackend(NewBackend {
                ip: ip(9),
                hostname: None,
                vhosts: 100,
                tag: "".into(),
            }),
        ]);
        let expected = [
            "10.0.0.1 vhosts 50 100",
            "10.0.0.1 state down up",
            "10.0.0.9 presence there absent",
            "10.0.0.2 presence absent there",
        ];
        assert_eq!(said(&found), expected);
    }
}
