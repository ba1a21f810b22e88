//! The TDengine simulator, seen from outside: recorded exchanges, statements, versions, faults.

mod client;
mod faults;
mod loading;
mod recorded;
mod statements;
mod versions;
mod written;
