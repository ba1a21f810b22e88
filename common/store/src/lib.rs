//! Object storage (S3 and what speaks like it, and folders) and the queues that tell of new objects.

mod client;
mod content;
mod download;
mod file;
mod location;
mod manifest;
mod object;
mod options;
pub mod queue;
mod settings;
mod transport;
mod upload;
mod uploads;
mod verdict;

pub use client::{Client, LARGEST_COPY, Put};
pub use content::{Checked, Content, Verified};
pub use download::Reader;
pub use location::{Location, Scheme};
pub use manifest::{Difference, Entry, MANIFEST, Manifest};
pub use object::{Object, note, rfc3339};
pub use options::Options;
pub use settings::{Credentials, Key, Settings};
pub use upload::{SMALLEST_PART, Upload, Written, digest_of};
pub use uploads::Begun;
