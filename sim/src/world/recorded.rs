//! What the world tells a recorder besides its notes, when there is one.

use maildirector::agreement::Envelope;
use maildirector::director::Door;
use maildirector::topology::Epoch;
use maildirector::world::Instant;

use super::scene::World;
use crate::explain::{EpochMove, LeaseMove, Recorder, SessionSpan};

impl World<'_> {
    /// From here on everything is taken down.
    pub(crate) fn record(&mut self) {
        self.recorder = Some(Box::default());
    }

    /// What was taken down.
    pub(crate) fn take_recorder(&mut self) -> Recorder {
        self.recorder
            .take()
            .map_or_else(Recorder::default, |recorder| *recorder)
    }

    #[inline]
    pub(super) fn record_sending(&mut self, envelope: &Envelope) {
        if let Some(recorder) = &mut self.recorder {
            recorder.sending(envelope);
        }
    }

    #[inline]
    pub(super) fn record_sent(&mut self, from: u8, to: u8) {
        if let Some(recorder) = &mut self.recorder {
            recorder.sent(from, to, self.network.sent(from, to));
        }
    }

    #[inline]
    pub(super) fn record_lease(&mut self, run: u32, until: Option<Instant>, epoch: Option<Epoch>) {
        if self.recorder.is_none() {
            return;
        }
        let member = self.runs[run as usize].member;
        let until_ns = until.map(|until| self.when(member, until));
        let lease = LeaseMove {
            at_ns: self.now,
            member,
            run,
            until_ns,
            epoch: epoch.map_or(0, Epoch::number),
            by: None,
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.lease(lease);
        }
    }

    #[inline]
    pub(super) fn record_epoch(&mut self, run: u32, epoch: Option<Epoch>) {
        if let (Some(recorder), Some(epoch)) = (&mut self.recorder, epoch) {
            recorder.epoch(EpochMove {
                at_ns: self.now,
                run,
                epoch: epoch.number(),
            });
        }
    }

    #[inline]
    pub(super) fn record_session(&mut self, slot: u32) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let session = self.doors.session(slot);
        let director = self.runs[session.run as usize].director.as_deref();
        recorder.session_opened(SessionSpan {
            number: session.number,
            member: session.member,
            person: session.person,
            user: session.user,
            backend: session.backend_number,
            is_exact: session.door == Door::Exact,
            epoch: director.map_or(0, |director| director.epoch().number()),
            opened_ns: session.opened_ns,
            opened: 0,
            closed: None,
        });
    }
}
