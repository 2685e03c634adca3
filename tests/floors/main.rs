//! Reads the source and fails where a room imports from its own floor or above, where a pure room names the
//! outside, where `src` knows the simulator, and where a file is too long or does not say what it is for.
//!
//! It reads words, not meaning: what another crate's macro expands to, and what a method does behind its type,
//! is left to `clippy.toml`.

mod samples;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{paths, tokens};

/// Every room of `src`: name, floor, and whether it is pure (no clocks, sockets, files, threads, entropy).
const ROOMS: [(&str, u32, bool); 12] = [
    ("topology", 0, true),
    ("world", 0, false),
    ("agreement", 1, true),
    ("config", 1, true),
    ("director", 2, true),
    ("ring", 3, false),
    ("dovecot", 3, false),
    ("proxy", 3, false),
    ("lookups", 3, false),
    ("health", 3, false),
    ("daemon", 4, false),
    ("cli", 5, false),
];

/// What a pure room may neither name nor import whole under another name.
const OUTSIDE: [&[&str]; 19] = [
    &["std", "env"],
    &["std", "fs"],
    &["std", "net", "Incoming"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "net", "UdpSocket"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "time", "UNIX_EPOCH"],
    &["getrandom"],
    &["mio"],
    &["rand"],
    &["rustix"],
    &["socket2"],
    &["tokio"],
];

const FILE_LINES_MAX: usize = 700;

#[test]
fn every_room_imports_only_from_floors_below_and_pure_rooms_stay_inside() {
    let mut faults = Vec::new();
    let mut files = 0;
    for folder in ["src", "sim/src"] {
        for path in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            let text = fs::read_to_string(&path).expect("a source file is readable UTF-8");
            let name = path
                .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                .expect("the file was found below it");
            let name = name.to_str().expect("file names are ASCII");
            faults.extend(shape_faults(name, &text));
            if folder == "src" {
                faults.extend(import_faults(name, &text));
            }
            files += 1;
        }
    }
    assert!(files >= 8, "only {files} files were read: the folders have moved");
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// All files named `*.rs` below a folder, in the order of their paths.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is readable") {
            let path = entry.expect("the folder is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Faults of a file's form: its length, its first line, logic in a `mod.rs` or `lib.rs`.
fn shape_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push(format!("{name}: {lines} lines, {FILE_LINES_MAX} are allowed"));
    }
    if !text.starts_with("//! ") {
        faults.push(format!(
            "{name}: the first line does not say what the file is for (`//! ...`)"
        ));
    }
    if name.ends_with("/mod.rs") || name.ends_with("src/lib.rs") {
        let logic = [
            "fn",
            "struct",
            "enum",
            "trait",
            "impl",
            "const",
            "static",
            "type",
            "macro_rules",
        ];
        for token in tokens(text)
            .iter()
            .filter(|token| logic.contains(&token.text.as_str()))
        {
            let (line, word) = (token.line, &token.text);
            faults.push(format!(
                "{name}:{line}: `{word}` in a file for doc, mod and use only"
            ));
        }
    }
    faults
}

/// Faults of what a file of `src` names: rooms not below its own, the outside in a pure room, the simulator.
fn import_faults(name: &str, text: &str) -> Vec<String> {
    let module = module_of(name);
    let room = module
        .first()
        .map(|own| (own, ROOMS.iter().find(|(room, ..)| room == own)));
    if let Some((own, None)) = room {
        return vec![format!(
            "{name}: the room {own} has no floor in the table of tests/floors/main.rs"
        )];
    }
    let mut faults = Vec::new();
    let tokens = tokens(text);
    for token in tokens.iter().filter(|token| token.text == "sim") {
        faults.push(format!("{name}:{}: src does not know the simulator", token.line));
    }
    for three in tokens.windows(3) {
        let [first, second, third] = [0, 1, 2].map(|at| three[at].text.as_str());
        if [first, second, third] == ["#", "[", "path"] || [first, second] == ["include", "!"] {
            faults.push(format!(
                "{name}:{}: takes in another file by its path",
                three[0].line
            ));
        }
    }
    let Some((_, Some(&(own, floor, is_pure)))) = room else {
        return faults;
    };
    for path in paths(&tokens, &module) {
        let written = format!("{name}:{}: `{}`", path.line, path.segments.join("::"));
        if let Some(within) = path.within_crate() {
            match within
                .first()
                .map(|first| ROOMS.iter().find(|(room, ..)| room == first))
            {
                None => faults.push(format!("{written} imports the whole crate root")),
                Some(None) => faults.push(format!("{written} names no room of the table")),
                Some(Some((other, above, _))) => {
                    if *other != own && *above >= floor {
                        faults.push(format!(
                            "{written} imports {other} (floor {above}) into {own} (floor {floor})"
                        ));
                    }
                }
            }
        } else if is_pure && OUTSIDE.iter().any(|outside| path.reaches(outside)) {
            faults.push(format!("{written} in {own}, which is pure"));
        }
    }
    faults
}

/// `src/room/part.rs` is the module `room::part`; the crate's roots are the empty path.
fn module_of(name: &str) -> Vec<String> {
    let inner = name
        .strip_prefix("src/")
        .expect("only files of src have a module");
    let inner = inner.strip_suffix(".rs").expect("only Rust files are read");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}
