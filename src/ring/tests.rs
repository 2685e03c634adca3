//! Whole rings on loopback, with real sockets and real TLS.

mod refusals;
mod support;
mod whole;
