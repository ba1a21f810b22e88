//! Rows that stand in JSON arrays, as rows of CSV: cells that CSV spells as JSON does are moved from one text into the
//! other, and no value is made of them in between.
//!
//! What the column's type allows is checked on the text itself. A cell that is spelled otherwise than CSV would (`1e3`,
//! `23.50`, an escape, a time of another unit) is asked of the caller, and so is one that is no value of its type. What
//! comes out is byte for byte what [`crate::format::create`] writes for the same values with a comma between cells and
//! nothing for NULL; property tests hold it to that.

use crate::bytes16::{Sixteen, above_ascii, digits_and_points, in_json};
use crate::instant::Parser;
use crate::pen::{Page, Pen, page};
use crate::plain::{Plain, is_decimal, is_shortest_single, plain_start};
use crate::time::Unit;
use crate::types::Type;

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
    page: Box<Page>,
    /// Bytes of whole rows on the page, and their number.
    written: usize,
    rows: u64,
    /// The last row did not fit.
    full: bool,
    columns: Vec<(Column, Cells)>,
    /// What stands behind the last cell, with a comma in front.
    after: Vec<u8>,
    scratch: Vec<u8>,
}

/// How the cells of a column are copied.
enum Cells {
    Boolean,
    /// Of at most so many digits, which every value of the type has room for.
    Integer {
        digits: usize,
        signed: bool,
    },
    Single,
    Double,
    Time(Times),
    Text(Last),
    Decimal(u8, i8),
    Hexadecimal,
    Other,
}

/// The text before, where it was one for the caller: tags come again and again.
#[derive(Default)]
struct Last {
    json: Vec<u8>,
    csv: Vec<u8>,
}

/// Longer ones are not kept.
const LONGEST_LAST: usize = 1024;

impl Cells {
    fn of(ty: Option<Type>) -> Cells {
        let Some(ty) = ty else { return Cells::Other };
        let integer = |digits, signed| Cells::Integer { digits, signed };
        match ty {
            Type::Boolean => Cells::Boolean,
            Type::Byte => integer(2, true),
            Type::Short => integer(4, true),
            Type::Int => integer(9, true),
            Type::Long => integer(18, true),
            Type::UByte => integer(2, false),
            Type::UShort => integer(4, false),
            Type::UInt => integer(9, false),
            Type::ULong => integer(19, false),
            Type::Float => Cells::Single,
            Type::Double => Cells::Double,
            Type::Timestamp(unit) => Cells::Time(Times::new(unit)),
            Type::String => Cells::Text(Last::default()),
            Type::Decimal(precision, scale) => Cells::Decimal(precision, scale),
            Type::Binary | Type::Geometry => Cells::Hexadecimal,
            // Not a string, but JSON as it stands.
            Type::Json => Cells::Other,
        }
    }

    /// Copies the cell at `at`; gives where it ends. `None`: it needs a closer look, and what was written of it counts
    /// for nothing.
    #[inline(always)]
    fn copy(&mut self, pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
        match self {
            Cells::Boolean => boolean(pen, json, at),
            Cells::Integer { digits, signed } => integer(pen, json, at, *digits, *signed),
            Cells::Single => single(pen, json, at),
            Cells::Double => double(pen, json, at),
            Cells::Time(times) => times.copy(pen, json, at),
            Cells::Text(last) => {
                let start = pen.at();
                text(pen, json, at).or_else(|| {
                    pen.cut(start);
                    last.copy(pen, json, at)
                })
            }
            Cells::Decimal(precision, scale) => quoted(pen, json, at, |text| is_decimal(text, *precision, *scale)),
            Cells::Hexadecimal => quoted(pen, json, at, is_hexadecimal),
            Cells::Other => None,
        }
    }
}

impl Copier {
    /// For arrays of these columns. `after`: cells behind the last one that are the same in all rows, with a comma in
    /// front of each.
    pub fn new(columns: Vec<Column>, after: Vec<u8>) -> Copier {
        let columns = columns.into_iter().map(|column| (Cells::of(column.ty), column));
        let columns = columns.map(|(cells, column)| (column, cells)).collect();
        Copier { page: page(), written: 0, rows: 0, full: false, columns, after, scratch: Vec::new() }
    }

    /// Adds the row that `json` begins with, behind its bracket; gives the bytes up to behind the other bracket. A cell
    /// that needs a closer look is handed to `other` with the number of its column; it appends what CSV says of it,
    /// and gives the bytes that it took. `None`, with nothing added: the row is not there as a whole, `other` did not
    /// know either, or the page is full.
    pub fn row(
        &mut self,
        json: &[u8],
        mut other: impl FnMut(usize, &[u8], &mut Vec<u8>) -> Option<usize>,
    ) -> Option<usize> {
        let Copier { page, written, rows, full, columns, after, scratch } = self;
        let mut pen = Pen::new(page);
        pen.cut(*written);
        let mut at = 0;
        let last = columns.len().checked_sub(1)?;
        for (index, (column, cells)) in columns.iter_mut().enumerate() {
            if !column.before.is_empty() {
                pen.text(&column.before);
            }
            let start = pen.at();
            at = match cells.copy(&mut pen, json, at) {
                Some(end) => end,
                None => {
                    pen.cut(start);
                    let rest = json.get(at..)?;
                    if rest.starts_with(b"null") && !column.required {
                        at + 4
                    } else {
                        scratch.clear();
                        let taken = other(index, rest, scratch)?;
                        pen.text(scratch);
                        if let Cells::Text(last) = cells {
                            last.keep(rest.get(..taken)?, scratch);
                        }
                        at + taken
                    }
                }
            };
            if json.get(at) != Some(if index == last { &b']' } else { &b',' }) {
                return None;
            }
            at += 1;
            pen.byte(b',');
        }
        if !after.is_empty() {
            pen.cut(pen.at() - 1);
            pen.text(after);
            pen.byte(b',');
        }
        *full = pen.full();
        if *full {
            return None;
        }
        pen.replace(pen.at() - 1, b'\n');
        *written = pen.at();
        *rows += 1;
        Some(at)
    }

    /// Adds a row that the caller wrote. False: the page is full.
    pub fn add(&mut self, row: &[u8]) -> bool {
        let mut pen = Pen::new(&mut self.page);
        pen.cut(self.written);
        pen.text(row);
        self.full = pen.full();
        if !self.full {
            self.written = pen.at();
            self.rows += 1;
        }
        !self.full
    }

    /// Appends what stands in front of the cell of this number, or behind the last one, in a row that the caller writes.
    pub fn between(&self, index: usize, out: &mut Vec<u8>) {
        if let Some((column, _)) = self.columns.get(index) {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&column.before);
        } else {
            out.extend_from_slice(&self.after);
            out.push(b'\n');
        }
    }

    /// Did the last row not fit on the page?
    pub fn is_full(&self) -> bool {
        self.full
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

#[inline(always)]
fn load(json: &[u8], at: usize) -> Option<&Sixteen> {
    json.get(at..)?.first_chunk()
}

#[inline(always)]
fn boolean(pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
    let rest = json.get(at..)?;
    if rest.starts_with(b"true") {
        pen.put(b"true", 4);
        return Some(at + 4);
    }
    rest.starts_with(b"false").then(|| {
        pen.put(b"false", 5);
        at + 5
    })
}

#[inline(always)]
fn integer(pen: &mut Pen<'_>, json: &[u8], at: usize, most: usize, signed: bool) -> Option<usize> {
    let chunk = load(json, at)?;
    let sign = u32::from(chunk[0] == b'-');
    let mut len = (!(digits_and_points(chunk).0 | sign)).trailing_zeros() as usize;
    let sign = sign as usize;
    if sign > usize::from(signed) || len <= sign || (chunk[sign] == b'0' && len > 1) {
        return None;
    }
    pen.put(chunk, len.min(16));
    if len >= 16 {
        let more = load(json, at + 16)?;
        len = 16 + (!digits_and_points(more).0).trailing_zeros() as usize;
        pen.put(more, len - 16);
    }
    (len - sign <= most).then_some(at + len)
}

/// A plain number is spelled as its nearest float is if no shorter text has the same nearest float, or another of its
/// length that is closer to it; if it has no zeros at its end; and if it is not so small that an exponent is shorter.
#[inline(always)]
fn float(pen: &mut Pen<'_>, chunk: &Sixteen, number: Plain, len: usize) -> Option<()> {
    match number.fraction {
        0 => {
            pen.put(chunk, len);
            pen.put(b".0", 2);
            return Some(());
        }
        1 => {}
        _ if chunk[len - 1] == b'0' => return None,
        // Below 10^-4.
        5.. if chunk[number.sign..].starts_with(b"0.0000") => return None,
        _ => {}
    }
    pen.put(chunk, len);
    Some(())
}

#[inline(always)]
fn single(pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
    let chunk = load(json, at)?;
    let (number, len) = plain_start(chunk)?;
    if !is_shortest_single(number, chunk, len) {
        return None;
    }
    float(pen, chunk, number, len)?;
    Some(at + len)
}

#[inline(always)]
fn double(pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
    let chunk = load(json, at)?;
    // At most fifteen digits: of all texts that are as short no two have the same nearest double.
    let (number, len) = plain_start(chunk)?;
    float(pen, chunk, number, len)?;
    Some(at + len)
}

/// A text that CSV need not quote.
#[inline(always)]
fn text(pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let start = at + 1;
    let mut chunk = load(json, start)?;
    if chunk[0] == b'#' {
        return None;
    }
    let (mut from, mut high) = (start, false);
    let end = loop {
        let (quotes, special) = in_json(chunk);
        // Before the first quote, or all of them.
        let special = special & (quotes & quotes.wrapping_neg()).wrapping_sub(1);
        if special != 0 {
            if special & !above_ascii(chunk) != 0 {
                return None;
            }
            high = true;
        }
        if quotes != 0 {
            let len = quotes.trailing_zeros() as usize;
            pen.put(chunk, len);
            break from + len;
        }
        pen.put(chunk, 16);
        from += 16;
        chunk = load(json, from)?;
    };
    if end == start {
        pen.put(b"\"\"", 2);
    }
    if high {
        std::str::from_utf8(json.get(start..end)?).ok()?;
    }
    Some(end + 1)
}

impl Last {
    #[inline(never)]
    fn copy(&self, pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
        if self.json.is_empty() || !json.get(at..)?.starts_with(&self.json) {
            return None;
        }
        pen.text(&self.csv);
        Some(at + self.json.len())
    }

    fn keep(&mut self, json: &[u8], csv: &[u8]) {
        self.json.clear();
        self.csv.clear();
        if json.starts_with(b"\"") && json.len() <= LONGEST_LAST {
            self.json.extend_from_slice(json);
            self.csv.extend_from_slice(csv);
        }
    }
}

/// A string without escapes that is as it should be, without its quotes.
#[inline(never)]
fn quoted(pen: &mut Pen<'_>, json: &[u8], at: usize, good: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let text = json.get(at..)?.strip_prefix(b"\"")?;
    let text = text.get(..memchr::memchr(b'"', text)?)?;
    if !good(text) {
        return None;
    }
    pen.text(if text.is_empty() { b"\"\"" } else { text });
    Some(at + text.len() + 2)
}

/// Whole bytes in lower case.
fn is_hexadecimal(text: &[u8]) -> bool {
    text.len().is_multiple_of(2) && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where the bits of a digit carry to.
const CARRIED: u128 = u128::from_le_bytes([0x10; 16]);

/// Times of one unit as RFC 3339 in UTC, `"2024-01-01T00:00:00.000Z"`, with all of the unit's digits.
struct Times {
    unit: Unit,
    /// `2024-01-01T00:00`, of the row before: a date, and all of that minute is within the unit's range.
    minute: Sixteen,
    /// What stands behind it, `:00.000Z"`: the bits that are given, what they are, the other bits of the digits, and what
    /// added to those carries if they are above 9, or 5.
    given: u128,
    tail: u128,
    digits: u128,
    carry: u128,
    /// Bytes of the tail without the quote.
    len: usize,
}

impl Times {
    fn new(unit: Unit) -> Times {
        let digits = unit.digits();
        let mut times = Times { unit, minute: [0; 16], given: 0, tail: 0, digits: 0, carry: 0, len: digits + 5 };
        let mut tail = b":50.".to_vec();
        tail.extend(std::iter::repeat_n(b'9', digits));
        tail.extend_from_slice(b"Z\"");
        for (at, byte) in tail.iter().enumerate() {
            let (given, carry): (u128, u128) = match byte {
                b'0' | b'9' => (0xF0, 6),
                b'5' => (0xF0, 10),
                _ => (0xFF, 0),
            };
            times.given |= given << (8 * at);
            times.tail |= (u128::from(*byte) & given) << (8 * at);
            times.digits |= (0xFF ^ given) << (8 * at);
            times.carry |= carry << (8 * at);
        }
        times
    }

    #[inline(always)]
    fn copy(&mut self, pen: &mut Pen<'_>, json: &[u8], at: usize) -> Option<usize> {
        let all = json.get(at..)?.first_chunk::<33>()?;
        let (head, tail) = (all[1..].first_chunk::<16>()?, all[17..].first_chunk::<16>()?);
        let bits = u128::from_le_bytes(*tail);
        if all[0] != b'"' || (bits & self.given) ^ self.tail | ((bits & self.digits) + self.carry) & CARRIED != 0 {
            return None;
        }
        if *head != self.minute && !self.learn(head) {
            return None;
        }
        pen.put(head, 16);
        pen.put(tail, self.len);
        Some(at + self.len + 18)
    }

    #[inline(never)]
    fn learn(&mut self, head: &Sixteen) -> bool {
        let mut whole = *b"YYYY-MM-DDTHH:MM:00Z";
        whole[..16].copy_from_slice(head);
        // Years as they have been for a while: whoever knows the others better may look at them.
        let usual = matches!(head[0], b'1'..=b'9') && head[10] == b'T';
        let Ok(start) = Parser::default().parse(&whole, Unit::S) else { return false };
        let within = |second: i64| second.checked_mul(self.unit.per_second()).is_some();
        let good = usual && within(start - 60) && within(start + 60);
        if good {
            self.minute = *head;
        }
        good
    }
}
