//! Real `Director` values on simulated hosts: TCP links that die silently, crashes, clocks that drift.
//!
//! What the machine decides is tried a thousand times faster by the simulator in `sim`. Here it meets what that one leaves
//! out: frames that arrive in pieces, connections that must be given up and made anew, late frames of an old connection,
//! a process whose tasks are dropped in the middle of anything. The driver is written for these tests.

mod dice;
mod driver;
mod ring;
mod scenarios;
mod sweep;
mod world;
