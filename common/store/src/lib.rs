//! Object storage (S3 and what speaks like it, and folders) and the queues that tell of new objects.

mod client;
mod file;
mod location;
mod object;
mod options;
pub mod queue;
mod settings;
mod transport;
mod verdict;

pub use client::{Client, Put};
pub use location::{Location, Scheme};
pub use object::{Object, note};
pub use options::Options;
pub use settings::{Credentials, Settings};
