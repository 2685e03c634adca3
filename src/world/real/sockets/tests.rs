//! Sockets as the kernel has them.
