//! The rows of a REST reply as CSV, without columns in between ([`rows::json_csv`]): cells that are spelled unusually are
//! read into a value by the [`Builder`] that columns are built with, and written again. So what is refused, in which
//! order and in which words, is the same on both ways.

use crate::block::not_utf8;
use crate::build::{Builder, Cell, Values};
use crate::json;
use crate::types::{Column, Type};
use fault::{Error, Kind, Result};
use rows::csv_cell::{self, Value};
use rows::instant::Printer;
use rows::json_csv::{self, Copier};
use rows::time::Unit;
use rows::types::Type as RowType;

/// Rows of CSV that are being written.
pub struct TextRows {
    copier: Copier,
    columns: Vec<Careful>,
    /// The row at hand, where it is read carefully.
    line: Vec<u8>,
    /// It is larger than a page.
    giant: bool,
    /// Which columns are JSON as it stands.
    json: Vec<bool>,
    scratch: Vec<u8>,
    /// What stands in the batch so far: a batch of rows ends with checks of whole columns.
    pub(crate) batch: Batch,
}

/// How far a batch has come.
#[derive(Default)]
pub(crate) struct Batch {
    pub rows: usize,
    pub bytes: usize,
}

/// A column whose cells are read one by one.
struct Careful {
    column: Column,
    unit: Unit,
    builder: Builder,
    printer: Printer,
    binary: bool,
    required: bool,
    /// Seen in this batch.
    not_utf8: bool,
    null: bool,
}

impl TextRows {
    /// For these columns, read as they say. `required`: may this column hold no NULL? `constants`: text cells that are
    /// the same in all rows, each with the number of the column of the reply that it stands in front of. `None`: a
    /// column has a type that only batches can refuse.
    pub fn new(
        columns: &[Column],
        unit: Unit,
        required: impl Fn(usize) -> bool,
        constants: &[(usize, String)],
    ) -> Option<TextRows> {
        let odd = |column: &Column| match column.kind {
            Type::Decimal | Type::Decimal64 => column.precision == 0,
            Type::Json => column.as_bytes,
            _ => false,
        };
        if columns.iter().any(odd) {
            return None;
        }
        let between = |index: usize| {
            let mut cells = Vec::new();
            for (_, text) in constants.iter().filter(|(before, _)| *before == index) {
                csv_cell::append(Value::Text(text.as_bytes()), &mut Printer::default(), &mut cells);
                cells.push(b',');
            }
            cells
        };
        let copied = columns.iter().enumerate().map(|(index, column)| json_csv::Column {
            ty: (!column.as_bytes).then(|| column.row_type(unit)),
            required: required(index),
            before: between(index),
        });
        let mut after = between(columns.len());
        // Behind the last cell the commas stand in front.
        if !after.is_empty() {
            after.rotate_right(1);
        }
        let copier = Copier::new(copied.collect(), after);
        let json = columns.iter().map(|column| column.kind == Type::Json).collect();
        let columns = columns.iter().enumerate().map(|(index, column)| Careful::new(column, unit, required(index)));
        Some(TextRows {
            copier,
            columns: columns.collect(),
            line: Vec::new(),
            giant: false,
            json,
            scratch: Vec::new(),
            batch: Batch::default(),
        })
    }

    /// The rows that are finished: their number and their text.
    pub fn written(&self) -> (u64, &[u8]) {
        if self.giant { (1, &self.line) } else { self.copier.written() }
    }

    /// Did a column that must not hold NULL hold it? Known when a batch is complete.
    pub fn null_seen(&self) -> bool {
        self.batch.rows == 0 && self.columns.iter().any(|column| column.null)
    }

    /// Makes room; what was finished has been taken. True: it is taken at once by a row larger than a page.
    pub(crate) fn clear(&mut self) -> bool {
        self.copier.clear();
        if std::mem::take(&mut self.giant) {
            self.line = Vec::new();
        }
        if !self.line.is_empty() {
            self.giant = !self.copier.add(&self.line);
            if self.giant {
                self.copier.clear();
            } else {
                self.line.clear();
            }
        }
        self.giant
    }

    /// No more rows before [`TextRows::clear`].
    pub(crate) fn is_full(&self) -> bool {
        self.giant || self.copier.is_full()
    }

    /// Adds the row that the first `len` bytes of `json` (with [`json_csv::SLACK`] more) begin with, behind its bracket;
    /// gives the bytes up to behind the other bracket. `None`: it is not there as a whole, not spelled as usual, or there is no room.
    pub(crate) fn scan(&mut self, json: &[u8], len: usize) -> Option<usize> {
        let TextRows { copier, columns, json: kinds, scratch, .. } = self;
        copier.row(json, len, |index, json, out| {
            let (cell, taken) = json::careful(json, *kinds.get(index)?, scratch)?;
            columns.get_mut(index)?.append(cell, out).ok()?;
            Some(taken)
        })
    }

    /// Adds the row between these brackets.
    pub(crate) fn append(&mut self, row: &[u8]) -> Result<()> {
        let TextRows { copier, columns, line, json, scratch, .. } = self;
        line.clear();
        let is_json = |index: usize| json.get(index).is_some_and(|json| *json);
        let count = json::cells(row, is_json, scratch, |index, cell| {
            let Some(column) = columns.get_mut(index) else { return Ok(()) };
            copier.between(index, line);
            column.append(cell, line)
        })?;
        json::check_count(count, columns.len())?;
        copier.between(count, line);
        if copier.add(line) {
            line.clear();
        }
        Ok(())
    }

    /// A batch is complete: what is found wrong only then.
    pub(crate) fn end_batch(&mut self) -> Result<()> {
        self.batch = Batch::default();
        match self.columns.iter().find(|column| column.not_utf8) {
            Some(column) => Err(not_utf8(&column.column)),
            None => Ok(()),
        }
    }
}

impl Careful {
    fn new(column: &Column, unit: Unit, required: bool) -> Careful {
        let binary = matches!(column.row_type(unit), RowType::Binary | RowType::Geometry);
        // Not a dictionary: one text at a time.
        let builder = Builder::new(Column { dictionary: false, ..column.clone() }, unit);
        Careful {
            column: column.clone(),
            unit,
            builder,
            printer: Printer::default(),
            binary,
            required,
            not_utf8: false,
            null: false,
        }
    }

    /// Appends what CSV says of a cell.
    fn append(&mut self, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<()> {
        if cell == Cell::Null {
            self.null |= self.required;
            return Ok(());
        }
        if let Cell::Text(text) = cell
            && self.column.is_dictionary()
            && std::str::from_utf8(text).is_err()
        {
            return Err(not_utf8(&self.column));
        }
        let Careful { column, unit, builder, printer, binary, not_utf8, .. } = self;
        builder.truncate(0);
        builder.append(cell)?;
        let value = value(&builder.values, *unit, column.scale, *binary);
        let value = value.ok_or_else(|| Error::new(Kind::Bug, "a cell without a value"))?;
        match value {
            Value::Text(text) if std::str::from_utf8(text).is_err() => *not_utf8 = true,
            value => csv_cell::append(value, printer, out),
        }
        Ok(())
    }
}

/// The only value of a builder.
fn value(values: &Values, unit: Unit, scale: u8, binary: bool) -> Option<Value<'_>> {
    Some(match values {
        Values::Bool(v) => Value::Boolean(*v.first()?),
        Values::I8(v) => Value::Signed(i64::from(*v.first()?)),
        Values::I16(v) => Value::Signed(i64::from(*v.first()?)),
        Values::I32(v) => Value::Signed(i64::from(*v.first()?)),
        Values::I64(v) => Value::Signed(*v.first()?),
        Values::U8(v) => Value::Unsigned(u64::from(*v.first()?)),
        Values::U16(v) => Value::Unsigned(u64::from(*v.first()?)),
        Values::U32(v) => Value::Unsigned(u64::from(*v.first()?)),
        Values::U64(v) => Value::Unsigned(*v.first()?),
        Values::F32(v) => Value::Single(*v.first()?),
        Values::F64(v) => Value::Double(*v.first()?),
        Values::Time(v) => Value::Time(*v.first()?, unit),
        Values::Decimal(v) => Value::Decimal(*v.first()?, i8::try_from(scale).ok()?),
        Values::Dictionary(_) => return None,
        Values::Bytes(texts) if binary => Value::Binary(&texts.values),
        Values::Bytes(texts) => Value::Text(&texts.values),
    })
}
