//! influx-write
