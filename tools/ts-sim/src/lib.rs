//! ts-sim
