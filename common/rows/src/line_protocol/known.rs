//! Lines of a series that was met before, with the fields that are expected: read without the parser.
//!
//! Whatever is unexpected or spelled in an unusual way is left to the parser, which also has the words for what is wrong.

use super::append::{Rows, pad};
use super::series::Series;
use super::shape::Shape;
use crate::types::Type;
use lp::{FieldValue, Key, Kind, Lines, RawValue, plain};

/// The fields that lines have, in the order in which they have them.
pub(super) struct Expected {
    fields: Vec<Field>,
    /// By column: its place in `fields`.
    place: Vec<u32>,
}

struct Field {
    key: Key,
    column: usize,
    ty: Type,
}

const NOWHERE: u32 = u32::MAX;

impl Expected {
    /// In the order of the columns: that in which they were met.
    pub fn new(shape: &Shape) -> Expected {
        let field = |column: usize| {
            let key = Key::new(shape.field_key(column)?)?;
            Some(Field { key, column, ty: shape.columns.get(column)?.ty })
        };
        let mut expected = Expected { fields: (0..shape.columns.len()).filter_map(field).collect(), place: Vec::new() };
        expected.place = vec![NOWHERE; shape.columns.len()];
        expected.number();
        expected
    }

    fn number(&mut self) {
        for (at, field) in (0..).zip(&self.fields) {
            if let Some(place) = self.place.get_mut(field.column) {
                *place = at;
            }
        }
    }

    fn place(&self, column: usize) -> u32 {
        self.place.get(column).copied().unwrap_or(NOWHERE)
    }

    /// A line that was not expected had fields in these columns: the next one like it will be.
    pub fn learn(&mut self, columns: &[usize], series: u32, all: &mut Series) {
        let plain = |column: &&usize| self.place(**column) != NOWHERE;
        if !columns.iter().filter(plain).is_sorted_by_key(|column| self.place(*column)) {
            // These in their order, then the others in theirs. Both sorts keep what they do not change.
            let turn = |column: usize| columns.iter().position(|c| *c == column).unwrap_or(usize::MAX);
            if columns.len() <= ORDERED {
                self.fields.sort_by_cached_key(|field| turn(field.column));
                self.number();
                all.start_anywhere();
            }
        }
        let start = columns.first().map_or(NOWHERE, |column| self.place(*column));
        all.starts_at(series, start);
    }
}

/// Fields of a line up to which its order is learnt.
const ORDERED: usize = 256;

impl Rows {
    /// Appends the next line if it is a known one; `lines` then stands after it. If not, nothing has changed.
    #[inline]
    pub fn append_known(&mut self, lines: &mut Lines<'_>) -> bool {
        let rest = lines.rest();
        let Some((number, fact, fields)) = self.series.find(rest) else { return false };
        let row = self.series.rows();
        match self.known(rest, fields, fact.start as usize, row) {
            Some((end, next)) => {
                self.end_row(number, end);
                lines.pass(next);
                true
            }
            None => {
                self.take_back(row);
                false
            }
        }
    }

    /// Puts the fields that start at `at`, and the time; gives where the line ends and where the next one starts. Not a part
    /// of its caller, whose values would take its registers.
    #[inline(never)]
    fn known(&mut self, rest: &[u8], mut at: usize, mut place: usize, row: usize) -> Option<(usize, usize)> {
        loop {
            let expected = self.expected.fields.get(place..)?;
            let skip = expected.iter().position(|field| field.key.stands_at(rest, at))?;
            let Field { key, column, ty } = expected.get(skip)?;
            place += skip + 1;
            at += key.len();
            let (value, end) = plain::value(rest, at)?;
            let (column, ty) = (*column, *ty);
            let builder = self.builders.get_mut(column)?;
            if builder.len() != row {
                pad(builder, row);
            }
            match (value, ty) {
                (FieldValue::Float(v), Type::Double) => builder.real(v).ok()?,
                (FieldValue::Int(v), Type::Long) => builder.signed(v).ok()?,
                (FieldValue::UInt(v), Type::ULong) => builder.unsigned(v).ok()?,
                (FieldValue::Bool(v), Type::Boolean) => builder.boolean(v).ok()?,
                (FieldValue::Str(text), Type::String) if memchr::memchr(b'\\', text).is_none() => {
                    std::str::from_utf8(text).ok()?;
                    builder.raw(text).ok()?;
                }
                _ => self.field(column, row, raw(value, rest.get(at..end)?)).ok()?,
            }
            at = end + 1;
            if *rest.get(end)? == b' ' {
                break;
            }
        }
        let (time, end, next) = plain::time(rest, at)?;
        let time = self.in_unit(time).ok()?;
        self.builders.get_mut(self.time_column)?.signed(time).ok()?;
        Some((end, next))
    }
}

/// A value as the parser gives it, from what stands in the line.
fn raw<'a>(value: FieldValue<'a>, written: &'a [u8]) -> RawValue<'a> {
    let without_suffix = written.split_last().map_or(written, |(_, text)| text);
    match value {
        FieldValue::Float(_) => RawValue { kind: Kind::Float, text: written },
        FieldValue::Int(_) => RawValue { kind: Kind::Int, text: without_suffix },
        FieldValue::UInt(_) => RawValue { kind: Kind::UInt, text: without_suffix },
        FieldValue::Bool(_) => RawValue { kind: Kind::Bool, text: written },
        FieldValue::Str(text) => RawValue { kind: Kind::Str, text },
    }
}
