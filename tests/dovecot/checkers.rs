//! Whether those who watch would notice.

use std::time::Duration;

use crate::crowd::Crowd;
use crate::net::{BACKENDS, backend_ip};
use crate::site::Site;
use crate::truth::PLANTED_SPLIT;

/// Sessions at the backends themselves, past all directors.
pub fn a_user_at_two_backends_is_noticed(site: &mut Site) {
    let backends: Vec<String> = (1..=BACKENDS).map(backend_ip).collect();
    let crowd = Crowd::start_at(&backends, vec![PLANTED_SPLIT.to_owned()], 2);
    crowd.must_be_whole(Duration::from_secs(20));
    assert_eq!(site.truth.split_users(), [PLANTED_SPLIT]);
    let told = site.logged_sessions().splits;
    assert!(
        told.iter().any(|(user, _)| user == PLANTED_SPLIT),
        "the logs tell of {told:?}"
    );
}
