//! Tags that come by dictionary: every text is hashed once per dictionary, and every combination of keys is added up once,
//! for as long as the batches share their dictionaries. A row then costs a look at its keys.

use crate::column::{Scratch, plain, tags};
use crate::form::Form;
use crate::layout::{Column, Layout};
use crate::options::Options;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch};
use arrow_schema::DataType;
use fault::{Context, Result};
use xxhash_rust::xxh3::xxh3_128;

/// The hashes of a tag's texts, `None` for an empty text that is no tag. A NULL among them adds 0, which is nothing.
type Hashes = Vec<Option<u128>>;

/// The dictionary of a tag.
struct Known {
    head: Vec<u8>,
    form: Form,
    values: ArrayRef,
    hashes: Hashes,
    /// Has it an empty text that is no tag?
    empty: bool,
}

/// Combinations of keys, at most so many per row of a batch: the table of all of them is made for its dictionaries.
const PLACES_PER_ROW: usize = 8;

/// Nothing, in place of a number.
pub const NONE: u32 = u32::MAX;

/// Combinations of keys, numbered as they come.
#[derive(Default)]
pub struct Combinations {
    /// Of each row of the batch: its combination. Empty if its tags are no such.
    pub rows: Vec<u32>,
    /// Of each combination: the hash of its series, and the series' number, [`NONE`] until the caller sets it.
    pub hashes: Vec<u128>,
    pub numbers: Vec<u32>,
    /// What all rows share.
    fixed: u128,
    /// By the keys: the combination.
    places: Vec<u32>,
}

/// The dictionaries of the last batch.
#[derive(Default)]
pub struct Dictionaries {
    known: Vec<Option<Known>>,
    pub combinations: Combinations,
}

impl Dictionaries {
    /// Adds the hashes of the tags of each row to `sums`, and notes in `empty` which have a tag that is an empty text.
    pub fn add(
        &mut self,
        batch: &RecordBatch,
        layout: &Layout,
        options: &Options,
        (sums, empty): (&mut Vec<u128>, &mut Vec<bool>),
    ) -> Result<()> {
        let fixed = layout.measurement.hash();
        self.combinations.rows.clear();
        sums.clear();
        empty.clear();
        let (mut changed, mut arrays) = (self.combinations.fixed != fixed, Vec::new());
        let columns = || layout.tags.iter().chain(layout.measurement.column());
        self.known.resize_with(columns().count(), || None);
        for (tag, known) in columns().zip(&mut self.known) {
            let array = plain(batch.column(tag.index), true)?;
            match array.data_type() {
                DataType::Dictionary(..) => changed |= look(array.as_dictionary(), tag, options, known)?,
                _ => *known = None,
            }
            arrays.push(array);
        }
        if changed {
            self.combinations.places.clear();
        }
        self.combinations.fixed = fixed;
        if self.combinations.find(batch.num_rows(), &arrays, &self.known) {
            let hashes = &self.combinations.hashes;
            sums.extend(
                self.combinations.rows.iter().map(|row| hashes.get(*row as usize).copied().unwrap_or_default()),
            );
            return Ok(());
        }
        self.combinations.rows.clear();
        sums.resize(batch.num_rows(), fixed);
        empty.resize(if layout.tags.is_empty() { 0 } else { batch.num_rows() }, false);
        let mut each = |row: usize, hash| match (hash, sums.get_mut(row)) {
            (Some(hash), Some(sum)) => *sum = sum.wrapping_add(hash),
            _ => {
                if let Some(empty) = empty.get_mut(row) {
                    *empty = true;
                }
            }
        };
        for ((tag, array), known) in columns().zip(&arrays).zip(&self.known) {
            match known {
                Some(known) => each_key(array.as_dictionary(), &known.hashes, &mut each),
                None => each_text(array, tag, options, &mut each)?,
            }
        }
        Ok(())
    }
}

/// Hashes the texts of a tag's dictionary if it is another one than before. True: it is.
fn look(
    array: &DictionaryArray<Int32Type>,
    tag: &Column,
    options: &Options,
    known: &mut Option<Known>,
) -> Result<bool> {
    let values = array.values();
    if let Some(known) = known
        && known.values.to_data().ptr_eq(&values.to_data())
        && (&known.head, known.form) == (&tag.head, tag.form)
    {
        return Ok(false);
    }
    let mut hashes = vec![Some(0); values.len()];
    each_text(values, tag, options, &mut |at, hash| {
        if let Some(slot) = hashes.get_mut(at) {
            *slot = hash;
        }
    })?;
    let empty = hashes.contains(&None);
    *known = Some(Known { head: tag.head.clone(), form: tag.form, values: values.clone(), hashes, empty });
    Ok(true)
}

/// Calls `each` with the hash of every text that is not NULL.
fn each_text(
    array: &ArrayRef,
    tag: &Column,
    options: &Options,
    each: &mut impl FnMut(usize, Option<u128>),
) -> Result<()> {
    let distinct = options.empty_tag_distinct;
    let entry = |text: &Scratch| (distinct || !text.value().is_empty()).then(|| xxh3_128(&text.bytes));
    let mut scratch = Scratch::with_head(&tag.head);
    tags(array, tag.form, options.rules, &mut scratch, entry, each).context(|| format!("column {}", tag.name))
}

/// Calls `each` with the hash of every key that is not NULL.
fn each_key(array: &DictionaryArray<Int32Type>, hashes: &Hashes, each: &mut impl FnMut(usize, Option<u128>)) {
    let hash = |key: i32| usize::try_from(key).ok().and_then(|key| hashes.get(key).copied()).unwrap_or_default();
    if array.keys().null_count() == 0 {
        array.keys().values().iter().enumerate().for_each(|(row, key)| each(row, hash(*key)));
    } else {
        array.keys().iter().enumerate().for_each(|(row, key)| {
            if let Some(key) = key {
                each(row, hash(key));
            }
        });
    }
}

impl Combinations {
    /// Finds the combination of each row. False: there are too many, a NULL or an empty text among them, or a tag has no
    /// dictionary.
    fn find(&mut self, rows: usize, arrays: &[ArrayRef], known: &[Option<Known>]) -> bool {
        let mut columns = Vec::with_capacity(arrays.len());
        let mut places = 1usize;
        for (array, known) in arrays.iter().zip(known) {
            let Some(known) = known else { return false };
            let keys = array.as_dictionary::<Int32Type>().keys();
            if keys.null_count() > 0 || known.empty {
                return false;
            }
            places = places.saturating_mul(known.hashes.len());
            columns.push((&keys.values()[..], &known.hashes));
        }
        if places > rows.saturating_mul(PLACES_PER_ROW) {
            return false;
        }
        if self.places.len() != places {
            self.places.clear();
            self.places.resize(places, NONE);
            self.hashes.clear();
            self.numbers.clear();
        }
        self.rows.resize(rows, 0);
        for (keys, hashes) in &columns {
            let size = hashes.len() as u32;
            // A table of its size has room: places fit into 32 bits, and keys are below the size of their dictionary.
            self.rows
                .iter_mut()
                .zip(*keys)
                .for_each(|(row, key)| *row = row.wrapping_mul(size).wrapping_add(*key as u32));
        }
        let Combinations { rows, hashes, numbers, fixed, places } = self;
        for (at, row) in rows.iter_mut().enumerate() {
            let Some(place) = places.get_mut(*row as usize) else { return false };
            if *place == NONE {
                *place = hashes.len() as u32;
                let hash = |(keys, hashes): &(&[i32], &Hashes)| {
                    let key = keys.get(at).and_then(|key| usize::try_from(*key).ok());
                    key.and_then(|key| hashes.get(key).copied().flatten()).unwrap_or_default()
                };
                hashes.push(columns.iter().map(hash).fold(*fixed, u128::wrapping_add));
                numbers.push(NONE);
            }
            *row = *place;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Mapping;
    use arrow_array::{Int32Array, StringArray, TimestampSecondArray};
    use arrow_schema::{Field, Schema};
    use rows::role::{self, Role};
    use std::sync::Arc;
    use testkit::proptest::prelude::*;

    fn batch(tags: &[ArrayRef]) -> RecordBatch {
        let rows = tags.first().map_or(3, |tag| tag.len());
        let mut columns = vec![(
            role::with_role(
                Field::new("time", TimestampSecondArray::from(vec![0]).data_type().clone(), true),
                Role::Time,
            ),
            Arc::new(TimestampSecondArray::from(vec![0; rows])) as ArrayRef,
        )];
        for (at, (tag, name)) in tags.iter().zip(["a", "b", "m"]).enumerate() {
            let role = if at == 2 { Role::Measurement } else { Role::Tag };
            columns.push((role::with_role(Field::new(name, tag.data_type().clone(), true), role), tag.clone()));
        }
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    fn texts() -> impl Strategy<Value = Vec<Option<String>>> {
        // An empty text and a NULL now and then, and most often neither.
        let text = testkit::proptest::option::weighted(0.97, prop_oneof![1 => "", 30 => "[a-f]{1,2}"]);
        testkit::proptest::collection::vec(text, 1..6)
    }

    proptest! {
        /// Whether dictionaries stay, come and go: a row has the hash that its texts have without any.
        #[test]
        fn as_without_dictionaries(
            pools in testkit::proptest::collection::vec(texts(), 3),
            batches in testkit::proptest::collection::vec((any::<[bool; 4]>(), testkit::proptest::collection::vec((any::<[u8; 3]>(), 0u8..60), 1..40)), 1..8),
            columns in 0usize..=3, distinct: bool,
        ) {
            let options = Options { empty_tag_distinct: distinct, ..crate::args::DEFAULTS };
            let mut kept = Dictionaries::default();
            let mut pools: Vec<ArrayRef> = pools.into_iter().map(|pool| Arc::new(StringArray::from(pool)) as ArrayRef).collect();
            for ([new, plain, nulls, turn], rows) in batches {
                if new {
                    // As many texts, others.
                    let other = |text: Option<&str>| text.map(|text| if text.is_empty() { String::new() } else { format!("{text}+") });
                    pools[0] = Arc::new(pools[0].as_string::<i32>().iter().map(other).collect::<StringArray>());
                }
                if turn {
                    pools.swap(0, 1);
                }
                let keyed = |at: usize| {
                    let size = pools[at].len() as i32;
                    let key = |(keys, null): &([u8; 3], u8)| (!nulls || *null > 0).then(|| i32::from(keys[at]) % size);
                    let keys: Int32Array = rows.iter().map(key).collect();
                    Arc::new(DictionaryArray::<Int32Type>::new(keys, pools[at].clone())) as ArrayRef
                };
                let mut arrays: Vec<ArrayRef> = (0..columns).map(keyed).collect();
                let flat: Vec<ArrayRef> = arrays.iter().map(|array| arrow_cast::cast(array, &DataType::Utf8).unwrap()).collect();
                if plain && columns > 0 {
                    arrays[0] = flat[0].clone();
                }
                let (with, without) = (batch(&arrays), batch(&flat));
                let layout = Layout::new(&with.schema(), &Mapping::default()).unwrap();
                let (mut sums, mut empty) = (vec![1], vec![true]);
                kept.add(&with, &layout, &options, (&mut sums, &mut empty)).unwrap();
                let (mut others, mut other_empty) = (Vec::new(), Vec::new());
                Dictionaries::default().add(&without, &layout, &options, (&mut others, &mut other_empty)).unwrap();
                prop_assert_eq!(&sums, &others);
                let empties = |empty: &[bool]| (0..sums.len()).filter(|row| empty.get(*row) == Some(&true)).collect::<Vec<_>>();
                prop_assert_eq!(empties(&empty), empties(&other_empty));
                // A number that is set for a combination stays that of its hash.
                let Combinations { rows, hashes, numbers, .. } = &mut kept.combinations;
                prop_assert!(rows.is_empty() || rows.len() == sums.len());
                for (row, sum) in rows.iter().zip(&sums) {
                    let (hash, number) = (hashes[*row as usize], &mut numbers[*row as usize]);
                    prop_assert_eq!(hash, *sum);
                    prop_assert!(*number == NONE || *number == hash as u32 >> 1);
                    *number = hash as u32 >> 1;
                }
            }
        }
    }
}
