//! The machine; filled in by the next commits.
