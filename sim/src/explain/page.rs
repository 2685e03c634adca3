//! A story as one HTML page that needs nothing else: no other file, no network, and no script for the story itself. What
//! moves in it stands in `timeline.js`, how it looks in `timeline.css`.
//!
//! Every text that comes from a plan or a run is escaped, and the page forbids itself to load anything.

use std::fmt::Write;

use super::beliefs::heads;
use super::explained::Explained;
use super::scene::scene;
use super::text::{chain_note, faults_in_force, plain};
use super::words::clock;
use crate::outcome::Verdict;

const STYLE: &str = include_str!("timeline.css");
const SCRIPT: &str = include_str!("timeline.js");
/// What the page may load: nothing but itself. Its empty icon keeps browsers from asking for another one.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The page. `title` says what was run, `commands` what else can be done about it.
pub(super) fn page(explained: &Explained, title: &str, commands: &[String]) -> String {
    let bug = explained.bug.map_or(String::new(), |bug| format!(" with {bug}"));
    let heading = escaped(&format!("{title}{bug}"));
    let verdict = verdict(explained);
    let beliefs = beliefs(explained);
    let story = story(explained, commands);
    let scene = script_safe(&scene(explained).to_string());
    format!(
        r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{heading}</title>
<style>
{STYLE}</style>
</head>
<body>
<header><h1>{heading}</h1>{verdict}</header>
<main>
<section id="left">
<div id="toolbar"></div>
<div id="timeline"><noscript>The timeline needs scripts. The story beside it does not.</noscript></div>
<div id="legend"></div>
{beliefs}
</section>
<aside>
{story}
</aside>
</main>
<div id="hint" hidden></div>
<script type="application/json" id="scene">{scene}</script>
<script>
{SCRIPT}</script>
</body>
</html>
"##
    )
}

fn verdict(explained: &Explained) -> String {
    match &explained.outcome.verdict {
        Verdict::Ok => {
            let s = clock(explained.outcome.simulated_ns);
            let events = explained.outcome.events;
            format!(
                r#"<p class="well">Breaks nothing: every promise held for {s} s and {events} events.</p>"#
            )
        }
        Verdict::Violation {
            invariant,
            words,
            at_ns,
            event,
        } => format!(
            r#"<p class="broken">Breaks <b>{}</b> at {} s, event {event}: {}</p><p>Promised: {}.</p>"#,
            invariant.name(),
            clock(*at_ns),
            escaped(&plain(words, &explained.testimony.users)),
            escaped(invariant.words())
        ),
    }
}

/// The table of beliefs with a column for each member: there are fewer members than things to believe.
fn beliefs(explained: &Explained) -> String {
    let testimony = &explained.testimony;
    let heads = heads(&testimony.users);
    let rows: Vec<Vec<String>> = testimony
        .beliefs
        .iter()
        .map(|belief| belief.cells(testimony.now_ns))
        .collect();
    let named = |index: usize| explained.named.contains(&testimony.beliefs[index].member);
    let mut table = format!(
        "<h2>Who believed what at {} s</h2>\n<div class=\"scroll\"><table id=\"beliefs\">\n",
        clock(testimony.now_ns)
    );
    for (column, head) in heads.iter().enumerate() {
        if rows.iter().all(|row| row[column] == "-") {
            continue;
        }
        let _ = write!(table, "<tr><th>{}</th>", escaped(head));
        for (index, row) in rows.iter().enumerate() {
            let class = if named(index) { " class=\"named\"" } else { "" };
            let _ = write!(table, "<td{class}>{}</td>", escaped(&row[column]));
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</table></div>");
    table
}

fn story(explained: &Explained, commands: &[String]) -> String {
    let mut text = String::new();
    if !explained.story.lines.is_empty() {
        let _ = write!(
            text,
            "<h2>What led to it</h2>\n<p class=\"note\">{}</p>\n<ol id=\"story\">\n",
            escaped(&chain_note(explained))
        );
        for line in &explained.story.lines {
            let (at, words) = (clock(line.at_ns), escaped(&line.text));
            let us = line.at_ns / 1_000;
            let _ = writeln!(
                text,
                "<li data-at=\"{us}\" tabindex=\"0\"><time>{at}</time> {words}</li>"
            );
        }
        text.push_str("</ol>\n");
    }
    let faults = faults_in_force(explained);
    let when = if explained.story.lines.is_empty() {
        "at the end"
    } else {
        "then"
    };
    if faults.is_empty() {
        let _ = writeln!(text, "<h2>No fault was in force {when}</h2>");
    } else {
        let _ = writeln!(text, "<h2>Faults in force {when}</h2>\n<ul id=\"faults\">");
        for fault in &faults {
            let _ = writeln!(text, "<li>{}</li>", escaped(fault));
        }
        text.push_str("</ul>\n");
    }
    let plan = &explained.plan;
    let _ = writeln!(
        text,
        "<h2>The whole plan</h2>\n<details><summary>Faults: {}</summary><ul>",
        plan.faults.len()
    );
    for (index, fault) in plan.faults.iter().enumerate() {
        let _ = writeln!(text, "<li>{}</li>", escaped(&super::faults::line(index, fault)));
    }
    text.push_str("</ul></details>\n");
    if !plan.note.is_empty() {
        let _ = writeln!(text, "<p class=\"note\">{}</p>", escaped(&plan.note));
    }
    for command in commands {
        let _ = writeln!(text, "<pre>{}</pre>", escaped(command));
    }
    text
}

/// A text for the inside and for attributes of elements.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(char),
        }
    }
    safe
}

/// JSON for the inside of a script element, which no text in it can end.
pub(super) fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_markup() {
        assert_eq!(escaped(r#"<a b="c">&'"#), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
        let json = script_safe(&serde_json::json!("</script><!--").to_string());
        assert!(!json.contains('<'), "{json}");
        assert_eq!(
            serde_json::from_str::<String>(&json).expect("it is still the same JSON"),
            "</script><!--"
        );
    }
}
