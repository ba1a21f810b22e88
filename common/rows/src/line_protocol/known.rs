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
        let line: Vec<u32> =
            columns.iter().map(|column| self.place(*column)).filter(|place| *place != NOWHERE).collect();
        if !line.is_sorted() && line.len() <= ORDERED {
            self.reorder(&line);
            all.start_anywhere();
        }
        let start = columns.first().map_or(NOWHERE, |column| self.place(*column));
        all.starts_at(series, start);
    }

    /// Gives the fields of a line, which stand at these places, its order. As few of them as possible are moved: each to
    /// behind the one before it in the line. So lines that leave out one or another field agree on one order in the end.
    fn reorder(&mut self, line: &[u32]) {
        let stay = longest_rise(line);
        let mut order: Vec<u32> = (0..).take(self.fields.len()).collect();
        let mut stay = stay.iter().peekable();
        let mut before: Option<u32> = None;
        for place in line {
            if stay.next_if_eq(&place).is_none()
                && let Some(at) = order.iter().position(|other| other == place)
            {
                order.remove(at);
                let behind = before.and_then(|before| order.iter().position(|other| *other == before));
                order.insert(behind.map_or(0, |at| at + 1), *place);
            }
            before = Some(*place);
        }
        let mut rank = vec![0; order.len()];
        for (at, place) in order.into_iter().enumerate() {
            if let Some(rank) = rank.get_mut(place as usize) {
                *rank = at;
            }
        }
        let mut ranks = rank.into_iter();
        self.fields.sort_by_cached_key(|_| ranks.next());
        self.number();
    }
}

/// A longest part of the list, in its order, that only rises.
fn longest_rise(list: &[u32]) -> Vec<u32> {
    // By length of a rise: where the one with the smallest end ends; and for each element the one before it.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    for (at, value) in list.iter().enumerate() {
        let length = ends.partition_point(|end| list.get(*end) < Some(value));
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut rise = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(at) = next {
        rise.extend(list.get(at));
        next = before.get(at).copied().flatten();
    }
    rise.reverse();
    rise
}

/// Fields of a line up to which its order is learnt.
const ORDERED: usize = 1024;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Column;
    use crate::time::Unit;

    #[test]
    fn rises_are_longest() {
        for (list, rise) in [
            (&[][..], &[][..]),
            (&[3], &[3]),
            (&[0, 4, 2, 5], &[0, 2, 5]),
            (&[5, 4, 3], &[3]),
            (&[2, 0, 1, 3, 9, 4, 5], &[0, 1, 3, 4, 5]),
        ] {
            assert_eq!(longest_rise(list), rise);
        }
    }

    /// Lines of one order that each lack some fields: after a few of them, none is unexpected.
    #[test]
    fn one_order_is_found() {
        let columns = (0..40).map(|i| format!("f{}|double", i * 17 % 40)).chain(["time|time".to_owned()]);
        let columns: Vec<Column> = columns.map(|column| column.parse().unwrap()).collect();
        let shape = Shape::given(columns, Unit::Ns).unwrap();
        let (mut expected, mut series) = (Expected::new(&shape), Series::new(0));
        let mut state = 1u32;
        let mut unexpected = 0;
        for _ in 0..500 {
            // Column c is field 17 c mod 40, so field f is column 33 f mod 40.
            let line: Vec<usize> = (0..40)
                .filter(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state >> 30 > 0
                })
                .map(|f| f * 33 % 40)
                .collect();
            if !line.is_sorted_by_key(|column| expected.place(*column)) {
                unexpected += 1;
                expected.learn(&line, 0, &mut series);
                assert!(line.is_sorted_by_key(|column| expected.place(*column)));
            }
        }
        assert!(unexpected < 40, "{unexpected}");
        let mut fields: Vec<usize> = expected.fields.iter().map(|field| field.column).collect();
        fields.sort_unstable();
        assert!(fields.into_iter().eq(0..40));
    }
}
