//! Does it take the sub-table's name to tell series apart? Said in the header, so it must hold until the last row.

use crate::session::Session;
use crate::target::Target;
use fault::{Error, Kind, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use tdengine::catalog;
use tdengine::value::Value;

/// What the tags of a table say about its series.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Dropping the sub-table's name merges no two series.
    pub redundant: bool,
    /// Sub-tables that were looked at.
    sub_tables: u64,
}

impl Identity {
    /// Looks at the tags of all sub-tables. Keeps 8 bytes of each. Equal hashes of different tags only make the name needed:
    /// the safe side. NULL and the empty text count as equal, as they are in line protocol.
    pub fn of(session: &mut Session, target: &Target) -> Result<Identity> {
        if !target.is_super() {
            return Ok(Identity { redundant: true, sub_tables: 0 });
        }
        let tags = target.tag_names();
        let mut hashes: Vec<u64> = session.repeat(|client| {
            let mut hashes = Vec::new();
            catalog::each_child(client, &target.database, &target.table, &tags, None, |row| {
                let mut hasher = DefaultHasher::new();
                for value in row.iter().skip(1) {
                    hash(value, &mut hasher);
                }
                hashes.push(hasher.finish());
                Ok(())
            })?;
            Ok(hashes)
        })?;
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Identity { redundant: hashes.len() == all, sub_tables: all as u64 })
    }

    /// After the last row: exit 4 when a sub-table was made meanwhile that has the tags of another. Asks for their number
    /// only, as long as that is what it was.
    pub fn must_hold(&self, session: &mut Session, target: &Target) -> Result<()> {
        if !self.redundant || !target.is_super() {
            return Ok(());
        }
        let now = session.repeat(|client| catalog::count_children(client, &target.database, &target.table))?;
        if now == self.sub_tables || Identity::of(session, target)?.redundant {
            return Ok(());
        }
        Err(Error::new(
            Kind::Source,
            format!(
                "table {}: while it was read, a sub-table was made that has the tags of another (equal tags): without their names, which the header calls redundant, their rows would be one series: run it again",
                target.table
            ),
        ))
    }
}

fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0u8.hash(hasher),
        Value::Text(text) if text.is_empty() => 0u8.hash(hasher),
        Value::Bool(value) => (1u8, value).hash(hasher),
        Value::Int(value) => (2u8, value).hash(hasher),
        Value::Float(value) => (3u8, value.to_bits()).hash(hasher),
        Value::Text(text) => (4u8, text).hash(hasher),
        Value::Bytes(bytes) => (5u8, bytes).hash(hasher),
    }
}
