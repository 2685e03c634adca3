//! The hook that every director runs for users who were moved: a program that writes down what it is told, and takes
//! as long as the test wants.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::changes::another;
use crate::clients::can_log_in;
use crate::doveadm::{computed_places, director};
use crate::net::backend_ip;
use crate::site::Site;
use crate::waiting::{eventually, throughout};

/// Nobody of the crowd.
const USER: &str = "flushed";

/// Puts the program where the directors' configuration names it.
pub fn install(site: &Path) {
    let folder = site.join("flush");
    fs::create_dir(&folder).expect("the folder of the test is writable");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let at = folder.display();
    let text = format!("#!/bin/sh\necho \"$@\" >> {at}/told\nwhile [ -e {at}/hold ]; do sleep 0.05; done\n");
    fs::write(folder.join("hook"), text).expect("the folder of the test is writable");
    fs::set_permissions(folder.join("hook"), fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Lines that the program was told of a hash.
fn told(folder: &Path, hash: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join("told")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.split(' ').nth(1) == Some(hash));
    lines.map(str::to_owned).collect()
}

pub fn a_moved_user_comes_in_when_the_flush_hook_has_ended(site: &mut Site) {
    site.must_be_calm();
    let folder: PathBuf = site.folder.join("flush");
    let from = computed_places(&[USER.to_owned()])[USER];
    let to = another(from);
    assert!(can_log_in(1, USER));
    let hash = site.proxy(1).doveadm(&["director", "map", "-u", USER]);
    let hash = hash.trim();
    assert!(told(&folder, hash).is_empty(), "nobody has moved him yet");

    fs::write(folder.join("hold"), "").expect("the folder of the test is writable");
    director(site.proxy(3), &["move", USER, &backend_ip(to)]);
    let login = thread::spawn(|| can_log_in(2, USER));
    let expected = format!("FLUSH {hash} {} {} up 100", backend_ip(from), backend_ip(to));
    eventually("the hook runs", Duration::from_secs(10), || {
        (told(&folder, hash) == [expected.clone()]).then_some(())
    });
    throughout("he waits for the hook", Duration::from_secs(1), || {
        !login.is_finished()
    });
    fs::remove_file(folder.join("hold")).expect("it was written before");
    assert!(
        login.join().expect("it does not panic"),
        "he comes in after the hook"
    );

    assert!(can_log_in(2, USER) && can_log_in(3, USER));
    let both = [expected.clone(), expected];
    assert_eq!(
        told(&folder, hash),
        both,
        "once for each director through which he came"
    );
    let said = director(site.proxy(1), &["status", USER]);
    assert!(said.contains(&format!("Current: {}", backend_ip(to))), "{said}");
}
