//! Runs every target's body over its committed corpus, and over small mutations of it, without a fuzzer: what was
//! once found stays mended, and a target that no longer fits its decoder is seen at once.

use std::fs;
use std::path::Path;

use crate as targets;

/// How many mutations of each corpus file are tried; long searches are the fuzzer's.
const MUTATIONS: u64 = 200;

/// Each is a whole run of the simulator, which has its own ten thousand seeds.
const MUTATIONS_OF_PLANS: u64 = 5;

#[test]
fn hash_format_stands_its_corpus() {
    stands_its_corpus("hash_format", MUTATIONS, targets::hash_format::run);
}

#[test]
fn dovecot_conf_stands_its_corpus() {
    stands_its_corpus("dovecot_conf", MUTATIONS, targets::dovecot_conf::run);
}

#[test]
fn dovecot_lines_stands_its_corpus() {
    stands_its_corpus("dovecot_lines", MUTATIONS, targets::dovecot_lines::run);
}

#[test]
fn lmtp_stands_its_corpus() {
    stands_its_corpus("lmtp", MUTATIONS, targets::lmtp::run);
}

#[test]
fn machine_stands_its_corpus() {
    stands_its_corpus("machine", MUTATIONS, targets::machine::run);
}

#[test]
fn envelope_stands_its_corpus() {
    stands_its_corpus("envelope", MUTATIONS, targets::envelope::run);
}

#[test]
fn envelope_stands_what_a_ring_says_today() {
    let frames = targets::envelope::frames();
    assert!(frames.len() > 50, "a ring says more than {} things", frames.len());
    for frame in frames {
        stands(&frame, 10, targets::envelope::run);
    }
}

#[test]
fn probe_lines_stands_its_corpus() {
    stands_its_corpus("probe_lines", MUTATIONS, targets::probe_lines::run);
}

#[test]
fn accounts_stands_its_corpus() {
    stands_its_corpus("accounts", MUTATIONS, targets::accounts::run);
}

#[test]
fn proxy_fronts_stands_its_corpus() {
    stands_its_corpus("proxy_fronts", MUTATIONS, targets::proxy_fronts::run);
}

#[test]
fn proxy_backs_stands_its_corpus() {
    stands_its_corpus("proxy_backs", MUTATIONS, targets::proxy_backs::run);
}

#[test]
fn proxy_header_stands_its_corpus() {
    stands_its_corpus("proxy_header", MUTATIONS, targets::proxy_header::run);
}

#[test]
fn plan_stands_its_corpus() {
    stands_its_corpus("plan", MUTATIONS_OF_PLANS, targets::plan::run);
}

fn stands_its_corpus(target: &str, mutations: u64, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("every target has a corpus")
        .map(|entry| entry.expect("the corpus is readable").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let bytes = fs::read(&file).expect("a corpus file is readable");
        stands(&bytes, mutations, run);
    }
}

fn stands(bytes: &[u8], mutations: u64, run: fn(&[u8])) {
    run(bytes);
    for seed in 0..mutations {
        run(&mutated(bytes, seed));
    }
}

/// `bytes` with up to four bytes changed, dropped or doubled, the same ones for the same seed.
fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..=seed % 4 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = usize::try_from(state >> 40).expect("24 bits fit");
        let at = draw / 1024 % bytes.len().max(1);
        match draw % 4 {
            _ if bytes.is_empty() => bytes.push(draw.to_le_bytes()[0]),
            0 => bytes[at] ^= 1 << (draw / 4 % 8),
            1 => bytes[at] = (draw / 4).to_le_bytes()[0],
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, bytes[at]),
        }
    }
    bytes
}
