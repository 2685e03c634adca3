//! Frames; filled in by the next commits.
