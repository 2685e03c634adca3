//! From the process's arguments to its exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Arguments, Command};
use super::failure::Failure;
use super::{certs, check, demo, drain, guard, import, member, place, reload, status, upgrade, who};

/// Bad arguments or input, sysexits(3) EX_USAGE, as `doveadm` uses it.
const EXIT_USAGE: u8 = 64;
/// The configuration has faults, EX_CONFIG.
const EXIT_CONFIGURATION: u8 = 78;
/// Something that is needed is not there or does not answer, EX_UNAVAILABLE.
const EXIT_UNAVAILABLE: u8 = 69;
/// The output could not be written, EX_IOERR.
const EXIT_OUTPUT: u8 = 74;

/// Run the command that the process was given, and say how it went.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = io::BufWriter::new(io::stdout().lock());
    let done = match arguments.command {
        Command::Certs(certs) => certs::run(&certs, &mut output),
        Command::Check(check) => check::run(&check, &mut output),
        Command::Guard(guard) => guard::run(&guard),
        Command::Demo(demo) => demo::run(&demo, &mut output),
        Command::Drain(drain) => drain::run(&drain, &mut output),
        Command::Import(arguments) => import::run(&arguments, io::stdin().lock(), &mut output),
        Command::Place(place) => place::run(&place, io::stdin().lock(), &mut output),
        Command::Reload(reload) => reload::run(&reload, &mut output),
        Command::Run(run) => member::run(&run, member::Kind::Any),
        Command::Upgrade(arguments) => upgrade::run(&arguments, &mut output),
        Command::Who(who) => who::run(&who, &mut output),
        Command::Kick(kick) => who::kick(&kick, &mut output),
        Command::Status(status) => status::run(&status, &mut output),
        Command::Witness(run) => member::run(&run, member::Kind::Witness),
    };
    let flushed = output.flush();
    match done.and(flushed.map_err(Failure::Output)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough, as with `| head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => {
            eprintln!("maildirector: cannot write the result: {error}");
            ExitCode::from(EXIT_OUTPUT)
        }
        Err(Failure::Configuration) => ExitCode::from(EXIT_CONFIGURATION),
        Err(Failure::Found) => ExitCode::FAILURE,
        Err(Failure::Faults(faults)) => {
            for fault in faults {
                eprintln!("maildirector: {fault}");
            }
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Start(why)) => {
            eprintln!("maildirector: {why}");
            ExitCode::from(EXIT_UNAVAILABLE)
        }
        Err(Failure::Input(why)) => {
            eprintln!("maildirector: {why}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}
