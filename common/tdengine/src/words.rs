//! A column of few different texts: tags and names of sub-tables.

use crate::block::not_utf8;
use crate::types::Column;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use fault::{Error, Kind, Result};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::Arc;

/// Keys into texts, each text once.
pub(crate) struct Words {
    keys: Vec<i32>,
    ends: Vec<i32>,
    values: Vec<u8>,
    /// Keys by the hash of their text.
    table: HashTable<i32>,
    last: Option<Last>,
}

/// The text of the row before.
#[derive(Clone)]
struct Last {
    key: i32,
    place: Range<usize>,
    /// It has neither quotes nor backslashes: JSON spells it as it is.
    plain: bool,
}

impl Words {
    pub fn new(rows: usize) -> Words {
        let table = HashTable::new();
        Words { keys: Vec::with_capacity(rows), ends: vec![0], values: Vec::new(), table, last: None }
    }

    pub fn push_null(&mut self) {
        self.keys.push(0);
    }

    /// Adds the text of the row before once more if that is what JSON goes on with, up to the closing quote.
    #[inline]
    pub fn push_same(&mut self, json: &[u8]) -> Option<usize> {
        let last = self.last.as_ref().filter(|last| last.plain)?;
        let text = self.values.get(last.place.clone())?;
        if json.get(text.len()) == Some(&b'"') && json.get(..text.len()) == Some(text) {
            self.keys.push(last.key);
            return Some(text.len());
        }
        None
    }

    /// Adds a text. False: there are more different ones than keys can say.
    pub fn push(&mut self, text: &[u8]) -> bool {
        if let Some(last) = &self.last
            && self.values.get(last.place.clone()) == Some(text)
        {
            self.keys.push(last.key);
            return true;
        }
        let Words { keys, ends, values, table, last } = self;
        let hasher = FixedState::default();
        let place = |key: i32| {
            let at = |index: usize| ends.get(index).map_or(0, |end| *end as usize);
            at(key as usize)..at(key as usize + 1)
        };
        let hash = hasher.hash_one(text);
        let plain = memchr::memchr2(b'"', b'\\', text).is_none();
        if let Some(key) = table.find(hash, |key| values.get(place(*key)) == Some(text)) {
            keys.push(*key);
            *last = Some(Last { key: *key, place: place(*key), plain });
            return true;
        }
        let (Ok(key), Ok(end)) = (i32::try_from(ends.len() - 1), i32::try_from(values.len() + text.len())) else {
            return false;
        };
        table.insert_unique(hash, key, |key| hasher.hash_one(values.get(place(*key)).unwrap_or_default()));
        *last = Some(Last { key, place: values.len()..values.len() + text.len(), plain });
        values.extend_from_slice(text);
        ends.push(end);
        keys.push(key);
        true
    }

    /// Takes rows off the end; their texts stay.
    pub fn truncate(&mut self, rows: usize) {
        self.keys.truncate(rows);
    }

    pub fn finish(mut self, column: &Column, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        if self.ends.len() == 1 && !self.keys.is_empty() {
            // All NULL: keys must still point somewhere.
            self.ends.push(0);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let values =
            StringArray::try_new(offsets, Buffer::from_vec(self.values), None).map_err(|_| not_utf8(column))?;
        let keys = PrimitiveArray::<Int32Type>::new(ScalarBuffer::from(self.keys), nulls);
        let array = DictionaryArray::try_new(keys, Arc::new(values))
            .map_err(|error| Error::caused(Kind::Bug, "cannot build a dictionary", error))?;
        Ok(Arc::new(array))
    }
}
