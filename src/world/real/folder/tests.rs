//! A folder that keeps its word, and says so when it cannot.
