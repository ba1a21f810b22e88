//! Simulators of the systems that tsferry reads and writes, with faults on demand.

pub mod faults;
