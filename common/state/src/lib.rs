//! What a migration remembers: the plan, a receipt for every split that is done, and who is at work on which.
//!
//! The state is a directory of small files, so that it can be read with `cat`, copied with `cp`, and survives `kill -9`
//! at any instant. `done/<id>.json` is the only truth about what is done; *running* is not stored at all: it is the lock,
//! which every stage of a pipeline inherits, so it lasts exactly as long as somebody may still write.

mod directory;
mod durable;
mod failure;
mod journal;
mod lock;
mod look;
pub mod plan;
mod receipt;
mod survey;
mod time;
mod timings;

pub use directory::{Directory, Status};
pub use failure::Failure;
pub use journal::Event;
pub use lock::{Holder, Lock};
pub use look::{Look, Lookout};
pub use plan::{Plan, Split};
pub use receipt::{Receipt, Stage};
pub use survey::{Strain, Survey};
pub use time::{now, seconds};
pub use timings::note_time;
