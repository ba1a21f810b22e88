//! One row of the index into one line, by moves of text. Whatever is unusual about a row is left to the long way: here a
//! row is done completely and exactly as there, or not at all.

use super::plan::{Clock, Measurement, Part, TextPlan};
use super::room::{Desk, MOST, NO, Room, Window};
use super::value;
use crate::bytes16::Sixteen;
use crate::csv_index::{Row, cell};
use crate::csv_rows::Grammar;
use crate::csv_split::Form;
use crate::instant::Parser;
use crate::number;
use crate::types::Type;
use lp::{Dialect, escape};

/// A block of rows, with slack behind it.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub bytes: &'a [u8],
    /// All of it is valid UTF-8, so each cell is.
    pub utf8: bool,
}

/// What rows are told by.
pub(super) struct Rules {
    pub grammar: Grammar,
    pub dialect: Dialect,
}

/// Appends the lines of rows up to one that must go the long way, which is given back, or up to the last. Gives also the
/// number of lines. `SIMPLE`: a cell is what stands between two separators, and NULL if that is nothing; there are no
/// quotes, no CR, no other text for NULL.
#[inline(never)]
pub(super) fn encode<'a, const SIMPLE: bool>(
    plan: &mut TextPlan,
    rules: &Rules,
    text: Text<'_>,
    rows: &mut impl Iterator<Item = Row<'a>>,
    room: &mut Room,
) -> (u64, Option<Row<'a>>) {
    let mut lines = 0;
    for row in rows {
        if !encode_row::<SIMPLE>(plan, rules, text, row, room) {
            return (lines, Some(row));
        }
        lines += 1;
    }
    (lines, None)
}

/// Appends the line of a row, or says no and appends nothing.
#[inline(always)]
fn encode_row<const SIMPLE: bool>(
    plan: &mut TextPlan,
    rules: &Rules,
    text: Text<'_>,
    row: Row<'_>,
    room: &mut Room,
) -> bool {
    let input: Option<&Window> = text.bytes.get(row.start..).and_then(|rest| rest.first_chunk());
    let (Some(input), Some(out)) = (input, room.window()) else { return false };
    if row.bounds.len() != plan.columns + 1 || row.end - row.start > MOST || input[0] == b'#' {
        return false;
    }
    let mut desk = Desk { input, out, utf8: text.utf8, escaped: false };
    let cells = Cells::<SIMPLE> { bounds: row.bounds, base: row.start as u32, rules };
    let len = line(plan, &cells, &mut desk);
    if len > MOST {
        return false;
    }
    for (column, ty) in &plan.unused {
        if !cells.is_valid(&mut desk, *column, *ty) {
            return false;
        }
    }
    if !text.utf8 && !plan.unused_texts.iter().all(|(column, ty)| cells.is_valid(&mut desk, *column, *ty)) {
        return false;
    }
    room.keep(len);
    true
}

/// The line with its line feed; gives its length.
#[inline(always)]
fn line<const SIMPLE: bool>(plan: &mut TextPlan, cells: &Cells<'_, SIMPLE>, desk: &mut Desk<'_>) -> usize {
    let mut at = match &plan.measurement {
        Measurement::Constant(name) if name.long.is_empty() => name.put(desk, 0),
        Measurement::Constant(name) => desk.put(0, &name.long),
        Measurement::Column(column) => match cells.get(desk, *column, true) {
            Some((start, len)) => value::measurement(desk, start, len),
            None => NO,
        },
    };
    if at > MOST {
        return NO;
    }
    for tag in &mut plan.tags {
        at = cells.part(tag, desk, at);
        if at > MOST {
            return NO;
        }
    }
    if !escape::key_fits(cells.rules.dialect, at, plan.longest_key) {
        return NO;
    }
    let fields = at;
    for field in &mut plan.fields {
        at = cells.part(field, desk, at);
        if at > MOST {
            return NO;
        }
    }
    if at == fields {
        return NO;
    }
    desk.byte(fields, b' ');
    at = desk.byte(at, b' ');
    let Some((start, len)) = cells.get(desk, plan.time, false) else { return NO };
    at = match &mut plan.times {
        Clock::Rfc3339(times) => times.copy(desk, start, len, at),
        Clock::Epoch { zeros } => value::epoch(desk, start, len, at, *zeros),
        Clock::Other => NO,
    };
    if at > MOST {
        return NO;
    }
    desk.byte(at, b'\n')
}

struct Cells<'a, const SIMPLE: bool> {
    bounds: &'a [u32],
    base: u32,
    rules: &'a Rules,
}

impl<const SIMPLE: bool> Cells<'_, SIMPLE> {
    /// Where the text of a cell begins in the window, and its length; `None` for NULL. `text`: a column of texts.
    #[inline(always)]
    fn get(&self, desk: &mut Desk<'_>, column: usize, text: bool) -> Option<(usize, usize)> {
        let (before, behind) = (self.bounds.get(column)?, self.bounds.get(column + 1)?);
        let start = before.wrapping_add(1).wrapping_sub(self.base) as usize;
        let end = behind.wrapping_sub(self.base) as usize;
        if SIMPLE {
            return if start == end { None } else { Some((start, end.wrapping_sub(start))) };
        }
        let cell = cell(desk.input, start, end);
        let len = cell.end.saturating_sub(cell.start);
        desk.escaped = cell.form == Form::Escaped;
        let null = cell.form == Form::Bare
            && match &self.rules.grammar.null {
                None => len == 0,
                Some(null) => desk.text(cell.start, len) == null.as_slice() || (len == 0 && !text),
            };
        if null { None } else { Some((cell.start, len)) }
    }

    /// A tag or a field with its key; nothing for NULL.
    #[inline(always)]
    fn part(&self, part: &mut Part, desk: &mut Desk<'_>, at: usize) -> usize {
        match self.get(desk, part.column, part.text) {
            Some((start, len)) => (part.put)(part, desk, start, len, at),
            None => at,
        }
    }

    /// Would the long way take this text, which goes into no line?
    #[inline(always)]
    fn is_valid(&self, desk: &mut Desk<'_>, column: usize, ty: Type) -> bool {
        let texts = matches!(ty, Type::String | Type::Json);
        let Some((start, len)) = self.get(desk, column, texts) else { return true };
        match ty {
            Type::String | Type::Json => desk.utf8 || std::str::from_utf8(desk.text(start, len)).is_ok(),
            _ if desk.escaped => false,
            _ => is_value(desk.text(start, len), ty, &self.rules.grammar),
        }
    }
}

/// Is this the text of a value of this type?
#[inline(never)]
fn is_value(text: &[u8], ty: Type, grammar: &Grammar) -> bool {
    match ty {
        Type::String | Type::Json => std::str::from_utf8(text).is_ok(),
        Type::Double => number::double(text).is_ok(),
        Type::Float => number::float(text).is_ok(),
        Type::Boolean => number::boolean(text).is_ok(),
        Type::Byte => number::signed(text).is_ok_and(|v| i8::try_from(v).is_ok()),
        Type::Short => number::signed(text).is_ok_and(|v| i16::try_from(v).is_ok()),
        Type::Int => number::signed(text).is_ok_and(|v| i32::try_from(v).is_ok()),
        Type::Long => number::signed(text).is_ok(),
        Type::UByte => number::unsigned(text).is_ok_and(|v| u8::try_from(v).is_ok()),
        Type::UShort => number::unsigned(text).is_ok_and(|v| u16::try_from(v).is_ok()),
        Type::UInt => number::unsigned(text).is_ok_and(|v| u32::try_from(v).is_ok()),
        Type::ULong => number::unsigned(text).is_ok(),
        Type::Decimal(precision, scale) => number::decimal(text, precision, scale).is_ok(),
        Type::Binary | Type::Geometry => text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit),
        Type::Timestamp(unit) => match grammar.epoch {
            Some(epoch) => epoch == unit && number::signed(text).is_ok(),
            None => Parser::default().parse(text, unit).is_ok(),
        },
    }
}

/// The first eight of sixteen bytes.
#[inline(always)]
pub(super) fn first_eight(chunk: &Sixteen) -> u64 {
    u128::from_le_bytes(*chunk) as u64
}
