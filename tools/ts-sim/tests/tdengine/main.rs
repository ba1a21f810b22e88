//! The TDengine simulator, seen from outside: recorded exchanges, statements, versions, faults.

mod client;
mod recorded;
