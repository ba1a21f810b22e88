//! The InfluxDB client: versions 1, 2 and 3 over HTTP.

pub mod reply;
pub mod retry;
