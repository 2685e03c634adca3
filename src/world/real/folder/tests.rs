//! A folder that keeps its word, and says so when it cannot.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::world::scratch::Scratch;

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

fn open(scratch: &Scratch) -> Folder {
    Folder::open(&scratch.path().join("state")).expect("the folder is new")
}

#[test]
fn a_record_is_loaded_as_it_was_last_saved() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        assert_eq!(folder.load("record").await, Ok(None));
        for record in [b"first".as_slice(), b"", b"the second one"] {
            folder.save("record", record).await.expect("there is room");
            assert_eq!(folder.load("record").await, Ok(Some(record.to_vec())));
        }
        drop(folder);
        assert_eq!(
            open(&scratch).load("record").await,
            Ok(Some(b"the second one".to_vec()))
        );
        let path = scratch.path().join("state");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let mode = fs::metadata(path.join("record"))
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}

#[test]
fn every_damage_is_noticed_and_the_file_is_named() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        folder
            .save("record", b"what was promised")
            .await
            .expect("there is room");
        let path = scratch.path().join("state/record");
        let whole = fs::read(&path).expect("it is there");
        let mut damages: Vec<Vec<u8>> = Vec::new();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            damages.push(damaged);
            damages.push(whole[..place].to_vec());
        }
        damages.push([&whole[..], b"more"].concat());
        for damaged in damages {
            fs::write(&path, &damaged).expect("it can be written");
            let error = folder.load("record").await.expect_err("it is not what was saved");
            let words = error.to_string();
            assert!(words.starts_with(&format!("{} ", path.display())), "{words}");
        }
        fs::write(&path, &whole).expect("it can be written");
        fs::copy(&path, scratch.path().join("state/other")).expect("it can be copied");
        let exchanged = folder.load("other").await;
        assert!(
            matches!(exchanged, Err(StorageError::Damaged { .. })),
            "{exchanged:?}"
        );
    });
}

#[test]
fn a_record_of_a_later_release_is_left_alone() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        folder.save("record", b"1").await.expect("there is room");
        let path = scratch.path().join("state/record");
        let mut later = fs::read(&path).expect("it is there");
        later[9] = 7;
        fs::write(&path, later).expect("it can be written");
        let error = folder.load("record").await.expect_err("a later format");
        let words = "has format 7, this release knows up to 1; start the release that wrote it";
        assert!(error.to_string().ends_with(words), "{error}");
    });
}

#[test]
fn a_second_instance_on_the_folder_is_refused_and_told_who_has_it() {
    let scratch = Scratch::new();
    let first = open(&scratch);
    let clone = first.clone();
    drop(first);
    let error = Folder::open(&scratch.path().join("state")).expect_err("it is in use");
    #[expect(clippy::disallowed_methods, reason = "the message names this process")]
    let me = std::process::id();
    let words = format!("is in use by another maildirector (process {me}); each needs a folder of its own");
    assert!(error.to_string().ends_with(&words), "{error}");
    drop(clone);
    open(&scratch);
}

#[test]
fn a_full_disk_leaves_the_older_record_and_journal_whole() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        folder.save("record", b"older").await.expect("there is room");
        let state = scratch.path().join("state");
        // Every write to this device fails as on a full disk.
        symlink("/dev/full", state.join("record.new")).expect("it can be linked");
        let error = folder
            .save("record", b"newer")
            .await
            .expect_err("the disk is full");
        let StorageError::System { kind, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*kind, io::ErrorKind::StorageFull);
        let words = format!(
            "can't write {}: No space left on device",
            state.join("record").display()
        );
        assert!(error.to_string().starts_with(&words), "{error}");
        assert_eq!(folder.load("record").await, Ok(Some(b"older".to_vec())));
        folder
            .save("record", b"newer")
            .await
            .expect("there is room again");
        symlink("/dev/full", state.join("journal")).expect("it can be linked");
        let error = folder
            .append("journal", b"entry")
            .await
            .expect_err("the disk is full");
        assert!(error.to_string().contains("No space left on device"), "{error}");
    });
}

#[test]
fn a_journal_keeps_what_was_appended_until_it_is_rewritten() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        assert_eq!(folder.read_appended("journal", Vec::new()).await, Ok(Vec::new()));
        folder.append("journal", b"one ").await.expect("there is room");
        folder.append("journal", b"two").await.expect("there is room");
        assert_eq!(
            folder.read_appended("journal", Vec::new()).await,
            Ok(b"one two".to_vec())
        );
        folder.rewrite("journal", b"both").await.expect("there is room");
        folder
            .append("journal", b" and three")
            .await
            .expect("there is room");
        assert_eq!(
            folder.read_appended("journal", Vec::new()).await,
            Ok(b"both and three".to_vec())
        );
        folder.truncate("journal").await.expect("there is room");
        assert_eq!(folder.read_appended("journal", Vec::new()).await, Ok(Vec::new()));
    });
}

#[test]
fn names_do_not_leave_the_folder() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        for name in ["", "..", "a/b", "lock", "Upper", "record.new", &"x".repeat(65)] {
            let refused = folder.save(name, b"").await;
            assert!(
                matches!(refused, Err(StorageError::Name { .. })),
                "{name}: {refused:?}"
            );
        }
    });
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scratch = Scratch::new();
    let file = scratch.path().join("file");
    fs::write(&file, "").expect("it can be written");
    let error = Folder::open(&file.join("state")).expect_err("a file is in the way");
    assert!(
        error.to_string().starts_with("can't make the state folder "),
        "{error}"
    );
}

#[test]
fn a_folder_that_was_released_is_anothers_and_no_more_ones_own() {
    run(async {
        let scratch = Scratch::new();
        let folder = open(&scratch);
        folder.save("record", b"mine").await.expect("there is room");
        folder.clone().release();
        let released = StorageError::Released {
            folder: scratch.path().join("state"),
        };
        assert_eq!(folder.save("record", b"still mine").await, Err(released.clone()));
        assert_eq!(folder.append("journal", b"still mine").await, Err(released));
        let other = open(&scratch);
        assert_eq!(other.load("record").await, Ok(Some(b"mine".to_vec())));
        assert_eq!(other.load("journal").await, Ok(None));
    });
}
