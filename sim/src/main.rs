//! The simulator's commands.

fn main() {}
