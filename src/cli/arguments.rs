//! What may stand on the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::demo::SECONDS_MIN;
use crate::config::parse_interval;
use crate::topology::{DRAIN_PER_SECOND_MAX, NewBackend, VHOSTS_MAX};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "maildirector",
    version,
    about = "Sends every mail user to one backend, and never splits one"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make certificates for the links of a ring.
    Certs(Certs),
    /// Tell every fault of a configuration file.
    Check(Check),
    /// Show a ring of three on this machine, under load, while links and directors fail.
    Demo(Demo),
    /// Make a configuration of a Dovecot director's, or of its running ring.
    Import(Import),
    /// Tell which backend users belong to, by the hash that Dovecot's director computes.
    Place(Place),
    /// Empty a backend in peace: no new users, and who is left at the deadline is moved.
    Drain(Drain),
    /// Have the member that runs on this machine take over its changed configuration.
    Reload(Reload),
    /// Run the member that a configuration makes of this machine.
    Run(Run),
    /// Tell how the member that runs on this machine stands.
    Status(Status),
    /// Have the member that runs on this machine hand over to a new process, without closing a session.
    Upgrade(Upgrade),
    /// Tell who has sessions at the proxies of the member that runs on this machine.
    Who(Who),
    /// Close a user's sessions, at every director.
    Kick(Kick),
    /// Run a member that only votes.
    Witness(Run),
    /// Close a director's sessions when it can't any more; started by `run`.
    #[command(hide = true)]
    Guard(Guard),
}

/// Options of `guard`.
#[derive(Args, Debug)]
pub(super) struct Guard {
    /// The director's state folder.
    #[arg(long)]
    pub state_folder: PathBuf,
    /// By which service.
    #[arg(long)]
    pub kick: GuardKick,
    /// Its socket.
    #[arg(long)]
    pub service: PathBuf,
    /// `director_user_kick_delay`.
    #[arg(long)]
    pub delay_ms: u64,
}

/// Services that close sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GuardKick {
    Ipc,
    Anvil,
}

/// The configuration unless another one is named.
const CONFIG_DEFAULT: &str = "/etc/maildirector.toml";

/// Options of `run` and `witness`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  maildirector run -c /etc/maildirector.toml

Log lines go to standard error; RUST_LOG chooses (info unless set). SIGHUP takes over a changed configuration, as
`maildirector reload` does; SIGUSR2 hands over to a new process, as `maildirector upgrade` does; SIGTERM and SIGINT stop it. Exits with 0 when it was
told to stop, 78 when the configuration has faults, 69 when the state folder or a socket does not serve.")]
pub(super) struct Run {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// Start as a voter of the first topology although other voters are not there and may have started without this
    /// one. Only for a ring that never started because a voter's disk was lost.
    #[arg(long)]
    pub bootstrap: bool,
    /// Take over from the process at standard input; used by `upgrade`.
    #[arg(long, hide = true)]
    pub takes_over: bool,
}

/// Options of `upgrade`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  apt-get install maildirector && maildirector upgrade

The running process starts the program as it lies on disk now, with its own arguments, and gives it all sockets and the state
folder; the new process reads the configuration anew. Sessions at the member's own proxies stay with the old process until they
end, at the longest for `upgrade_wait`, and are fenced by the new one's lease. SIGUSR2 does the same.

Exits with 0 when the new process serves, 69 when it does not start and the old one goes on, 78 when the configuration has faults.")]
pub(super) struct Upgrade {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// The member's state folder, where the configuration does not say.
    #[arg(long, value_name = "FOLDER")]
    pub state_folder: Option<PathBuf>,
}

/// Options of `import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  maildirector import /etc/dovecot > maildirector.toml
  doveconf -n | maildirector import - -o maildirector.toml
  maildirector import /etc/dovecot --from-ring -o maildirector.toml --changes ring.changes
  maildirector import --apply ring.changes --socket /run/dovecot/director-admin

What can't be carried over is a note, on standard error and at the top of the file. --from-ring asks a running director of
Dovecot for its backends, their weights and tags, which are down, and where users are who are elsewhere than their hash
says. Its changes are made at one director of the new ring before users come there: so nobody moves.

Exits with 0 when all is written or made, 1 when a change was refused, 64 when a file can't be read or is there already, 69
when no director answers, 78 when Dovecot's configuration has faults.")]
pub(super) struct Import {
    /// A folder with dovecot.conf, a file of that grammar such as the output of doveconf -n, or - for standard input.
    #[arg(value_name = "PATH", required_unless_present_any = ["from_ring", "apply"])]
    pub from: Option<PathBuf>,
    /// Ask a running director, too; what it says of backends wins.
    #[arg(long)]
    pub from_ring: bool,
    /// The admin socket of the director that is asked, or changed.
    #[arg(long, value_name = "SOCKET", default_value = "/run/dovecot/director-admin")]
    pub socket: PathBuf,
    /// Where the configuration goes; standard output unless given. A file that is there stays.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where the changes go that make the new ring what the running one is.
    #[arg(long, value_name = "FILE", requires = "from_ring")]
    pub changes: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long)]
    pub force: bool,
    /// Make the changes of this file at a director of ours.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "from_ring", "output"])]
    pub apply: Option<PathBuf>,
}

/// Which member of this machine is asked.
#[derive(Args, Debug)]
pub(super) struct Here {
    /// The configuration, which names the state folder.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// The state folder, without a configuration.
    #[arg(long, value_name = "FOLDER")]
    pub state_folder: Option<PathBuf>,
}

/// Options of `reload`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  maildirector reload
  maildirector reload -c /etc/maildirector.toml && maildirector status

The configuration is taken over wholly or not at all, and no session is closed. Backends that director_mail_servers names
now are added; those that it named before get no new users. Any other setting needs a restart of the member, and a file
that changes one is refused. Do it at every director; what another one has done already is passed over.

Exits with 0 when it is taken over, 78 when the file has faults or is refused, 69 when no member runs here.")]
pub(super) struct Reload {
    /// The configuration. The member reads the file that it was started with; this one names its state folder.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// The state folder, when it is another than the configuration names.
    #[arg(long, value_name = "FOLDER")]
    pub state_folder: Option<PathBuf>,
}

/// Options of `drain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  maildirector drain 10.0.1.3                              # nobody new; who is there in 30 min is moved, 50 a second
  maildirector drain 10.0.1.3 --deadline 2h --rate 200/s --watch
  maildirector drain 10.0.1.3 --status --json
  maildirector drain 10.0.1.3 --cancel

Ask any director; the ring keeps the order, whichever of them are restarted. An empty backend stays empty until
`--cancel`: take it down or remove it by `doveadm director`.

Exits with 0 when it is done, 64 for what is no backend, 69 when no member runs here or the ring refuses.")]
pub(super) struct Drain {
    /// The backend's address.
    #[arg(value_name = "BACKEND")]
    pub backend: IpAddr,
    /// How long users may stay.
    #[arg(long, value_name = "TIME", default_value = "30 min", value_parser = parse_interval)]
    pub deadline: Duration,
    /// How many of those who are left are moved in a second.
    #[arg(long, value_name = "USERS/s", default_value = "50/s", value_parser = parse_rate)]
    pub rate: u32,
    /// Let it be as it was.
    #[arg(long, conflicts_with_all = ["deadline", "rate", "status", "watch"])]
    pub cancel: bool,
    /// Only tell how far it is.
    #[arg(long, conflicts_with_all = ["deadline", "rate"])]
    pub status: bool,
    /// Tell it again and again, until nobody is left.
    #[arg(long)]
    pub watch: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub here: Here,
}

/// Options of `who`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  maildirector who                           everybody who is logged in through this machine's own proxies
  maildirector who --user alice              her sessions only
  maildirector who --json | jq -r .backend   one JSON object a line

Sessions in Dovecot's login processes are not ours to list: `doveadm director map` has their users.")]
pub(super) struct Who {
    /// Of one user only.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub here: Here,
}

/// Options of `kick`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  maildirector kick alice   close her sessions at every director that can be reached; she may log in again")]
pub(super) struct Kick {
    /// Whose sessions.
    #[arg(value_name = "USER")]
    pub user: String,
    #[command(flatten)]
    pub here: Here,
}

/// `50/s`, or the number alone.
fn parse_rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim_end().parse();
    match number {
        Ok(rate) if (1..=DRAIN_PER_SECOND_MAX).contains(&rate) => Ok(rate),
        _ => Err(format!("is no rate from 1/s to {DRAIN_PER_SECOND_MAX}/s")),
    }
}

/// Options of `status`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  maildirector status
  maildirector status --json | jq .members

Exits with 69 when no member runs here.")]
pub(super) struct Status {
    #[command(flatten)]
    pub here: Here,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Options of `certs`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples, for a ring of three named \"mail\":
  maildirector certs init ring-ca
  for n in 1 2 3; do maildirector certs issue --ca ring-ca --member $n --to certs-$n; done

Each member gets ca.pem, its own member-N.pem and member-N.key. ca.key stays where it is; who has it can join the ring.")]
pub(super) struct Certs {
    #[command(subcommand)]
    pub command: CertsCommand,
}

/// What to make.
#[derive(Debug, Subcommand)]
pub(super) enum CertsCommand {
    /// A certificate authority for one ring.
    Init {
        /// The folder for it; made when it is not there.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The ring's name, `cluster` in the configuration.
        #[arg(long, default_value = "mail")]
        cluster: String,
        /// How long it is good.
        #[arg(long, default_value_t = 3650)]
        days: u32,
    },
    /// A member's certificate and key.
    Issue {
        /// The authority's folder.
        #[arg(long, value_name = "FOLDER")]
        ca: PathBuf,
        /// The member's number, as `maildirector check` shows it.
        #[arg(long, value_name = "N")]
        member: u16,
        /// The ring's name, `cluster` in the configuration.
        #[arg(long, default_value = "mail")]
        cluster: String,
        /// The folder for the two files; made when it is not there.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// How long it is good.
        #[arg(long, default_value_t = 825)]
        days: u32,
    },
}

/// Options of `check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Each fault is one line, FILE:LINE: setting: what is wrong (what to write instead). Exits with 0 when there is none,
with 78 when there are some, with 64 when the file can't be read.")]
pub(super) struct Check {
    /// The configuration.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Do not resolve names; what depends on their addresses is not checked.
    #[arg(long)]
    pub offline: bool,
}

/// Options of `demo`.
#[derive(Args, Debug)]
#[command(after_help = "\
Everything runs on loopback addresses and in a folder for temporary files, needs no rights, and is gone afterwards: three
directors as processes of their own; one process that plays an auth server, login processes, four backends, and 320 mail
clients of 160 users; and relays between the directors, by which links are cut.

  maildirector demo --web                      a page at http://127.0.0.1:8143/ shows how it goes
  maildirector demo --seconds 600 --plain      ten minutes, a line a second

Exits with 1 when a user had sessions on two backends at once, with 0 when none had.")]
pub(super) struct Demo {
    /// How long it lasts.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(SECONDS_MIN..=86_400))]
    pub seconds: u64,
    /// One line a second instead of a table; also when the output is no terminal.
    #[arg(long)]
    pub plain: bool,
    /// Serve a page that shows how it goes, live, at this address.
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:8143")]
    pub web: Option<SocketAddr>,
    /// Leave the folder with the directors' files and logs.
    #[arg(long)]
    pub keep: bool,
}

/// Options of `place`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  maildirector place -b 10.0.0.1 -b 10.0.0.2=50 alice bob@example.com
  maildirector place -b 10.0.0.1 -b 10.0.0.2@gold --tag gold carol
  cut -d: -f1 users | maildirector place -b 10.0.0.1 -b 10.0.0.2 --json -

The answers equal those of `doveadm director status USER` (field \"Hashed\") for the same list of backends.")]
pub(super) struct Place {
    /// A backend: IP, then optionally @TAG and =VHOSTS (100 unless given). Repeat for each.
    #[arg(short, long = "backend", required = true, value_name = "IP[@TAG][=VHOSTS]", value_parser = parse_backend)]
    pub backends: Vec<NewBackend>,
    /// How a name becomes a hash: Dovecot's director_username_hash.
    #[arg(long, default_value = "%Lu", value_name = "FORMAT")]
    pub hash_format: String,
    /// The tag of the backends that the users belong to.
    #[arg(long, default_value = "", value_name = "TAG")]
    pub tag: String,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    pub json: bool,
    /// User names; "-" reads them from standard input, one a line.
    #[arg(required = true, value_name = "USER")]
    pub users: Vec<String>,
}

/// `IP[@TAG][=VHOSTS]`, the grammar of `director_mail_servers` with the weight that `doveadm director add` takes.
fn parse_backend(text: &str) -> Result<NewBackend, String> {
    let (rest, vhosts) = match text.rsplit_once('=') {
        Some((rest, vhosts)) => (
            rest,
            vhosts
                .parse()
                .map_err(|_| format!("'{vhosts}' is not a weight"))?,
        ),
        None => (text, 100),
    };
    if vhosts > VHOSTS_MAX {
        return Err(format!("weight {vhosts}, the limit is {VHOSTS_MAX}"));
    }
    let (ip, tag) = rest.split_once('@').unwrap_or((rest, ""));
    let bare = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    let ip: IpAddr = bare.parse().map_err(|_| format!("'{ip}' is not an IP address"))?;
    Ok(NewBackend {
        ip,
        hostname: None,
        vhosts,
        tag: tag.into(),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_backend_is_an_address_with_tag_and_weight() {
        let parsed = parse_backend("10.0.0.2@gold=50").expect("well formed");
        assert_eq!(
            (parsed.ip, &*parsed.tag, parsed.vhosts),
            ([10, 0, 0, 2].into(), "gold", 50)
        );
        let v6 = parse_backend("[fd00::1]").expect("well formed");
        assert_eq!((v6.ip.to_string().as_str(), v6.vhosts), ("fd00::1", 100));
    }

    #[test]
    fn what_is_wrong_with_a_backend_is_named() {
        assert_eq!(
            parse_backend("mail1").expect_err("a name"),
            "'mail1' is not an IP address"
        );
        assert_eq!(
            parse_backend("10.0.0.1=x").expect_err("no number"),
            "'x' is not a weight"
        );
        assert_eq!(
            parse_backend("10.0.0.1=1001").expect_err("too much"),
            "weight 1001, the limit is 1000"
        );
    }
}
