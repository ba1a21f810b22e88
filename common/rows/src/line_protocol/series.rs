//! Measurement and tags of the rows under construction: looked at once per series, and columns of dictionaries.
//!
//! A row carries the number of its series; the keys of the tag columns are filled in when the batch ends. What is
//! remembered is bounded: when it has grown too large, the batch is ended and all of it forgotten.

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use fault::{Error, Kind, Result};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use lp::Names;
use std::hash::BuildHasher as _;
use std::sync::Arc;

/// Bytes of series and of tag values that are remembered.
const MEMORY: usize = 8 << 20;

/// Values of a dictionary up to which all batches share it. A larger one is cut down to what a batch uses, unless the
/// batch has more rows than that.
const SHARED: usize = 1024;

/// Key of a tag that a series does not have.
pub(super) const NONE: i32 = -1;

/// The series met so far, and those of the rows of the batch.
pub(super) struct Series {
    names: Names,
    facts: Vec<Fact>,
    /// Keys of every series, one per dictionary.
    keys: Vec<i32>,
    dictionaries: Vec<Dictionary>,
    rows: Vec<u32>,
}

/// What is known of a series besides its tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    /// Its tags are all in dictionaries: nothing has to be done for them in a row.
    pub whole: bool,
    /// A line that begins with its bytes needs no parser for them.
    pub trusted: bool,
    /// Where in the list of expected fields its lines begin.
    pub start: u32,
}

impl Series {
    /// With so many dictionaries.
    pub fn new(dictionaries: usize) -> Series {
        let dictionaries = (0..dictionaries).map(|_| Dictionary::default()).collect();
        Series { names: Names::default(), facts: Vec::new(), keys: Vec::new(), dictionaries, rows: Vec::new() }
    }

    /// Rows of the batch.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Too much is remembered: the batch is to be ended, and all of it to be forgotten.
    pub fn is_full(&self) -> bool {
        let values: usize = self.dictionaries.iter().map(Dictionary::bytes).sum();
        self.names.bytes() + self.facts.len() * std::mem::size_of::<Fact>() + self.keys.len() * 4 + values > MEMORY
    }

    /// Only without rows.
    pub fn forget(&mut self) {
        self.names.clear();
        self.facts.clear();
        self.keys.clear();
        for dictionary in &mut self.dictionaries {
            *dictionary = Dictionary::default();
        }
    }

    /// The number of a series by its bytes, as written.
    pub fn number(&self, name: &[u8]) -> Option<u32> {
        self.names.number(name)
    }

    /// The series of the line that begins here, and where its fields begin, if the bytes can be trusted.
    #[inline]
    pub fn find(&mut self, rest: &[u8]) -> Option<(u32, Fact, usize)> {
        let (number, fields) = self.names.find(rest)?;
        let fact = *self.facts.get(number as usize)?;
        (fact.trusted && fact.whole).then_some((number, fact, fields))
    }

    pub fn fact(&self, number: u32) -> Option<Fact> {
        self.facts.get(number as usize).copied()
    }

    /// Lines of the series were seen to begin at this place of the list of fields.
    pub fn starts_at(&mut self, number: u32, start: u32) {
        if let Some(fact) = self.facts.get_mut(number as usize) {
            fact.start = fact.start.min(start);
        }
    }

    /// The series begin anywhere again: the list of fields has another order.
    pub fn start_anywhere(&mut self) {
        self.facts.iter_mut().for_each(|fact| fact.start = 0);
    }

    /// The key of a text in a dictionary.
    pub fn key(&mut self, dictionary: usize, text: &[u8]) -> i32 {
        self.dictionaries.get_mut(dictionary).map_or(NONE, |dictionary| dictionary.key(text))
    }

    /// Takes in a series with its keys, [`NONE`] where it has no tag.
    pub fn learn(&mut self, name: &[u8], keys: &[i32], fact: Fact) -> Option<u32> {
        let number = self.names.learn(name)?;
        self.facts.push(fact);
        self.keys.extend_from_slice(keys);
        Some(number)
    }

    /// A row of this series was appended.
    #[inline]
    pub fn push(&mut self, number: u32) {
        self.rows.push(number);
    }

    /// The column of a dictionary for the rows of the batch. `bytes`: what its values should not exceed.
    pub fn column(&mut self, dictionary: usize, bytes: usize) -> Result<ArrayRef> {
        let Series { rows, keys, dictionaries, .. } = self;
        let width = dictionaries.len();
        let Some(values) = dictionaries.get_mut(dictionary) else {
            return Err(Error::new(Kind::Bug, "no dictionary for a tag"));
        };
        let mut column: Vec<i32> = Vec::with_capacity(rows.len());
        let of = |number: &u32| keys.get(*number as usize * width + dictionary).copied().unwrap_or(NONE);
        column.extend(rows.iter().map(of));
        let missing = column.contains(&NONE);
        let nulls = missing.then(|| NullBuffer::new(BooleanBuffer::collect_bool(column.len(), |row| column[row] >= 0)));
        if missing {
            column.iter_mut().for_each(|key| *key = (*key).max(0));
        }
        let shared = values.len() <= SHARED.max(rows.len()) && values.data.len() <= bytes;
        let texts = if shared { values.all()? } else { values.only(&mut column, nulls.as_ref())? };
        let keys = Int32Array::try_new(column.into(), nulls).map_err(bug)?;
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, texts).map_err(bug)?))
    }

    /// The batch has ended.
    pub fn end_batch(&mut self) {
        self.rows.clear();
    }
}

/// Texts and their keys.
struct Dictionary {
    offsets: Vec<i32>,
    data: Vec<u8>,
    index: HashTable<i32>,
    hasher: FixedState,
    /// The texts as an array, as long as none was added.
    array: Option<ArrayRef>,
}

impl Default for Dictionary {
    fn default() -> Dictionary {
        let hasher = FixedState::default();
        Dictionary { offsets: vec![0], data: Vec::new(), index: HashTable::new(), hasher, array: None }
    }
}

fn text<'a>(offsets: &[i32], data: &'a [u8], key: i32) -> &'a [u8] {
    let at = key as usize;
    match (offsets.get(at), offsets.get(at + 1)) {
        (Some(from), Some(to)) => data.get(*from as usize..*to as usize).unwrap_or_default(),
        _ => &[],
    }
}

impl Dictionary {
    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn bytes(&self) -> usize {
        // The text here and in the array; an offset in both, a slot of the index.
        2 * self.data.len() + 24 * self.len()
    }

    fn key(&mut self, value: &[u8]) -> i32 {
        let Dictionary { offsets, data, index, hasher, array } = self;
        let hash = hasher.hash_one(value);
        if let Some(key) = index.find(hash, |key| text(offsets, data, *key) == value) {
            return *key;
        }
        // Bounded by MEMORY, far below what i32 counts.
        let key = (offsets.len() - 1) as i32;
        data.extend_from_slice(value);
        offsets.push(data.len() as i32);
        index.insert_unique(hash, key, |key| hasher.hash_one(text(offsets, data, *key)));
        *array = None;
        key
    }

    /// All texts: the same array as long as none was added, so that a writer need not write it again.
    fn all(&mut self) -> Result<ArrayRef> {
        if let Some(array) = &self.array {
            return Ok(array.clone());
        }
        let made = strings(self.offsets.clone(), self.data.clone())?;
        self.array = Some(made.clone());
        Ok(made)
    }

    /// Only the texts of these keys, which are numbered anew. Keys of NULLs become 0.
    fn only(&self, keys: &mut [i32], nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
        let mut new = vec![NONE; self.len()];
        let (mut offsets, mut data) = (vec![0], Vec::new());
        for (row, key) in keys.iter_mut().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                *key = 0;
                continue;
            }
            let Some(slot) = new.get_mut(*key as usize) else { continue };
            if *slot == NONE {
                *slot = (offsets.len() - 1) as i32;
                data.extend_from_slice(text(&self.offsets, &self.data, *key));
                offsets.push(data.len() as i32);
            }
            *key = *slot;
        }
        strings(offsets, data)
    }
}

fn strings(offsets: Vec<i32>, data: Vec<u8>) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(StringArray::try_new(offsets, data.into(), None).map_err(bug)?))
}

fn bug(error: arrow_schema::ArrowError) -> Error {
    Error::caused(Kind::Bug, "cannot build a column of tags", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    fn texts(array: &ArrayRef) -> Vec<Option<String>> {
        let dictionary = array.as_dictionary::<Int32Type>();
        let values = dictionary.values().as_string::<i32>();
        let key = |row| dictionary.keys().is_valid(row).then(|| values.value(dictionary.keys().value(row) as usize));
        (0..dictionary.len()).map(|row| key(row).map(str::to_owned)).collect()
    }

    #[test]
    fn dictionaries_are_shared_while_small_and_cut_down_when_large() {
        let mut series = Series::new(2);
        let fact = Fact { whole: true, trusted: true, start: 0 };
        for i in 0..3000 {
            let key = series.key(0, format!("v{i}").as_bytes());
            assert_eq!(series.key(0, format!("v{i}").as_bytes()), key);
            series.learn(format!("m,t={i}").as_bytes(), &[if i % 7 == 0 { NONE } else { key }, NONE], fact).unwrap();
            if i == 9 {
                // Nothing new between two batches: one dictionary for both.
                let mut values = Vec::new();
                for _ in 0..2 {
                    (0..10).for_each(|i| series.push(i));
                    let column = series.column(0, 1 << 20).unwrap();
                    assert_eq!(texts(&column)[..2], [None, Some("v1".to_owned())]);
                    values.push(column.as_dictionary::<Int32Type>().values().clone());
                    assert_eq!(series.column(1, 1 << 20).unwrap().logical_null_count(), 10);
                    series.end_batch();
                }
                assert!(Arc::ptr_eq(&values[0], &values[1]));
            }
        }
        let rows = [2999, 5, 2999, 7, 8];
        rows.iter().for_each(|row| series.push(*row));
        let column = series.column(0, 1 << 20).unwrap();
        assert_eq!(column.as_dictionary::<Int32Type>().values().len(), 3);
        let expected: Vec<_> = rows.iter().map(|i| (i % 7 != 0).then(|| format!("v{i}"))).collect();
        assert_eq!(texts(&column), expected);
        series.end_batch();
        series.forget();
        assert_eq!((series.number(b"m,t=1"), series.rows(), series.is_full()), (None, 0, false));
    }
}
