//! The quick way from columns to lines, for rows that need no policy: every value has a place in a line as it is. A row
//! that is not surely such a one is left to the careful way ([`super::encode`]), which alone knows repairs and reasons;
//! both write the same bytes for a row that both can write.

use super::cell;
use super::dictionary::Rendered;
use super::options::{EncodeOptions, Newline, UintAs};
use super::plan::{Name, Plan};
use super::repair::RepairSet;
use crate::cells::{Cells, Values};
use crate::pen::{Page, Pen, page};
use crate::short_text::Short;
use crate::shortest::Decimals;
use crate::time::Unit;
use arrow_array::StringArray;
use lp::{Element, escape, write};
use std::ops::Range;

/// Bytes of a line, at most: with less than 64 KiB it is below all limits on names and strings.
const LINE: usize = 60 << 10;

/// Writes the plain rows of one stream.
pub(super) struct Quick {
    page: Box<Page>,
    /// Bytes of whole lines on the page.
    written: usize,
    lines: Lines,
}

/// What is kept from batch to batch.
struct Lines {
    measurement: Option<Prefix>,
    tags: Vec<Part>,
    fields: Vec<Part>,
    time: Time,
    /// Bytes of the longest series for which every field key fits.
    series: usize,
    has_unsigned: bool,
    scratch: Vec<u8>,
}

/// A tag or a field.
struct Part {
    prefix: Prefix,
    decimals: Decimals,
}

/// The columns of a batch, in the order of the line.
struct Batch<'a> {
    measurement: Option<&'a Cells<'a>>,
    tags: Vec<(&'a Cells<'a>, &'a Rendered)>,
    fields: Vec<&'a Cells<'a>>,
    time: &'a Cells<'a>,
    times: &'a [i64],
    scale: Scale,
    options: &'a EncodeOptions,
}

/// A constant part of a line, with room for one move.
struct Prefix {
    short: [u8; 32],
    long: Vec<u8>,
}

impl Prefix {
    fn new(text: &[u8]) -> Prefix {
        let mut short = [0; 32];
        short.iter_mut().zip(text).for_each(|(slot, byte)| *slot = *byte);
        Prefix { short, long: text.to_vec() }
    }

    #[inline(always)]
    fn put(&self, pen: &mut Pen<'_>) {
        if self.long.len() <= 32 {
            pen.put(&self.short, self.long.len());
        } else {
            pen.text(&self.long);
        }
    }
}

/// The last time written: consecutive rows often share it.
struct Time {
    value: i64,
    text: [u8; 32],
    len: usize,
}

/// How the values of a time column become those of the lines.
#[derive(Clone, Copy)]
struct Scale {
    /// Zeros to append.
    zeros: usize,
    /// What to divide by.
    step: i64,
    /// Values within are in the range of the dialect.
    range: (i64, i64),
}

/// A row that the careful way must look at.
struct Odd;

type Done = Result<(), Odd>;

impl Quick {
    /// `None` where no row is surely plain.
    pub fn new(plan: &Plan, options: &EncodeOptions) -> Option<Quick> {
        let constant = match &plan.measurement {
            Name::Constant(name) => Some(name.as_slice()),
            Name::Column(_) => None,
        };
        // A backslash that escapes nothing is one of the name's own.
        let own = |name: &[u8]| {
            name.iter().enumerate().any(|(i, b)| *b == b'\\' && !matches!(name.get(i + 1), Some(b',' | b' ')))
        };
        if plan.careful || constant.is_some_and(own) {
            return None;
        }
        let max = (0..=LINE).rev().find(|len| escape::key_fits(options.dialect, *len, plan.longest_key))?;
        let parts = |columns: &[super::plan::Column]| {
            let part = |c: &super::plan::Column| Part { prefix: Prefix::new(&c.prefix), decimals: Decimals::default() };
            columns.iter().map(part).collect()
        };
        let lines = Lines {
            measurement: constant.map(Prefix::new),
            tags: parts(&plan.tags),
            fields: parts(&plan.fields),
            time: Time { value: 0, text: [0; 32], len: 0 },
            series: max,
            has_unsigned: options.dialect.has_unsigned(),
            scratch: Vec::new(),
        };
        Some(Quick { page: page(), written: 0, lines })
    }

    /// Writes lines of `rows` until one needs care or the page is full; gives their number.
    pub fn rows(
        &mut self,
        columns: &[Cells<'_>],
        rendered: &[Rendered],
        plan: &Plan,
        options: &EncodeOptions,
        rows: Range<usize>,
    ) -> usize {
        self.written = 0;
        let Some(batch) = Batch::new(columns, rendered, plan, options) else { return 0 };
        let mut pen = Pen::new(&mut self.page);
        let mut done = 0;
        for row in rows {
            let start = pen.at();
            if self.lines.line(&mut pen, &batch, row).is_err() || pen.at() > start + LINE || pen.full() {
                pen.cut(start);
                break;
            }
            done += 1;
        }
        self.written = pen.at();
        done
    }

    /// The lines that the last call of [`Quick::rows`] wrote.
    pub fn lines(&self) -> &[u8] {
        self.page.get(..self.written).unwrap_or_default()
    }
}

impl<'a> Batch<'a> {
    fn new(
        columns: &'a [Cells<'a>],
        rendered: &'a [Rendered],
        plan: &Plan,
        options: &'a EncodeOptions,
    ) -> Option<Batch<'a>> {
        let time = columns.get(plan.time)?;
        let Values::Time(times, unit) = &time.values else { return None };
        let measurement = match plan.measurement {
            Name::Constant(_) => None,
            Name::Column(index) => columns.get(index),
        };
        let tags = plan.tags.iter().map(|c| columns.get(c.index)).zip(rendered);
        Some(Batch {
            measurement,
            tags: tags.map(|(cells, rendered)| Some((cells?, rendered))).collect::<Option<_>>()?,
            fields: plan.fields.iter().map(|c| columns.get(c.index)).collect::<Option<_>>()?,
            time,
            times,
            scale: Scale::new(*unit, options)?,
            options,
        })
    }
}

impl Lines {
    /// One line with its line feed.
    #[inline(always)]
    fn line(&mut self, pen: &mut Pen<'_>, batch: &Batch<'_>, row: usize) -> Done {
        let (start, options) = (pen.at(), batch.options);
        match (&self.measurement, batch.measurement) {
            (Some(name), _) => name.put(pen),
            (None, Some(cells)) => name(pen, cells, row, options, &mut self.scratch)?,
            (None, None) => return Err(Odd),
        }
        for (part, (cells, rendered)) in self.tags.iter_mut().zip(&batch.tags) {
            if !cells.is_null(row) {
                part.tag(pen, cells, row, rendered, options, &mut self.scratch)?;
            }
        }
        let series = pen.at();
        if series.wrapping_sub(start) > self.series {
            return Err(Odd);
        }
        for (part, cells) in self.fields.iter_mut().zip(&batch.fields) {
            if !cells.is_null(row) {
                part.field(pen, cells, row, options, self.has_unsigned, &mut self.scratch)?;
            }
        }
        if pen.at() == series || batch.time.is_null(row) {
            return Err(Odd);
        }
        pen.replace(series, b' ');
        pen.byte(b' ');
        self.time.put(pen, *batch.times.get(row).ok_or(Odd)?, batch.scale)?;
        pen.byte(b'\n');
        Ok(())
    }
}

impl Scale {
    fn new(unit: Unit, options: &EncodeOptions) -> Option<Scale> {
        let (from, to) = (unit.nanos(), options.precision.nanos());
        let (mut zeros, mut factor) = (0, (from / to).max(1));
        let step = (to / from).max(1);
        // In nanoseconds first, then in the unit of the column; towards zero, so that both ends are within.
        let (min, max) = options.dialect.time_range();
        let range = (min / from, max / from);
        while factor > 1 {
            (zeros, factor) = (zeros + 1, factor / 10);
        }
        let fits = |v: i64| write::time_fits(options.dialect, options.lp_precision(), v / step * (from / to).max(1));
        (fits(range.0) && fits(range.1)).then_some(Scale { zeros, step, range })
    }
}

impl Time {
    #[inline(always)]
    fn put(&mut self, pen: &mut Pen<'_>, value: i64, scale: Scale) -> Done {
        if value != self.value || self.len == 0 {
            self.print(value, scale)?;
        }
        pen.put(&self.text, self.len);
        Ok(())
    }

    #[inline]
    fn print(&mut self, value: i64, scale: Scale) -> Done {
        self.len = 0;
        // 0 takes no zeros.
        if value < scale.range.0 || value > scale.range.1 || value == 0 {
            return Err(Odd);
        }
        let mut whole = value;
        if scale.step > 1 {
            if value % scale.step != 0 {
                return Err(Odd);
            }
            whole = value / scale.step;
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(whole).as_bytes();
        self.text = [b'0'; 32];
        self.text.iter_mut().zip(digits).for_each(|(slot, digit)| *slot = *digit);
        (self.value, self.len) = (value, digits.len() + scale.zeros);
        Ok(())
    }
}

/// The measurement that stands in a column.
#[inline]
fn name(pen: &mut Pen<'_>, cells: &Cells<'_>, row: usize, options: &EncodeOptions, scratch: &mut Vec<u8>) -> Done {
    if cells.is_null(row) {
        return Err(Odd);
    }
    let (Values::Text(texts) | Values::Dictionary(_, texts)) = &cells.values else { return Err(Odd) };
    let (_, from, to) = place(cells, texts, row).ok_or(Odd)?;
    escaped(pen, texts.value_data().get(from..to).ok_or(Odd)?, Element::Measurement, options, scratch)
}

impl Part {
    /// `,key=value` of a tag.
    #[inline(always)]
    fn tag(
        &mut self,
        pen: &mut Pen<'_>,
        cells: &Cells<'_>,
        row: usize,
        rendered: &Rendered,
        options: &EncodeOptions,
        scratch: &mut Vec<u8>,
    ) -> Done {
        match &cells.values {
            Values::Dictionary(keys, _) => {
                if rendered.put_plain(pen, *keys.get(row).ok_or(Odd)?) {
                    Ok(())
                } else {
                    Err(Odd)
                }
            }
            Values::Text(texts) => {
                self.prefix.put(pen);
                let (texts, from, to) = place(cells, texts, row).ok_or(Odd)?;
                let separator = |b| (b <= b' ') | (b == b',') | (b == b'=') | (b == b'\\');
                match Short::new(texts.value_data(), from, to) {
                    Some(short) if short.len > 0 && !short.any(separator) => pen.put(&short.bytes, short.len),
                    _ => {
                        let text = texts.value_data().get(from..to).ok_or(Odd)?;
                        escaped(pen, text, Element::TagValue, options, scratch)?;
                    }
                }
                Ok(())
            }
            values => {
                self.prefix.put(pen);
                values.put_number(pen, row, &mut self.decimals).ok_or(Odd)
            }
        }
    }

    /// `,key=value` of a field.
    #[inline(always)]
    fn field(
        &mut self,
        pen: &mut Pen<'_>,
        cells: &Cells<'_>,
        row: usize,
        options: &EncodeOptions,
        has_unsigned: bool,
        scratch: &mut Vec<u8>,
    ) -> Done {
        self.prefix.put(pen);
        let values = &cells.values;
        match values {
            Values::F32(v) if v.get(row).is_some_and(|v| v.is_finite()) => {
                values.put_number(pen, row, &mut self.decimals).ok_or(Odd)
            }
            Values::F64(v) if v.get(row).is_some_and(|v| v.is_finite()) => {
                values.put_number(pen, row, &mut self.decimals).ok_or(Odd)
            }
            Values::F32(_) | Values::F64(_) => Err(Odd),
            Values::Bool(_) => values.put_number(pen, row, &mut self.decimals).ok_or(Odd),
            Values::I8(_) | Values::I16(_) | Values::I32(_) | Values::I64(_) => {
                values.put_number(pen, row, &mut self.decimals).ok_or(Odd)?;
                pen.byte(b'i');
                Ok(())
            }
            Values::Time(v, _) => {
                pen.signed(*v.get(row).ok_or(Odd)?);
                pen.byte(b'i');
                Ok(())
            }
            Values::U8(_) | Values::U16(_) | Values::U32(_) | Values::U64(_) => {
                unsigned(pen, values, row, options, has_unsigned)
            }
            Values::Text(texts) | Values::Dictionary(_, texts) => {
                let (texts, from, to) = place(cells, texts, row).ok_or(Odd)?;
                match Short::new(texts.value_data(), from, to) {
                    Some(short) if !short.any(|b| (b == b'"') | (b == b'\\') | (b == b'\n')) => {
                        pen.byte(b'"');
                        pen.put(&short.bytes, short.len);
                        pen.byte(b'"');
                        Ok(())
                    }
                    _ => string(pen, texts.value_data().get(from..to).ok_or(Odd)?, options, scratch),
                }
            }
            Values::Decimal(..) | Values::Binary(_) => {
                scratch.clear();
                let mut repairs = RepairSet::default();
                let wrote = cell::field(scratch, cells, row, options, &mut repairs).map_err(|_| Odd)?;
                if wrote != cell::Wrote::Value || !repairs.is_empty() {
                    return Err(Odd);
                }
                pen.text(scratch);
                Ok(())
            }
        }
    }
}

/// A name with its separators escaped. Odd: it is empty, holds a backslash or a control character, or has no place in
/// the dialect.
#[inline(never)]
fn escaped(pen: &mut Pen<'_>, text: &[u8], element: Element, options: &EncodeOptions, scratch: &mut Vec<u8>) -> Done {
    if text.is_empty() || text.iter().any(|b| *b < b' ' || *b == b'\\') {
        return Err(Odd);
    }
    scratch.clear();
    escape::name(scratch, element, options.dialect, text).map_err(|_| Odd)?;
    pen.text(scratch);
    Ok(())
}

/// Text, and where in its column it stands.
#[inline(always)]
fn place<'a>(cells: &Cells<'_>, texts: &'a StringArray, row: usize) -> Option<(&'a StringArray, usize, usize)> {
    let row = match &cells.values {
        Values::Dictionary(keys, _) => *keys.get(row)? as usize,
        _ => row,
    };
    let offsets = texts.value_offsets();
    Some((texts, *offsets.get(row)? as usize, *offsets.get(row + 1)? as usize))
}

/// An unsigned field, with the suffix that the options give it.
#[inline]
fn unsigned(pen: &mut Pen<'_>, values: &Values<'_>, row: usize, options: &EncodeOptions, has_unsigned: bool) -> Done {
    let value = match values {
        Values::U8(v) => u64::from(*v.get(row).ok_or(Odd)?),
        Values::U16(v) => u64::from(*v.get(row).ok_or(Odd)?),
        Values::U32(v) => u64::from(*v.get(row).ok_or(Odd)?),
        Values::U64(v) => *v.get(row).ok_or(Odd)?,
        _ => return Err(Odd),
    };
    let stays = has_unsigned && matches!(options.uint, UintAs::Auto | UintAs::Unsigned);
    // As a float it is counted as a repair.
    if options.uint == UintAs::Float || (!stays && i64::try_from(value).is_err()) {
        return Err(Odd);
    }
    pen.unsigned(value);
    pen.byte(if stays { b'u' } else { b'i' });
    Ok(())
}

/// A string that is long or has something to escape.
#[inline(never)]
fn string(pen: &mut Pen<'_>, text: &[u8], options: &EncodeOptions, scratch: &mut Vec<u8>) -> Done {
    if options.newline != Newline::Raw && memchr::memchr(b'\n', text).is_some() {
        return Err(Odd);
    }
    scratch.clear();
    write::string(scratch, options.dialect, text).map_err(|_| Odd)?;
    pen.text(scratch);
    Ok(())
}
