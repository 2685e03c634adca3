//! `sim explain`: the shortest story of a failure.

use std::path::{Path, PathBuf};

use clap::Args;
use sim::{Explained, Verdict};

use super::ending::Ending;
use super::execute::{ending_of, explain_caught, first_that_breaks};
use super::say::say;
use super::subject::{Subject, bug_named, write_text};
use super::usage::UsageError;

/// Arguments of `sim explain`.
#[derive(Args)]
pub struct ExplainArguments {
    /// A seed, or a file with a plan.
    #[arg(value_name = "SEED|FILE")]
    subject: String,
    /// Break something on purpose. A plan's own bug is not taken unless it is named.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Write the page with the timeline to this file, `-` for the standard output; SEED.html or FILE.html when neither this
    /// nor --text is given.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Print the story to the standard output.
    #[arg(long)]
    text: bool,
}

/// Runs one seed or plan and tells what led to what it broke.
///
/// # Errors
/// The arguments can't be used, or a file can't be written.
pub fn explain(arguments: &ExplainArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let subject = Subject::parse(&arguments.subject);
    let named = subject.plan()?;
    let plan = first_that_breaks(&named, bug);
    let explained = explain_caught(&plan, bug).map_err(UsageError::Unexplained)?;
    let title = if plan.seed == named.seed {
        subject.title()
    } else {
        format!("{} (its seed {})", subject.title(), plan.seed)
    };
    if arguments.text {
        say(explained.text(&title));
    }
    let page = arguments
        .html
        .clone()
        .or_else(|| (!arguments.text).then(|| subject.page_name()));
    if let Some(path) = page {
        let commands = [subject.replay_command(bug), subject.minimize_command(bug)];
        write_text(&path, &explained.html(&title, &commands))?;
        if path != Path::new("-") {
            eprintln!("{}", told(&explained, &path));
        }
    }
    Ok(ending_of(&explained.outcome.verdict))
}

fn told(explained: &Explained, path: &Path) -> String {
    let verdict = match &explained.outcome.verdict {
        Verdict::Ok => "it breaks nothing".to_owned(),
        Verdict::Violation { invariant, words, .. } => format!("{invariant}: {words}"),
    };
    format!("{verdict}\nthe page: {}", path.display())
}
