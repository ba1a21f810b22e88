//! influx-dump
