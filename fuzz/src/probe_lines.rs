//! What a backend says to a probe: the first byte chooses the check, the rest is said, line by line.

use maildirector::config::{Protocol, TlsUse};
use maildirector::health::{Account, Check, Exchange, Step, Trust};

const USER: &str = "probe";
const RECIPIENT: &str = "probe@example.org";

/// The talk ends, its commands are single lines, and nothing is said before TLS that belongs inside.
pub fn run(bytes: &[u8]) {
    let &[choice, ref said @ ..] = bytes else {
        return;
    };
    let check = check(choice);
    let mut exchange = Exchange::new(&check);
    let mut lines = said.split(|&byte| byte == b'\n');
    let mut is_secured = check.tls != TlsUse::StartTls;
    let (mut sent, mut logins) = (0, 0);
    let mut step = exchange.connected();
    loop {
        match step {
            Step::Send(command) => {
                sent += 1;
                assert!(sent < 10, "a check has few commands");
                let end = command.iter().position(|&byte| byte == b'\n');
                assert_eq!(end, Some(command.len() - 1), "a command is one line");
                let has = |word: &[u8]| command.windows(word.len()).any(|part| part == word);
                logins += usize::from(has(b"AUTH"));
                assert!(is_secured || !has(b"AUTH") && !has(b"RCPT"), "it waits for TLS");
            }
            Step::Wait => {}
            Step::StartTls => {
                assert!(!is_secured, "TLS begins once, where it is asked for");
                is_secured = true;
                step = exchange.secured();
                continue;
            }
            Step::Done(goodbye) => {
                assert!(is_secured || check.protocol == Protocol::Tcp, "TLS was left out");
                assert!(check.account.is_none() || logins > 0, "nobody logged in");
                assert!(goodbye.is_empty() || goodbye.ends_with(b"\r\n"));
                return;
            }
            Step::Failed(fault) => {
                assert!(!fault.to_string().contains('\n'), "a fault is one line");
                return;
            }
        }
        let Some(line) = lines.next() else {
            assert!(!exchange.awaits().is_empty());
            return;
        };
        step = exchange.line(line.strip_suffix(b"\r").unwrap_or(line));
    }
}

fn check(choice: u8) -> Check {
    let protocol = Protocol::ALL[usize::from(choice) % Protocol::ALL.len()];
    let choice = usize::from(choice) / Protocol::ALL.len();
    let has_more = choice / TlsUse::ALL.len() % 2 == 1;
    let account = Account {
        user: USER.into(),
        password: "secret".into(),
    };
    Check {
        protocol,
        port: 1,
        tls: TlsUse::ALL[choice % TlsUse::ALL.len()],
        account: (has_more && protocol.has_login()).then_some(account),
        recipient: (has_more && protocol == Protocol::Lmtp).then(|| RECIPIENT.into()),
        trust: Trust::load(None, None).expect("nothing is read"),
    }
}
