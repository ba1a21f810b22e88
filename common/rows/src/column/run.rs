//! Many rows of text into one column: the type is matched once for all of them, and their cells are found by an index.

use super::{Builder, Misfit, Values};
use crate::csv_split::{Form, unescape};
use crate::number::{self, RANGE};
use crate::time::Unit;
use crate::types::Type;
use crate::{csv_index, eight_digits};

/// Rows of a block that have the same number of cells.
pub(crate) struct Run<'a> {
    /// The block.
    pub block: &'a [u8],
    /// Where the first row begins.
    pub start: usize,
    /// The position behind every cell, row by row.
    pub ends: &'a [u32],
    /// Cells of a row.
    pub columns: usize,
    /// Some cells may be quoted.
    pub quotes: bool,
    /// Some rows may end in CR LF.
    pub returns: bool,
    /// All of the block's text is valid UTF-8.
    pub valid: bool,
    /// The text for NULL, if it has one.
    pub null: Option<&'a [u8]>,
    /// Times are integers of this unit.
    pub epoch: Option<Unit>,
}

/// A cell: bytes `from..to` of something longer.
struct Text<'a> {
    whole: &'a [u8],
    from: usize,
    to: usize,
}

impl<'a> Text<'a> {
    #[inline(always)]
    fn bytes(&self) -> &'a [u8] {
        self.whole.get(self.from..self.to).unwrap_or_default()
    }
}

impl Run<'_> {
    /// Calls `put` with each cell of a column, `None` for NULL, until it fails; gives the number of good ones.
    #[inline(always)]
    fn each(
        &self,
        column: usize,
        text_column: bool,
        mut put: impl FnMut(Option<Text<'_>>) -> Result<(), Misfit>,
    ) -> usize {
        let plain = !self.quotes && !self.returns && self.null.is_none();
        let mut scratch = Vec::new();
        let mut done = 0;
        let mut at = column;
        while let Some(end) = self.ends.get(at) {
            // The end of the cell before; for the first of all it is not in the index.
            let mut from = self.ends.get(at.wrapping_sub(1)).map_or(self.start, |before| *before as usize + 1);
            let mut to = *end as usize;
            let (mut whole, mut null) = (self.block, to <= from);
            if !plain {
                let (kind, bounds) = self.careful(from, to, text_column);
                (from, to, null) = (bounds as u32 as usize, (bounds >> 32) as usize, kind == Kind::Null);
                if kind == Kind::Escaped {
                    scratch.clear();
                    unescape(self.block.get(from..to).unwrap_or_default(), &mut scratch);
                    (whole, from, to) = (&scratch, 0, scratch.len());
                }
            }
            // One place where it is called, so that it becomes part of the loop.
            if put((!null).then_some(Text { whole, from, to })).is_err() {
                break;
            }
            (done, at) = (done + 1, at + self.columns);
        }
        done
    }

    /// A cell that may be quoted, stand before a CR, or be spelled like NULL: what it is, and where it begins (below) and
    /// ends (above), in registers.
    fn careful(&self, from: usize, to: usize, text_column: bool) -> (Kind, u64) {
        let cell = csv_index::cell(self.block, from, to);
        let kind = match cell.form {
            Form::Bare => {
                let empty = cell.end <= from;
                let null = match self.null {
                    None => empty,
                    Some(null) => {
                        (empty && !text_column) || self.block.get(cell.start..cell.end).unwrap_or_default() == null
                    }
                };
                if null { Kind::Null } else { Kind::Text }
            }
            Form::Quoted => Kind::Text,
            Form::Escaped => Kind::Escaped,
        };
        (kind, cell.start as u64 | (cell.end as u64) << 32)
    }
}

/// What a cell is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Text,
    /// A text with `""` for `"`.
    Escaped,
}

/// A loop for columns of one type: `$read` of a text, or 0 for NULL.
macro_rules! numbers {
    ($run:ident, $column:ident, $valid:expr, $values:ident, $text:ident => $read:expr) => {
        $run.each($column, false, |text| {
            match text {
                Some($text) => {
                    $values.push($read);
                    $valid.push(true);
                }
                None => {
                    $values.push(Default::default());
                    $valid.push(false);
                }
            }
            Ok(())
        })
    };
}

#[inline(always)]
fn whole(text: &Text<'_>) -> Result<i64, Misfit> {
    match eight_digits::signed(text.whole, text.from, text.to) {
        Some(value) => Ok(value),
        None => number::signed(text.bytes()),
    }
}

#[inline(always)]
fn positive(text: &Text<'_>) -> Result<u64, Misfit> {
    match eight_digits::unsigned(text.whole, text.from, text.to) {
        Some(value) => Ok(value),
        None => number::unsigned(text.bytes()),
    }
}

impl Builder {
    /// Appends this column of the rows until one does not fit; gives the number of those that did. What [`Builder::null`],
    /// [`Builder::text`] and [`Builder::epoch`] would do cell by cell.
    pub(crate) fn run(&mut self, run: &Run<'_>, column: usize) -> usize {
        let rows = run.ends.len() / run.columns.max(1);
        let (valid, ty) = (&mut self.valid, self.ty);
        match &mut self.values {
            Values::I8(v) => numbers!(run, column, valid, v, t => whole(&t)?.try_into().map_err(|_| RANGE)?),
            Values::I16(v) => numbers!(run, column, valid, v, t => whole(&t)?.try_into().map_err(|_| RANGE)?),
            Values::I32(v) => numbers!(run, column, valid, v, t => whole(&t)?.try_into().map_err(|_| RANGE)?),
            Values::U8(v) => numbers!(run, column, valid, v, t => positive(&t)?.try_into().map_err(|_| RANGE)?),
            Values::U16(v) => numbers!(run, column, valid, v, t => positive(&t)?.try_into().map_err(|_| RANGE)?),
            Values::U32(v) => numbers!(run, column, valid, v, t => positive(&t)?.try_into().map_err(|_| RANGE)?),
            Values::U64(v) => numbers!(run, column, valid, v, t => positive(&t)?),
            Values::F32(v) => {
                v.reserve(rows);
                numbers!(run, column, valid, v, t => match eight_digits::float(t.whole, t.from, t.to) {
                    Some(value) => value,
                    None => number::float(t.bytes())?,
                })
            }
            Values::F64(v) => {
                v.reserve(rows);
                numbers!(run, column, valid, v, t => match eight_digits::double(t.whole, t.from, t.to) {
                    Some(value) => value,
                    None => number::double(t.bytes())?,
                })
            }
            Values::I64(v) => {
                v.reserve(rows);
                match (ty, run.epoch) {
                    (Type::Timestamp(unit), None) => {
                        let times = &mut self.times;
                        numbers!(run, column, valid, v, t => times.parse_in(t.whole, t.from, t.to, unit)?)
                    }
                    (Type::Timestamp(unit), Some(given)) => numbers!(run, column, valid, v, t => {
                        let value = whole(&t)?;
                        if unit != given {
                            return Err("is an integer where a time is expected");
                        }
                        value
                    }),
                    _ => numbers!(run, column, valid, v, t => whole(&t)?),
                }
            }
            Values::Bytes { offsets, data } if matches!(ty, Type::String | Type::Json) => {
                offsets.reserve(rows);
                run.each(column, true, |text| {
                    if let Some(text) = &text {
                        if !run.valid && std::str::from_utf8(text.bytes()).is_err() {
                            return Err("is not valid UTF-8");
                        }
                        append(data, text);
                    }
                    offsets.push(data.len() as i32);
                    valid.push(text.is_some());
                    Ok(())
                })
            }
            Values::Bool(_) | Values::Decimal(_) | Values::Bytes { .. } => run.each(column, false, |text| match text {
                Some(text) => self.text(text.bytes()),
                None => {
                    self.null();
                    Ok(())
                }
            }),
        }
    }
}

/// Appends a text. Short ones in one move, with what follows them, which is then cut off.
#[inline(always)]
fn append(data: &mut Vec<u8>, text: &Text<'_>) {
    let len = text.to - text.from;
    match text.whole.get(text.from..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(chunk) if len <= 16 => {
            let end = data.len() + len;
            data.extend_from_slice(chunk);
            data.truncate(end);
        }
        _ => data.extend_from_slice(text.bytes()),
    }
}
