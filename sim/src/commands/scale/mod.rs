//! `sim scale`: large rings over many years, as tables and plots.

mod chart;
mod command;
mod limits;
mod plots;
mod report;
mod site;

pub use command::{ScaleArguments, scale};
