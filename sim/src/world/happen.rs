//! Letting one thing happen.

use super::happening::Happening;
use super::scene::World;

impl World<'_> {
    pub(super) fn happen(&mut self, happening: Happening) {
        self.events += 1;
        match happening {
            Happening::MessageArrives { flight } => {
                self.events -= 1;
                self.message_arrives(flight);
            }
            Happening::DiskIsDone { member, write } => self.disk_is_done(member, write),
            Happening::DiskAnswers { run, number, answer } => self.disk_answers(run, number, answer),
            Happening::ClaimIsSeen { run } => self.claim_is_seen(run),
            Happening::LoginIsGenerated { n } => self.login_is_generated(n),
            Happening::LoginArrives { login, number } => self.login_arrives(login, number),
            Happening::LoginIsRetried {
                person,
                tries,
                is_second_tag,
                session_ms,
            } => {
                self.login_is_retried(person, tries, is_second_tag, session_ms);
            }
            Happening::WorkIsDue { index } => self.work_is_due(index),
            Happening::AdminInsists => self.admin_insists(),
            Happening::SessionEnds { session, number } => self.session_ends(session, number),
            Happening::ByteComes { session, number } => self.byte_comes(session, number),
            Happening::RefreshIsDue { refresher } => self.refresh_is_due(refresher),
            Happening::EvictionIsDone { eviction, number } => self.eviction_is_done(eviction, number),
            Happening::EvictedIsSaid { eviction, number } => self.evicted_is_said(eviction, number),
            Happening::CloseAllIsDone { run, term } => self.close_all_is_done(run, term),
            Happening::AllClosedIsSaid { run, term } => self.all_closed_is_said(run, term),
            Happening::StrayIsClosed { member, person } => self.stray_is_closed(member, person),
            Happening::FlushEnds { run, user, to } => self.flush_ends(run, user, to),
            Happening::LeaseEnds { run, is_over } => self.lease_ends(run, is_over),
            Happening::GuardLooks { member } => self.guard_looks(member),
            Happening::FaultBegins { index } => self.fault_begins(index),
            Happening::FaultEnds { index } => self.fault_ends(index),
            Happening::FaultTurns { index, is_on } => self.fault_turns(index, is_on),
            Happening::MemberStarts { member } => self.start_if_due(member),
            Happening::UpgradeIsTried { index } => self.upgrade_is_tried(index),
            Happening::NewProcessStarts { member, from } => self.new_process_starts(member, from),
            Happening::KeeperIsTold { keeper, until, due } => self.keeper_is_told(keeper, until, due),
            Happening::KeeperLooks { keeper } => self.keeper_looks(keeper),
            Happening::EndIsTold {
                run,
                person,
                user,
                serial,
            } => self.end_is_told(run, person, user, serial),
            Happening::ConfigurationIsMended { member } => self.configuration_is_mended(member),
            Happening::HealthActs { backend } => self.health_acts(backend),
            Happening::ProbesAreDue { member } => self.probes_are_due(member),
            Happening::SweepIsDue => self.sweep(),
            Happening::RecoveryBegins => self.recovery_begins(),
            Happening::RecoveryIsPolled => self.recovery_is_polled(),
            Happening::ProbeIsRetried { member, person } => self.probe_is_retried(member, person),
            Happening::PatronComes { person } => self.patron_comes(person),
            Happening::PatronGivesUp { person, asked_ns } => self.patron_gives_up(person, asked_ns),
            Happening::OutsidersTurn { is_cut } => self.outsiders_turn(is_cut),
        }
    }
}
