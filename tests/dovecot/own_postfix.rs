//! A mail server of our users' kind at a director's own LMTP proxy.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::companions::some_for_each_backend;
use crate::net::{cut_backend, mend_backend};
use crate::own_lmtp::saved;
use crate::postfix::{DOMAIN, Postfix};
use crate::site::Site;
use crate::waiting::eventually;

/// For a delivery, on a small machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(20);

pub fn own_lmtp_has_mail_of_postfix_at_each_users_own_backend_once_and_later_if_it_is_out_of_reach(
    site: &mut Site,
) {
    site.must_be_calm();
    let names: Vec<String> = (0..60)
        .map(|number| format!("ownpostfix{number}@{DOMAIN}"))
        .collect();
    let users = some_for_each_backend(&names);
    let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
    let postfix = Postfix::start(&site.folder, 2);
    let has = |user: &str, backend: usize, mails: usize| {
        saved(&site.folder, user) == BTreeMap::from([(backend, mails)])
    };
    postfix.send(&recipients, "one for all");
    eventually("each has the mail at his own backend", DELIVERED_WITHIN, || {
        let arrived = users.iter().all(|(user, backend)| has(user, *backend, 1));
        (arrived && postfix.deferred().is_empty()).then_some(())
    });
    let log = postfix.log();
    assert_eq!(
        log.matches("status=sent (250 2.0.0 <").count(),
        users.len(),
        "{log}"
    );

    let (cut_off, backend) = &users[0];
    cut_backend(*backend, 2);
    postfix.send(&recipients, "one for all who can be reached");
    let waiting = eventually("one mail waits in the queue", DELIVERED_WITHIN, || {
        let waiting = postfix.deferred();
        let is_tried = waiting.iter().all(|(_, reason)| !reason.is_empty());
        (waiting.len() == 1 && is_tried).then_some(waiting)
    });
    mend_backend(*backend, 2);
    let (address, reason) = &waiting[0];
    assert_eq!(address, cut_off);
    let words = format!("451 4.4.1 <{cut_off}> The mail server is not available, please try again.");
    assert!(reason.contains(&words), "{reason}");
    for (user, backend) in &users[1..] {
        assert!(has(user, *backend, 2), "{user}: {:?}", saved(&site.folder, user));
    }
    assert!(
        has(cut_off, *backend, 1),
        "{cut_off}: {:?}",
        saved(&site.folder, cut_off)
    );
    postfix.try_again();
    eventually("the mail arrives", DELIVERED_WITHIN, || {
        (has(cut_off, *backend, 2) && postfix.deferred().is_empty()).then_some(())
    });
    for (user, backend) in &users {
        assert!(has(user, *backend, 2), "{user}: {:?}", saved(&site.folder, user));
    }
    site.must_be_calm();
}
