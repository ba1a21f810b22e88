//! `influx-write`: line protocol into InfluxDB 1, 2 or 3, with a verdict for every line.

pub mod batch;
pub mod deliver;
pub mod find;
