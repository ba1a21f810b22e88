//! The TDengine simulator, seen from outside: recorded exchanges, statements, versions, faults.

mod bound;
mod bound_tables;
mod client;
mod faults;
mod loading;
mod recorded;
mod recorded_sml;
mod recorded_tmq;
mod replayed;
mod schemaless;
mod statements;
mod subscriptions;
mod versions;
mod written;
