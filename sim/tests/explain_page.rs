//! The page of `sim explain` in a real browser: what it draws, that its filters, its zoom and its hints work, and that it
//! neither complains nor asks the network for anything. Without Chromium the test says so and is skipped.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sim::{Bug, Plan, explain};

/// Runs before the page's own script: keeps every complaint.
const LISTENER: &str = r"<script>
window.problems = [];
const complain = (what) => window.problems.push(String(what));
window.addEventListener('error', (event) => complain(event.message));
window.addEventListener('securitypolicyviolation', (event) => complain(event.blockedURI));
console.error = complain;
console.warn = complain;
</script>";

/// Runs after it: does what a person would do, and writes down what is to be seen.
const DRIVER: &str = r"<script>
const count = (what) => document.querySelectorAll(what).length;
const ticks = () => [...document.querySelectorAll('svg .tick')].map((tick) => tick.textContent + tick.getAttribute('x')).join();
const press = (id) => document.getElementById(id)?.click();
const svg = document.querySelector('svg');
const seen = {};
seen.lanes = count('svg .lane');
seen.leases = count('svg .lease');
seen.faults = count('svg .fault');
seen.sessions = count('svg .session');
seen.marks = count('#marks .mark');
seen.violations = count('svg line.violation');
seen.cone = count('#messages .message');
seen.arrows = count('#messages line[marker-end]');
seen.lines = count('#story li');
seen.columns = count('#beliefs tr:first-child td');
const arrow = document.querySelector('#messages .message');
arrow?.dispatchEvent(new MouseEvent('mouseenter', { clientX: 300, clientY: 200 }));
seen.hint = document.getElementById('hint').hidden ? '' : document.getElementById('hint').textContent;
arrow?.dispatchEvent(new MouseEvent('mouseleave'));
seen.isHintGone = document.getElementById('hint').hidden;
press('cone-only');
seen.all = count('#messages .message');
[...document.querySelectorAll('#filters input[id^=kind]')].forEach((box) => box.click());
seen.ofNoKind = count('#messages .message');
[...document.querySelectorAll('#filters input[id^=kind]')].forEach((box) => box.click());
press('member-0');
seen.withoutOne = count('#messages .message');
press('member-0');
const before = ticks();
svg.dispatchEvent(new WheelEvent('wheel', { deltaY: -100, clientX: 400, bubbles: true, cancelable: true }));
seen.isZoomed = ticks() !== before;
press('zoom-whole');
seen.isWhole = ticks() !== before;
press('zoom-last');
seen.isBack = ticks() === before;
svg.dispatchEvent(new PointerEvent('pointerdown', { clientX: 500, bubbles: true }));
window.dispatchEvent(new PointerEvent('pointermove', { clientX: 400, bubbles: true }));
window.dispatchEvent(new PointerEvent('pointerup', { bubbles: true }));
seen.isPanned = ticks() !== before;
document.querySelector('#story li')?.click();
seen.lit = count('#story li.lit');
seen.fetched = performance.getEntriesByType('resource').map((entry) => entry.name);
seen.problems = window.problems;
const told = document.createElement('pre');
told.id = 'seen';
told.textContent = JSON.stringify(seen);
document.body.append(told);
</script></body>";

#[test]
fn the_page_draws_the_story_and_answers_to_its_reader() {
    let bug = Bug::parse("CloseBeforeConfirm");
    let plan = Plan::from_seed(6);
    let explained = explain(&plan, bug);
    let page = explained.html("seed 6 <script>alert(1)</script>", &["sim replay 6".to_owned()]);
    let Some(seen) = look("failure", &page) else {
        return;
    };
    let number = |name: &str| {
        seen[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name} in {seen}"))
    };
    assert_eq!(number("lanes") as usize, plan.knobs.members.len(), "{seen}");
    assert_eq!(number("columns") as usize, plan.knobs.members.len(), "{seen}");
    assert_eq!(number("violations"), 1, "{seen}");
    for what in ["leases", "sessions", "marks", "cone", "arrows", "lines"] {
        assert!(number(what) > 0, "no {what}: {seen}");
    }
    let hint = seen["hint"].as_str().unwrap_or_default();
    for words in ["from member", "to member", "at epoch", "sent "] {
        assert!(hint.contains(words), "the hint of a message says: {hint}");
    }
    assert_eq!(seen["isHintGone"], true, "{seen}");
    assert!(number("all") > number("cone"), "{seen}");
    assert_eq!(number("ofNoKind"), 0, "{seen}");
    assert!(number("withoutOne") < number("all"), "{seen}");
    for what in ["isZoomed", "isWhole", "isBack", "isPanned"] {
        assert_eq!(seen[what], true, "{what}: {seen}");
    }
    assert_eq!(number("lit"), 1, "{seen}");
    is_quiet(&seen);
}

#[test]
fn the_page_of_a_run_that_breaks_nothing_shows_the_whole_run() {
    let explained = explain(&Plan::from_seed(2), None);
    let page = explained.html("seed 2", &[]);
    let Some(seen) = look("well", &page) else { return };
    assert_eq!(seen["violations"], 0, "{seen}");
    assert!(seen["leases"].as_u64() > Some(0), "{seen}");
    is_quiet(&seen);
}

/// Nothing went wrong in the page, and it asked nobody for anything.
fn is_quiet(seen: &Value) {
    assert_eq!(seen["problems"], Value::Array(Vec::new()), "{seen}");
    assert_eq!(seen["fetched"], Value::Array(Vec::new()), "{seen}");
}

/// What is to be seen of a page in Chromium; nothing where there is none.
fn look(name: &str, page: &str) -> Option<Value> {
    if let Err(error) = Command::new("chromium").arg("--version").output() {
        assert_eq!(
            error.kind(),
            ErrorKind::NotFound,
            "chromium does not start: {error}"
        );
        eprintln!("skipped: no chromium is installed, so nobody looks at the page");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("explain-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let file = folder.join("page.html");
    let page = page.replacen("<head>", &format!("<head>{LISTENER}"), 1);
    let end = page.rfind("</body>").expect("the page has a body");
    let page = format!("{}{DRIVER}{}", &page[..end], &page[end + "</body>".len()..]);
    fs::write(&file, page).expect("the target folder can be written");
    let dom = dump(&folder, &file);
    let (_, rest) = dom.split_once("<pre id=\"seen\">").unwrap_or_else(|| {
        panic!("the page's script did not come to its end:\n{dom}");
    });
    let json = rest.split("</pre>").next().unwrap_or_default();
    let json = json
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    Some(serde_json::from_str(&json).expect("the driver writes JSON"))
}

/// The page as the browser has it after its scripts.
fn dump(folder: &Path, file: &Path) -> String {
    let profile: PathBuf = folder.join("profile");
    let done = Command::new("timeout")
        .args([
            "120",
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--disable-sync", "--window-size=1400,900", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .expect("timeout of coreutils is there");
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "chromium ended with {}: {complained}",
        done.status
    );
    String::from_utf8(done.stdout).expect("a page is text")
}
