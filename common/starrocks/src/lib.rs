//! StarRocks: its MySQL interface for queries and the catalogue, Arrow Flight SQL for large results, and Stream Load over
//! HTTP.
//!
//! | file | what |
//! |---|---|
//! | `target` | what a URL says |
//! | `client` | a connection to a front end over the MySQL protocol |
//! | `row_stream` | a session with a front end for large results |
//! | `login` | how such a session begins |
//! | `packets` | its packets, and the cells of a row in one |
//! | `retry` | what an error means |
//! | `catalog` | version, databases, tables, columns, partitions |
//! | `types` | StarRocks' types, and how each is read |
//! | `columns` | rows of text into Arrow columns |
//! | `flight` | a session with a front end over Arrow Flight SQL, and the rows that back ends send |
//! | `flight_columns` | those rows into the same Arrow columns |
//! | `flight_lists` | ARRAY as JSON text |
//! | `create` | a table for rows of any source |
//! | `sql` | names and literals |
//! | `roles` | which column is the time, and which are tags |
//! | `partitions` | partitions by name |
//! | `pushdown` | counts and hashes that the cluster makes itself |
//! | `be_map` | where a back end is to be found from here |
//! | `hops` | the way of an HTTP request from a front end to a back end |
//! | `label` | the names of loads |
//! | `load` | Stream Load: a body under a label |
//! | `reply` | what comes back over HTTP |
//! | `request` | what we send over HTTP: paths and headers |
//! | `state` | what became of a label |
//! | `transaction` | loads in two phases |
//! | `verdict` | what an HTTP reply means for a load |

pub mod be_map;
pub mod catalog;
pub mod client;
pub mod columns;
pub mod create;
pub mod flight;
pub mod flight_columns;
mod flight_lists;
pub mod hops;
pub mod label;
pub mod load;
mod login;
mod packets;
pub mod partitions;
pub mod pushdown;
pub mod reply;
pub mod request;
pub mod retry;
pub mod roles;
mod row_stream;
pub mod sql;
pub mod state;
pub mod target;
pub mod transaction;
pub mod types;
pub mod verdict;

pub use client::Client;
pub use flight::Flight;
pub use packets::Cells;
pub use row_stream::RowStream;
pub use target::Target;
