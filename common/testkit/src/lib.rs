//! What only tests need: property testing, independent parsers, temporary files, running our binaries.

pub use influxdb_line_protocol;
pub use proptest;
pub use tempfile;
