//! One cell into a line, with its key. Each function stores what the line holds of the cell at `at` and gives where it
//! ends; or gives [`NO`], and the row goes the long way.
//!
//! None of them is inlined: each alone keeps its few values in registers, all together in one function do not (measured:
//! 1,280 instructions a row of sensors against 640).

use super::plan::{Clock, Part, Whole};
use super::room::{Desk, NO};
use super::row::first_eight;
use crate::bytes16::{above_ascii, in_names, in_strings};
use crate::number;
use crate::plain::{first, integer, is_decimal, is_shortest_single, long_plain, plain};
use crate::types::Type;
use lp::write;

/// Longer tags go the long way.
pub(super) const LONGEST_NAME: usize = 4096;

#[inline(never)]
pub(super) fn double(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = part.prefix.put(desk, at);
    let chunk = desk.load(start);
    if len <= 16 && plain(&chunk, len).is_some() {
        return desk.sixteen(at, &chunk, len);
    }
    long_double(desk, start, len, at)
}

#[inline(never)]
fn long_double(desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let (head, tail) = (desk.load(start), desk.load(start + 16));
    if len > 16 && long_plain(&head, &tail, len).is_some() {
        let middle = desk.sixteen(at, &head, 16);
        return desk.sixteen(middle, &tail, len - 16);
    }
    parsed_double(desk, start, len, at)
}

/// A number that is not plain, printed as the long way prints it.
#[inline(never)]
fn parsed_double(desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let mut out = Vec::with_capacity(32);
    match number::double(desk.text(start, len)).map(|value| write::float(&mut out, value)) {
        Ok(Ok(())) => desk.put(at, &out),
        _ => NO,
    }
}

#[inline(never)]
pub(super) fn single(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = part.prefix.put(desk, at);
    let chunk = desk.load(start);
    if len <= 16
        && let Some(number) = plain(&chunk, len)
        && is_shortest_single(number, &chunk, len)
    {
        return desk.sixteen(at, &chunk, len);
    }
    parsed_single(desk, start, len, at)
}

#[inline(never)]
fn parsed_single(desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let mut out = Vec::with_capacity(32);
    match number::float(desk.text(start, len)).map(|value| write::float32(&mut out, value)) {
        Ok(Ok(())) => desk.put(at, &out),
        _ => NO,
    }
}

#[inline(never)]
pub(super) fn whole(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = part.prefix.put(desk, at);
    integer_of(desk, start, len, at, &part.form.whole)
}

#[inline(always)]
fn integer_of(desk: &mut Desk<'_>, start: usize, len: usize, at: usize, whole: &Whole) -> usize {
    let chunk = desk.load(start);
    if len <= 16
        && let Some(sign) = integer(&chunk, len)
        && len <= whole.digits + sign
        && sign <= whole.signs
    {
        let end = desk.sixteen(at, &chunk, len);
        desk.byte(end, whole.suffix);
        return end + whole.suffix_len;
    }
    parsed_whole(desk, start, len, at, whole)
}

/// An integer that is long, or not as it is printed. No if it is none of this type, or none that fits where it goes.
#[inline(never)]
fn parsed_whole(desk: &mut Desk<'_>, start: usize, len: usize, at: usize, whole: &Whole) -> usize {
    let text = desk.text(start, len);
    let mut buffer = itoa::Buffer::new();
    let (fits, digits) = if whole.signs > 0 {
        let Ok(value) = number::signed(text) else { return NO };
        let fits = match whole.ty {
            Type::Byte => i8::try_from(value).is_ok(),
            Type::Short => i16::try_from(value).is_ok(),
            Type::Int => i32::try_from(value).is_ok(),
            _ => true,
        };
        (fits, buffer.format(value))
    } else {
        let Ok(value) = number::unsigned(text) else { return NO };
        let fits = match whole.ty {
            Type::UByte => u8::try_from(value).is_ok(),
            Type::UShort => u16::try_from(value).is_ok(),
            Type::UInt => u32::try_from(value).is_ok(),
            _ => whole.suffix != b'i' || i64::try_from(value).is_ok(),
        };
        (fits, buffer.format(value))
    };
    match desk.put(at, digits.as_bytes()) {
        end if fits && end != NO => {
            desk.byte(end, whole.suffix);
            end + whole.suffix_len
        }
        _ => NO,
    }
}

#[inline(never)]
pub(super) fn boolean(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = part.prefix.put(desk, at);
    let chunk = desk.load(start);
    let text = first_eight(&chunk);
    if (len == 4 && text as u32 == u32::from_le_bytes(*b"true"))
        || (len == 5 && text & 0xff_ffff_ffff == u64::from_le_bytes(*b"false\0\0\0"))
    {
        return desk.sixteen(at, &chunk, len);
    }
    match number::boolean(desk.text(start, len)) {
        Ok(value) => desk.put(at, if value { b"true" } else { b"false" }),
        Err(_) => NO,
    }
}

#[inline(never)]
pub(super) fn hex(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let lower = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    // An empty tag is none; an empty string is one.
    let empty = len == 0 && !part.form.quotes;
    if empty || !desk.text(start, len).iter().all(lower) || !len.is_multiple_of(2) || len > part.form.longest {
        return NO;
    }
    quoted(part, desk, start, len, at)
}

#[inline(never)]
pub(super) fn decimal(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let (text, decimal) = (desk.text(start, len), &part.form.decimal);
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if desk.escaped || digits > decimal.digits || !is_decimal(text, decimal.precision, decimal.scale) {
        return NO;
    }
    quoted(part, desk, start, len, at)
}

fn quoted(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = part.prefix.put(desk, at);
    let at = if part.form.quotes { desk.byte(at, b'"') } else { at };
    let chunk = desk.load(start);
    let at = desk.copy(at, &chunk, start, len);
    if part.form.quotes { desk.byte(at, b'"') } else { at }
}

/// A time that is no key: an integer of its unit.
#[inline(never)]
pub(super) fn moment(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    const LONG: Whole = Whole::new(Type::Long, b'i');
    let at = part.prefix.put(desk, at);
    match &mut part.form.clock {
        Clock::Rfc3339(times) => match times.copy(desk, start, len, at) {
            NO => NO,
            at => desk.byte(at, b'i'),
        },
        Clock::Epoch { .. } => integer_of(desk, start, len, at, &LONG),
        Clock::Other => NO,
    }
}

/// A cell whose key is longer than two moves.
#[inline(never)]
pub(super) fn behind_long_prefix(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = desk.put(at, &part.prefix.long);
    (part.form.behind)(part, desk, start, len, at)
}

/// A column of which only NULL goes this way.
pub(super) fn other(_: &mut Part, _: &mut Desk<'_>, _: usize, _: usize, _: usize) -> usize {
    NO
}

/// The time of a line that is an integer in the input too; zeros make it one of a finer unit.
#[inline(never)]
pub(super) fn epoch(desk: &mut Desk<'_>, start: usize, len: usize, at: usize, zeros: usize) -> usize {
    let chunk = desk.load(start);
    // Nineteen digits, of which the first is no 9, are within the range of every dialect.
    let in_range = len + zeros < 19 || (len + zeros == 19 && chunk[0] != b'9');
    if len <= 16 && in_range && chunk[0] != b'0' && integer(&chunk, len) == Some(0) {
        let end = desk.sixteen(at, &chunk, len);
        return desk.sixteen(end, &[b'0'; 16], zeros);
    }
    NO
}

/// How many of the next sixteen bytes are before `end`, and their bits.
#[inline(always)]
fn within(at: usize, end: usize) -> (usize, u32) {
    let count = (end - at).min(16);
    (count, first(count))
}

/// A tag.
#[inline(never)]
pub(super) fn name(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    let at = part.prefix.put(desk, at);
    let chunk = desk.load(start);
    let (separators, careful) = in_names(&chunk);
    // Nothing at all, and a cell with quotes in it, are looked at below.
    let plain = (separators | careful) & first(len) == 0 && len <= 16 && len > 0 && desk.utf8 && !desk.escaped;
    if plain { desk.sixteen(at, &chunk, len) } else { long_name(desk, start, len, at, true) }
}

/// A measurement.
pub(super) fn measurement(desk: &mut Desk<'_>, start: usize, len: usize) -> usize {
    // A leading # would make the line a comment.
    if desk.load(start)[0] == b'#' { NO } else { long_name(desk, start, len, 0, false) }
}

/// A tag value (`tag`) or a measurement: separators get a backslash, anything else that is special goes the long way.
#[inline(never)]
fn long_name(desk: &mut Desk<'_>, start: usize, len: usize, at: usize, tag: bool) -> usize {
    let (mut from, end, mut at) = (start, start + len, at);
    if len == 0 || len > LONGEST_NAME {
        return NO;
    }
    loop {
        let chunk = desk.load(from);
        let (count, bits) = within(from, end);
        let (separators, careful) = in_names(&chunk);
        if careful & bits != 0 || (!desk.utf8 && above_ascii(&chunk) & bits != 0) {
            return NO;
        }
        // A quote is plain in a name, but stands twice in the cell. (A backslash was told above.)
        let quotes = if desk.escaped { in_strings(&chunk).0 } else { 0 };
        let special = (separators | quotes) & bits;
        if special == 0 {
            at = desk.sixteen(at, &chunk, count);
            from += count;
        } else {
            let before = special.trailing_zeros() as usize & 15;
            at = desk.sixteen(at, &chunk, before);
            let quote = chunk[before] == b'"';
            if !quote && (tag || chunk[before] != b'=') {
                at = desk.byte(at, b'\\');
            }
            at = desk.byte(at, chunk[before]);
            from += before + 1 + usize::from(quote);
        }
        if from >= end {
            return at;
        }
    }
}

/// A string with its quotes: quotes and backslashes get a backslash.
#[inline(never)]
pub(super) fn string(part: &mut Part, desk: &mut Desk<'_>, start: usize, len: usize, at: usize) -> usize {
    if len > part.form.longest {
        return NO;
    }
    let at = part.prefix.put(desk, at);
    let (mut from, end) = (start, start + len);
    let mut at = desk.byte(at, b'"');
    while from < end {
        let chunk = desk.load(from);
        let (count, bits) = within(from, end);
        let (special, line_feeds) = in_strings(&chunk);
        if (!part.form.raw_line_feeds && line_feeds & bits != 0) || (!desk.utf8 && above_ascii(&chunk) & bits != 0) {
            return NO;
        }
        if special & bits == 0 {
            at = desk.sixteen(at, &chunk, count);
            from += count;
            continue;
        }
        let before = special.trailing_zeros() as usize & 15;
        at = desk.sixteen(at, &chunk, before);
        at = desk.byte(at, b'\\');
        at = desk.byte(at, chunk[before]);
        // In a quoted cell a quote stands twice.
        from += before + 1 + usize::from(chunk[before] == b'"' && desk.escaped);
    }
    desk.byte(at, b'"')
}
