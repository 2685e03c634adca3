//! How members agree; filled in by the next commits.
