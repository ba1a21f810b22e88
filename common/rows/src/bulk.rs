//! Rows as text for bulk loads of databases: cells between separators of one byte, never quoted, NULL as `\N`; or an object
//! of JSON a row. Times are wall clock in UTC (`2024-01-01 00:00:00.123456`), booleans 1 and 0, binary hexadecimal.
//!
//! Without quoting there are values that such a text cannot say: a separator in a text (the caller scans for them with
//! [`controls`] and chooses others) and the text `\N` itself. JSON can say all of them.

use crate::RecordBatch;
use crate::Schema;
use crate::cells::{Cell, Cells, Values};
use crate::foreign::Foreign;
use crate::header::Column;
use crate::instant::Printer;
use crate::ndjson_write::{is_document, quote};
use crate::time::Unit;
use crate::types::Type;
use arrow_schema::SchemaRef;
use fault::Result;

/// What stands for NULL.
pub const NULL: &[u8] = b"\\N";

/// Two bytes: between cells, and behind each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separators {
    pub column: u8,
    pub row: u8,
}

/// Why a row was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The text `\N` in this column: only JSON can say it.
    Null(usize),
    /// NaN or an infinity in this column.
    NotFinite(usize),
    /// A time with parts of a microsecond in this column.
    TooFine(usize),
    /// A time outside of the years 0000 to 9999 in this column.
    TooFar(usize),
}

/// What to do with values that databases of this kind do not hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// NaN and infinities become NULL.
    pub nan_is_null: bool,
    /// Parts of a microsecond are cut off.
    pub truncate_times: bool,
}

/// Writes rows of one schema.
pub struct Bulk {
    foreign: Foreign,
    printers: Vec<Printer>,
    /// `{"name":` or `,"name":`.
    keys: Vec<Vec<u8>>,
    json: Vec<bool>,
    policy: Policy,
    /// Values that [`Policy::nan_is_null`] made NULL.
    pub nulled: u64,
    /// Times that were cut.
    pub truncated: u64,
}

impl Bulk {
    /// An error names the first column whose type no row format holds.
    pub fn new(schema: &Schema, policy: Policy) -> Result<Bulk> {
        let foreign = Foreign::new(schema)?;
        let columns = Column::all(&foreign.schema())?;
        let key = |(at, column): (usize, &Column)| {
            let mut key = vec![if at == 0 { b'{' } else { b',' }];
            quote(column.name.as_bytes(), &mut key);
            key.push(b':');
            key
        };
        Ok(Bulk {
            printers: columns.iter().map(|_| Printer::default()).collect(),
            keys: columns.iter().enumerate().map(key).collect(),
            json: columns.iter().map(|column| column.ty == Type::Json).collect(),
            foreign,
            policy,
            nulled: 0,
            truncated: 0,
        })
    }

    /// The schema of what [`Bulk::convert`] gives.
    pub fn schema(&self) -> SchemaRef {
        self.foreign.schema()
    }

    /// The batch in our types.
    pub fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.foreign.convert(batch)
    }

    /// The rows of a batch that [`Bulk::convert`] gave.
    pub fn rows<'a>(&'a mut self, batch: &'a RecordBatch) -> Result<Rows<'a>> {
        let cells = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        Ok(Rows { cells, bulk: self })
    }
}

/// The rows of one batch.
pub struct Rows<'a> {
    cells: Vec<Cells<'a>>,
    bulk: &'a mut Bulk,
}

impl Rows<'_> {
    /// Appends a row and its separator. What is appended of a row that cannot be said is for the caller to take back.
    pub fn delimited(&mut self, row: usize, by: Separators, out: &mut Vec<u8>) -> std::result::Result<(), Unsaid> {
        let Bulk { printers, policy, nulled, truncated, .. } = &mut *self.bulk;
        for (at, (cells, printer)) in self.cells.iter().zip(printers).enumerate() {
            if at > 0 {
                out.push(by.column);
            }
            match special(cells, row, at, printer, *policy, truncated, out)? {
                Some(true) => continue,
                Some(false) => {
                    *nulled += 1;
                    out.extend_from_slice(NULL);
                    continue;
                }
                None => {}
            }
            match cells.write(row, printer, out) {
                Cell::Null => out.extend_from_slice(NULL),
                Cell::Text(text) if text == NULL => return Err(Unsaid::Null(at)),
                Cell::Text(text) => out.extend_from_slice(text),
                Cell::Written => {}
            }
        }
        out.push(by.row);
        Ok(())
    }

    /// Appends a row as an object, and a line feed. Decimals are texts: a number of JSON may not hold their digits.
    pub fn json(&mut self, row: usize, out: &mut Vec<u8>) -> std::result::Result<(), Unsaid> {
        let Bulk { printers, policy, nulled, truncated, keys, json, .. } = &mut *self.bulk;
        for (at, (((cells, printer), key), json)) in self.cells.iter().zip(printers).zip(keys).zip(json).enumerate() {
            out.extend_from_slice(key);
            let start = out.len();
            let quoted = matches!(cells.values, Values::Time(..) | Values::Binary(_) | Values::Decimal(..));
            match special(cells, row, at, printer, *policy, truncated, out)? {
                Some(true) => {}
                Some(false) => {
                    *nulled += 1;
                    out.extend_from_slice(b"null");
                    continue;
                }
                None => match cells.write(row, printer, out) {
                    Cell::Null => {
                        out.extend_from_slice(b"null");
                        continue;
                    }
                    Cell::Text(text) if *json && is_document(text) => out.extend_from_slice(text),
                    Cell::Text(text) => quote(text, out),
                    Cell::Written => {}
                },
            }
            if quoted {
                out.insert(start, b'"');
                out.push(b'"');
            }
        }
        out.extend_from_slice(if self.cells.is_empty() { b"{}\n" } else { b"}\n" });
        Ok(())
    }
}

/// The cells that are spelled otherwise than in our own formats. `Some(true)`: written; `Some(false)`: it shall be NULL;
/// `None`: nothing special.
#[inline(always)]
fn special(
    cells: &Cells<'_>,
    row: usize,
    at: usize,
    printer: &mut Printer,
    policy: Policy,
    truncated: &mut u64,
    out: &mut Vec<u8>,
) -> std::result::Result<Option<bool>, Unsaid> {
    let finite = match &cells.values {
        _ if cells.is_null(row) => return Ok(None),
        Values::Bool(values) => {
            out.push(if values.value(row) { b'1' } else { b'0' });
            return Ok(Some(true));
        }
        Values::Time(values, unit) => return time(values[row], *unit, at, printer, policy, truncated, out),
        Values::F32(values) => values[row].is_finite(),
        Values::F64(values) => values[row].is_finite(),
        _ => true,
    };
    match finite {
        true => Ok(None),
        false if policy.nan_is_null => Ok(Some(false)),
        false => Err(Unsaid::NotFinite(at)),
    }
}

#[inline(always)]
fn time(
    value: i64,
    unit: Unit,
    at: usize,
    printer: &mut Printer,
    policy: Policy,
    truncated: &mut u64,
    out: &mut Vec<u8>,
) -> std::result::Result<Option<bool>, Unsaid> {
    let start = out.len();
    let micros = match unit {
        Unit::Ns => {
            if value.rem_euclid(1_000) != 0 {
                if !policy.truncate_times {
                    return Err(Unsaid::TooFine(at));
                }
                *truncated += 1;
            }
            Some(value.div_euclid(1_000))
        }
        Unit::Us => Some(value),
        Unit::Ms => value.checked_mul(1_000),
        Unit::S => value.checked_mul(1_000_000),
    };
    let Some(micros) = micros else { return Err(Unsaid::TooFar(at)) };
    if micros.rem_euclid(1_000_000) == 0 {
        printer.print(micros.div_euclid(1_000_000), Unit::S, out);
    } else {
        printer.print(micros, Unit::Us, out);
    }
    // `2024-01-01T00:00:00Z`: a year of more digits has no `T` there.
    match out.get_mut(start + 10) {
        Some(letter @ b'T') => *letter = b' ',
        _ => return Err(Unsaid::TooFar(at)),
    }
    out.pop();
    Ok(Some(true))
}

/// The control characters (bytes below 32) that stand in texts of the batch, a bit each.
pub fn controls(batch: &RecordBatch) -> Result<u32> {
    let mut found = 0;
    for column in batch.columns() {
        let texts = match Cells::new(column)?.values {
            Values::Text(texts) => texts,
            Values::Dictionary(_, texts) => texts,
            _ => continue,
        };
        // A slice shows all of its texts' bytes: look at its own alone.
        let (from, to) = (texts.value_offsets().first(), texts.value_offsets().last());
        let (Some(from), Some(to)) = (from, to) else { continue };
        for block in texts.value_data().get(*from as usize..*to as usize).unwrap_or_default().chunks(64) {
            if block.iter().fold(255, |least, byte| least.min(*byte)) < 32 {
                block.iter().filter(|byte| **byte < 32).for_each(|byte| found |= 1 << byte);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{ReadOptions, Source};

    const CSV: &str = "ts|time,dev|tag,v|double,n|ulong,d|\"decimal(20,2)\",ok|boolean,b|binary,j|json,at|timestamp\n\
        2024-01-01T00:00:00.123Z,a,1.5,18446744073709551615,12345678901234567.89,true,00ff,\"{\"\"a\"\":1}\",2024-01-01T00:00:00Z\n\
        2024-01-01T00:00:01.000Z,\"\",,,,false,,,\n";

    fn batch(text: &str) -> RecordBatch {
        let text = text.replace("d|\"decimal(20,2)\"", "\"d|decimal(20,2)\"").into_bytes();
        let source = Source::new("test", Box::new(std::io::Cursor::new(text)), None);
        let mut reader = crate::format::open(source, ReadOptions::default()).unwrap();
        reader.next().unwrap().unwrap()
    }

    fn written(batch: &RecordBatch, policy: Policy, json: bool) -> (String, Vec<Unsaid>) {
        let mut bulk = Bulk::new(&batch.schema(), policy).unwrap();
        let batch = bulk.convert(batch).unwrap();
        let (mut out, mut unsaid) = (Vec::new(), Vec::new());
        let mut rows = bulk.rows(&batch).unwrap();
        for row in 0..batch.num_rows() {
            let start = out.len();
            let separators = Separators { column: b'|', row: b'\n' };
            let done = if json { rows.json(row, &mut out) } else { rows.delimited(row, separators, &mut out) };
            if let Err(why) = done {
                out.truncate(start);
                unsaid.push(why);
            }
        }
        (String::from_utf8(out).unwrap(), unsaid)
    }

    #[test]
    fn every_type_has_its_spelling() {
        let batch = batch(CSV);
        let (text, unsaid) = written(&batch, Policy::default(), false);
        assert_eq!(
            text,
            "2024-01-01 00:00:00.123000|a|1.5|18446744073709551615|12345678901234567.89|1|00ff|{\"a\":1}|2024-01-01 00:00:00\n\
             2024-01-01 00:00:01||\\N|\\N|\\N|0|\\N|\\N|\\N\n"
        );
        assert!(unsaid.is_empty());
        let (text, _) = written(&batch, Policy::default(), true);
        assert_eq!(
            text,
            "{\"ts\":\"2024-01-01 00:00:00.123000\",\"dev\":\"a\",\"v\":1.5,\"n\":18446744073709551615,\
             \"d\":\"12345678901234567.89\",\"ok\":1,\"b\":\"00ff\",\"j\":{\"a\":1},\"at\":\"2024-01-01 00:00:00\"}\n\
             {\"ts\":\"2024-01-01 00:00:01\",\"dev\":\"\",\"v\":null,\"n\":null,\"d\":null,\"ok\":0,\"b\":null,\"j\":null,\"at\":null}\n"
        );
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        let text = "ts|time,dev|tag,v|double\n2024-01-01T00:00:00.123456789Z,a,1\n2024-01-01T00:00:00.000000000Z,\\N,1\n\
            2024-01-01T00:00:00.000001000Z,a,NaN\n2024-01-01T00:00:00.000001000Z,a,-inf\n";
        let batch = batch(text);
        let (text, unsaid) = written(&batch, Policy::default(), false);
        assert_eq!(
            (text.as_str(), unsaid.as_slice()),
            ("", &[Unsaid::TooFine(0), Unsaid::Null(1), Unsaid::NotFinite(2), Unsaid::NotFinite(2)][..])
        );
        let lenient = Policy { nan_is_null: true, truncate_times: true };
        let (text, unsaid) = written(&batch, lenient, true);
        assert!(unsaid.is_empty() && text.contains("\"2024-01-01 00:00:00.123456\"") && text.contains("\"\\\\N\""));
        assert_eq!(text.matches("\"v\":null").count(), 2);
    }

    #[test]
    fn control_characters_are_found_wherever_they_stand() {
        let long = "x".repeat(70);
        let batch = batch(&format!(
            "ts|time,a|string,b|tag\n2024-01-01T00:00:00Z,{long}\u{1},t\n2024-01-01T00:00:00Z,\"\n\",\u{1f}\n"
        ));
        assert_eq!(controls(&batch).unwrap(), 1 << 1 | 1 << 10 | 1 << 31);
        assert_eq!(controls(&batch.slice(1, 1)).unwrap() & 2, 0);
    }
}
