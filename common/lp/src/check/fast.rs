//! The check of lines like those before: of a series that was checked, with fields that were checked together with it.
//!
//! What is trusted is only what the whole check has seen in the same bytes; everything else goes to the whole check.

use super::Checker;
use super::glance::{Times, value_len};
use crate::known::{Key, Names, ends_for_all};
use crate::{Dialect, Line, Lines};
use std::num::NonZeroUsize;

/// A line that is good to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'l, 'c> {
    /// The line without its line end.
    pub bytes: &'l [u8],
    /// Measurement and tags, the tags sorted: as [`crate::series::canonical`] gives them.
    pub series: &'c [u8],
    /// [`crate::known::hash`] of the series.
    pub hash: u64,
}

/// Bytes that may be remembered.
const MEMORY: usize = 4 << 20;

/// Lists of fields that may be remembered, and fields in one of them.
const SHAPES: usize = 256;
const FIELDS: usize = 1024;

/// Series that were checked, and with which fields.
#[derive(Debug, Default)]
pub(super) struct Memory {
    names: Names,
    /// By the number of a series.
    shape_of: Vec<u32>,
    shapes: Vec<Vec<Key>>,
}

impl Memory {
    /// Takes in a line that passed the whole check.
    pub fn learn(&mut self, bytes: &[u8], line: &Line<'_>, dialect: Dialect) {
        let series = line.series();
        let sorted = line.tags().is_sorted_by(|a, b| a.0 < b.0);
        if !sorted || !bytes.starts_with(series) || line.fields().len() > FIELDS || !ends_for_all(series, dialect) {
            return;
        }
        let Some(shape) = self.shape(line) else { return };
        if self.names.bytes() + 4 * self.shape_of.len() + series.len() > MEMORY {
            self.clear();
            return;
        }
        match self.names.number(series) {
            Some(number) => {
                if let Some(known) = self.shape_of.get_mut(number as usize) {
                    *known = shape;
                }
            }
            None if self.names.learn(series).is_some() => self.shape_of.push(shape),
            None => {}
        }
    }

    /// The number of the line's list of fields. None if a key is not plain.
    fn shape(&mut self, line: &Line<'_>) -> Option<u32> {
        let same = |shape: &Vec<Key>| {
            shape.len() == line.fields().len() && shape.iter().zip(line.fields()).all(|(key, (name, _))| key.is(name))
        };
        if let Some(at) = self.shapes.iter().rposition(same) {
            return u32::try_from(at).ok();
        }
        let shape = line.fields().map(|(name, _)| Key::new(name)).collect::<Option<Vec<Key>>>()?;
        if self.shapes.len() >= SHAPES {
            self.clear();
        }
        self.shapes.push(shape);
        u32::try_from(self.shapes.len() - 1).ok()
    }

    fn clear(&mut self) {
        self.names.clear();
        self.shape_of.clear();
        self.shapes.clear();
    }
}

impl Checker {
    /// The next line, if it is seen at once that it passes [`Checker::check`]: then `lines` stands after it. None says
    /// nothing; the line is to be taken from `lines` and checked.
    #[inline]
    pub fn known<'l>(&mut self, lines: &mut Lines<'l>) -> Option<Known<'l, '_>> {
        let dialect = self.parser.dialect();
        let memory = self.memory.get_or_insert_default();
        let rest = lines.rest();
        let (number, fields) = memory.names.find(rest)?;
        let shape = memory.shapes.get(*memory.shape_of.get(number as usize)? as usize)?;
        let (end, next) = line(rest, fields, shape, dialect, &self.times)?;
        if end > self.short || shape.len() > self.limits.fields {
            return None;
        }
        let bytes = rest.get(..end)?;
        lines.pass(next.get());
        Some(Known { bytes, series: memory.names.name(number), hash: memory.names.hash(number) })
    }
}

/// Goes over the fields and the time that start at `at`: keys of the shape, in its order, any of them left out. Gives the
/// end of the line, and the start of the next one (which fit two registers, for one of them is never 0).
#[inline(never)]
fn line(buf: &[u8], at: usize, shape: &[Key], dialect: Dialect, times: &Times) -> Option<(usize, NonZeroUsize)> {
    let mut expected = shape.iter();
    let mut rest = buf.get(at..)?;
    loop {
        let value = rest.get(expected.find(|key| key.begins(rest))?.len()..)?;
        let (len, after) = value_len(value, dialect)?;
        rest = value.get(len + 1..)?;
        if after == b' ' {
            let (end, next) = times.len(rest)?;
            let at = buf.len() - rest.len();
            return Some((at + end, NonZeroUsize::new(at + next)?));
        }
    }
}
