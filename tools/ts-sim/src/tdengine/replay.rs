//! `--replay`: replies that are encoded once and then sent again, so that a reader can be measured against a server
//! that is faster than it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::chunk::Chunk;
use super::exec::{Cursor, ResultSet};
use super::types::Field;
use crate::args::Precision;

/// The pieces of a reply, in order.
pub type Pieces = Box<dyn Iterator<Item = Bytes> + Send>;

/// A reply to one statement.
pub struct Kept {
    /// What describes it; REST has that in the first piece.
    pub fields: Vec<Field>,
    pub precision: Precision,
    pieces: Vec<Bytes>,
}

impl Kept {
    /// Its pieces, without a copy of their bytes.
    pub fn pieces(self: &Arc<Kept>) -> Pieces {
        let kept = self.clone();
        Box::new((0..).map_while(move |at| kept.pieces.get(at).cloned()))
    }

    /// Its description as a result whose rows come from elsewhere.
    pub fn described(&self) -> ResultSet {
        description(self.fields.clone(), self.precision)
    }
}

/// A result whose rows come from elsewhere.
pub fn description(fields: Vec<Field>, precision: Precision) -> ResultSet {
    struct Nothing;
    impl Cursor for Nothing {
        fn next(&mut self) -> Option<Chunk> {
            None
        }
    }
    ResultSet { fields, precision, cursor: Box::new(Nothing) }
}

/// Replies by statement, up to a number of bytes.
pub struct Replay {
    most: usize,
    kept: Mutex<(usize, HashMap<String, Arc<Kept>>)>,
}

impl Replay {
    pub fn new(most: usize) -> Replay {
        Replay { most, kept: Mutex::default() }
    }

    /// The reply that was kept for a statement.
    pub fn get(&self, key: &str) -> Option<Arc<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).1.get(key).cloned()
    }

    /// Makes and keeps a reply, as long as there is room for it; its pieces.
    pub fn keep(&self, key: String, fields: Vec<Field>, precision: Precision, mut fresh: Pieces) -> Pieces {
        let room = self.most.saturating_sub(self.kept.lock().unwrap_or_else(PoisonError::into_inner).0);
        let (mut pieces, mut size) = (Vec::new(), 0);
        for piece in fresh.by_ref() {
            size += piece.len();
            pieces.push(piece);
            if size > room {
                return Box::new(pieces.into_iter().chain(fresh));
            }
        }
        let kept = Arc::new(Kept { fields, precision, pieces });
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.0 += size;
        all.1.insert(key, kept.clone());
        kept.pieces()
    }
}
