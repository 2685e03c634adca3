//! A folder for one test, gone when the test is over.

use std::fs;
use std::path::{Path, PathBuf};

use rand::TryRng;

/// A folder for one test.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub fn new() -> Self {
        let bits = rand::rngs::SysRng
            .try_next_u64()
            .expect("the kernel has random numbers");
        let path = std::env::temp_dir().join(format!("maildirector-{bits:016x}"));
        fs::create_dir(&path).expect("the folder for temporary files is writable");
        Scratch { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
