//! Rows that stand in JSON arrays, as rows of CSV: cells that CSV spells as JSON does are moved from one text into the
//! other, and no value is made of them in between.
//!
//! What the column's type allows is checked on the text itself ([`crate::json_cells`]). A cell that is spelled otherwise than
//! CSV would (`1e3`, `23.50`, an escape, a time of another unit) is asked of the caller, and so is one that is no value of
//! its type. What comes out is byte for byte what [`crate::format::create`] writes for the same values with a comma
//! between cells and nothing for NULL; property tests hold it to that.

use crate::json_cells::{self, Times};
use crate::pen::PAGE;
use crate::time::Unit;
use crate::types::Type;
use crate::window::{MOST, NO, SIZE, Window, put};

/// Bytes that must stand behind what a [`Copier`] reads; what they are does not matter.
pub const SLACK: usize = SIZE;

/// A column of the arrays.
#[derive(Clone, Debug)]
pub struct Column {
    /// The type of its values; `None`: all are for the caller.
    pub ty: Option<Type>,
    /// NULL is for the caller, too.
    pub required: bool,
    /// What stands in front of each of its cells: cells that are the same in all rows, with their commas.
    pub before: Vec<u8>,
}

/// Copies rows onto a page.
pub struct Copier {
    /// A page, and room for a window behind it.
    page: Vec<u8>,
    /// Bytes of whole rows on the page, and their number.
    written: usize,
    rows: u64,
    /// A row did not fit.
    full: bool,
    columns: Vec<Cells>,
    /// What stands behind the last cell, with a comma in front.
    after: Vec<u8>,
    scratch: Vec<u8>,
}

/// The cells of a column.
struct Cells {
    kind: Kind,
    /// Of integers.
    limits: (usize, bool),
    /// Of decimals.
    digits: (u8, i8),
    times: Times,
    /// What stands behind each: a comma, or the bracket.
    end: u8,
    /// The column's number.
    index: usize,
    required: bool,
    before: Vec<u8>,
    /// The text before, where it was one for the caller, and what came of it: tags come again and again.
    last: (Vec<u8>, Vec<u8>),
}

/// How they are copied.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Boolean,
    Integer,
    Single,
    Double,
    Time,
    Text,
    Decimal,
    Hexadecimal,
    Other,
}

/// Longer ones are not kept.
const LONGEST_LAST: usize = 1024;

impl Cells {
    fn new(column: Column, index: usize, end: u8) -> Cells {
        let (mut limits, mut digits, mut unit) = ((0, false), (0, 0), Unit::S);
        let mut integer = |most, signed| {
            limits = (most, signed);
            Kind::Integer
        };
        let kind = match column.ty {
            None => Kind::Other,
            Some(Type::Boolean) => Kind::Boolean,
            Some(Type::Byte) => integer(2, true),
            Some(Type::Short) => integer(4, true),
            Some(Type::Int) => integer(9, true),
            Some(Type::Long) => integer(18, true),
            Some(Type::UByte) => integer(2, false),
            Some(Type::UShort) => integer(4, false),
            Some(Type::UInt) => integer(9, false),
            Some(Type::ULong) => integer(19, false),
            Some(Type::Float) => Kind::Single,
            Some(Type::Double) => Kind::Double,
            Some(Type::Timestamp(of)) => {
                unit = of;
                Kind::Time
            }
            Some(Type::String) => Kind::Text,
            Some(Type::Decimal(precision, scale)) => {
                digits = (precision, scale);
                Kind::Decimal
            }
            Some(Type::Binary | Type::Geometry) => Kind::Hexadecimal,
            // Not a string, but JSON as it stands.
            Some(Type::Json) => Kind::Other,
        };
        let Column { required, before, .. } = column;
        let times = Times::new(unit);
        Cells { kind, limits, digits, times, end, index, required, before, last: (Vec::new(), Vec::new()) }
    }

    #[inline(always)]
    fn copy(&mut self, input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
        match self.kind {
            Kind::Boolean => json_cells::boolean(input, out, from, at),
            Kind::Integer => json_cells::integer(input, out, from, at, self.limits),
            Kind::Single => json_cells::single(input, out, from, at),
            Kind::Double => json_cells::double(input, out, from, at),
            Kind::Time => self.times.copy(input, out, from, at),
            Kind::Text => json_cells::text(input, out, from, at),
            Kind::Decimal => json_cells::decimal(input, out, from, at, self.digits),
            Kind::Hexadecimal => json_cells::hexadecimal(input, out, from, at),
            Kind::Other => json_cells::NONE,
        }
    }
}

impl Copier {
    /// For arrays of these columns. `after`: cells behind the last one that are the same in all rows, with a comma in
    /// front of each.
    pub fn new(columns: Vec<Column>, after: Vec<u8>) -> Copier {
        let last = columns.len().saturating_sub(1);
        let end = |index| if index == last { b']' } else { b',' };
        let columns = columns.into_iter().enumerate();
        let columns = columns.map(|(index, column)| Cells::new(column, index, end(index))).collect();
        Copier { page: vec![0; PAGE + SIZE], written: 0, rows: 0, full: false, columns, after, scratch: Vec::new() }
    }

    /// Adds the row that the first `len` bytes of `json` begin with, behind its bracket; gives the bytes up to behind the
    /// other bracket. [`SLACK`] more bytes must follow. A cell that needs a closer look is handed to `other` with the
    /// number of its column; it appends what CSV says of it, and gives the bytes that it took. `None`, with nothing
    /// added: the row is not there as a whole, is very long, `other` did not know either, or the page is full.
    pub fn row(
        &mut self,
        json: &[u8],
        len: usize,
        mut other: impl FnMut(usize, &[u8], &mut Vec<u8>) -> Option<usize>,
    ) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        let Copier { page, written, rows, columns, after, scratch, .. } = self;
        let input: &Window = json.first_chunk()?;
        let out: &mut Window = page.get_mut(*written..)?.first_chunk_mut()?;
        let (mut from, mut at) = (0, 0);
        for cells in columns.iter_mut() {
            if !cells.before.is_empty() {
                at = Some(put(out, at, &cells.before)).filter(|at| *at != NO)?;
            }
            let mut ends = cells.copy(input, out, from, at);
            if ends.0 == NO || input[ends.0 & MOST] != cells.end {
                ends = cells.otherwise(json.get(from..len)?, out, at, scratch, &mut other)?;
                ends.0 += from;
                if json.get(ends.0) != Some(&cells.end) {
                    return None;
                }
            }
            (from, at) = (ends.0 + 1, ends.1);
            out[at & MOST] = b',';
            at += 1;
        }
        if !after.is_empty() {
            at = put(out, at.checked_sub(1)?, after).checked_add(1)?;
        }
        if from > len.min(MOST) || at > MOST || from == 0 {
            return None;
        }
        out[(at - 1) & MOST] = b'\n';
        *written += at;
        *rows += 1;
        Some(from)
    }

    /// Adds a row that the caller wrote. False: the page is full.
    pub fn add(&mut self, row: &[u8]) -> bool {
        let room = self.page.get_mut(self.written..).and_then(|rest| rest.get_mut(..row.len()));
        self.full = room.is_none();
        if let Some(room) = room {
            room.copy_from_slice(row);
            self.written += row.len();
            self.rows += 1;
        }
        !self.full
    }

    /// Appends what stands in front of the cell of this number, or behind the last one, in a row that the caller writes.
    pub fn between(&self, index: usize, out: &mut Vec<u8>) {
        if let Some(cells) = self.columns.get(index) {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&cells.before);
        } else {
            out.extend_from_slice(&self.after);
            out.push(b'\n');
        }
    }

    /// Is there no room for another row?
    pub fn is_full(&self) -> bool {
        self.full || self.written >= PAGE
    }

    /// The number of rows on the page, and what it says.
    pub fn written(&self) -> (u64, &[u8]) {
        (self.rows, self.page.get(..self.written).unwrap_or_default())
    }

    /// An empty page.
    pub fn clear(&mut self) {
        (self.written, self.rows, self.full) = (0, 0, false);
    }
}

impl Cells {
    /// A cell that needs a closer look: its length, and where it ends in the output.
    #[inline(never)]
    fn otherwise(
        &mut self,
        json: &[u8],
        out: &mut Window,
        at: usize,
        scratch: &mut Vec<u8>,
        other: &mut impl FnMut(usize, &[u8], &mut Vec<u8>) -> Option<usize>,
    ) -> Option<(usize, usize)> {
        if json.starts_with(b"null") && !self.required {
            return Some((4, at));
        }
        let (last, csv) = &mut self.last;
        if !last.is_empty() && json.starts_with(last) {
            return Some((last.len(), Some(put(out, at, csv)).filter(|at| *at != NO)?));
        }
        scratch.clear();
        let taken = other(self.index, json, scratch)?;
        if self.kind == Kind::Text && json.first() == Some(&b'"') && taken <= LONGEST_LAST {
            last.clear();
            last.extend_from_slice(json.get(..taken)?);
            csv.clone_from(scratch);
        }
        Some((taken, Some(put(out, at, scratch)).filter(|at| *at != NO)?))
    }
}
