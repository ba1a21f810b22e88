//! Rows of text into Arrow columns: bytes are read where they lie, none becomes a String.

use crate::packets::Cells;
use crate::types::Form;
use arrow_array::ArrayRef;
use fault::{Error, Kind, Result};
use rows::column::{Builder, Fit, Misfit};
use rows::types::Type;
use rows::{Limits, RecordBatch, SchemaRef};

/// The columns of a result under construction.
pub struct Columns {
    schema: SchemaRef,
    columns: Vec<Column>,
    limits: Limits,
    rows: usize,
    /// Of texts; the other columns take `fixed` bytes a row.
    bytes: usize,
    fixed: usize,
}

/// One column under construction.
pub(crate) struct Column {
    builder: Builder,
    form: Form,
}

const NO_DATE: Misfit = "is no date (such as 2024-01-01)";
const NO_TIME: Misfit = "is no DATETIME (such as 2024-01-01 00:00:00.000000)";
const NO_TEXT: Misfit = "is not valid UTF-8";

impl Columns {
    /// Columns of this schema; `forms` say how the text of each is spelled.
    pub fn new(schema: SchemaRef, forms: &[Form], limits: Limits) -> Result<Columns> {
        let mut columns = Vec::with_capacity(forms.len());
        for (field, form) in schema.fields().iter().zip(forms) {
            columns.push(Column::new(Type::of(field)?, *form));
        }
        let fixed = columns.iter().map(|column| Builder::row_bytes(column.builder.ty())).sum();
        Ok(Columns { schema, columns, limits, rows: 0, bytes: 0, fixed })
    }

    /// Appends a row. `true`: the batch is full.
    ///
    /// # Errors
    /// Exit 3 for a cell that is not of its column's type, with the name of the column.
    pub fn push(&mut self, mut row: Cells<'_>) -> Result<bool> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            match row.take() {
                Some(Some(text)) => {
                    self.bytes += text.len();
                    if let Err(why) = column.put(text) {
                        return Err(misfit(&self.schema, index, text, why));
                    }
                }
                Some(None) => column.builder.null(),
                None => return Err(self.other_cells(index)),
            }
        }
        if !row.is_empty() {
            return Err(self.other_cells(self.columns.len() + 1));
        }
        self.rows += 1;
        Ok(self.rows >= self.limits.rows || self.rows * self.fixed + self.bytes >= self.limits.bytes)
    }

    #[cold]
    fn other_cells(&self, came: usize) -> Error {
        let (least, wanted) = (if came > self.columns.len() { "at least " } else { "" }, self.columns.len());
        Error::new(Kind::Malformed, format!("{least}{came} cells came for {wanted} columns"))
    }

    /// The rows so far as a batch; `None` if there are none.
    pub fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        (self.rows, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(|column| column.builder.finish()).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map(Some)
            .map_err(|error| Error::caused(Kind::Bug, "cannot build a batch", error))
    }
}

impl Column {
    pub(crate) fn new(ty: Type, form: Form) -> Column {
        Column { builder: Builder::new(ty), form }
    }

    /// The column of these texts, `None` for NULL.
    pub(crate) fn of<'a>(
        mut self,
        schema: &SchemaRef,
        index: usize,
        texts: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<ArrayRef> {
        for text in texts {
            match text {
                None => self.builder.null(),
                Some(text) => self.put(text.as_bytes()).map_err(|why| misfit(schema, index, text.as_bytes(), why))?,
            }
        }
        self.builder.finish()
    }

    #[inline]
    fn put(&mut self, text: &[u8]) -> Fit {
        match self.form {
            Form::Plain => self.builder.text(text),
            Form::Text => {
                if !text.is_ascii() && std::str::from_utf8(text).is_err() {
                    return Err(NO_TEXT);
                }
                self.builder.raw(text)
            }
            Form::DateTime => self.builder.text(&datetime(text).ok_or(NO_TIME)?),
            Form::Date => {
                let mut whole = *b"0000-00-00T00:00:00Z";
                if text.len() != 10 {
                    return Err(NO_DATE);
                }
                whole[..10].copy_from_slice(text);
                self.builder.text(&whole).map_err(|_| NO_DATE)
            }
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS` with up to six digits behind a point, as RFC 3339 with six.
#[inline]
fn datetime(text: &[u8]) -> Option<[u8; 27]> {
    let mut whole = *b"0000-00-00T00:00:00.000000Z";
    whole[..10].copy_from_slice(text.get(..10)?);
    whole[11..19].copy_from_slice(text.get(11..19)?);
    if !matches!(text.get(10), Some(b' ' | b'T')) {
        return None;
    }
    match text.get(19..) {
        Some([]) => {}
        Some([b'.', digits @ ..]) if digits.len() <= 6 => whole[20..20 + digits.len()].copy_from_slice(digits),
        _ => return None,
    }
    Some(whole)
}

#[cold]
pub(crate) fn misfit(schema: &SchemaRef, index: usize, text: &[u8], why: Misfit) -> Error {
    let field = schema.field(index);
    let hint = match Type::of(field) {
        Ok(Type::Decimal(38, 0)) => ": LARGEINT has up to 39 digits, use --largeint text",
        _ => "",
    };
    Error::new(Kind::Malformed, format!("column {}: '{}' {why}{hint}", field.name(), fault::excerpt(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    #[test]
    fn times_are_taken_with_or_without_a_fraction() {
        for (text, whole) in [
            ("2024-01-02 03:04:05", Some("2024-01-02T03:04:05.000000Z")),
            ("2024-01-02 03:04:05.12", Some("2024-01-02T03:04:05.120000Z")),
            ("2024-01-02 03:04:05.123456", Some("2024-01-02T03:04:05.123456Z")),
            ("2024-01-02T03:04:05", Some("2024-01-02T03:04:05.000000Z")),
            ("2024-01-02 03:04:05.1234567", None),
            ("2024-01-02 03:04:05Z", None),
            ("2024-01-02", None),
            ("", None),
        ] {
            assert_eq!(datetime(text.as_bytes()).as_ref().map(|all| &all[..]), whole.map(str::as_bytes), "{text}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            for (form, ty) in [
                (Form::Plain, Type::Long), (Form::Text, Type::String), (Form::Date, Type::Timestamp(rows::time::Unit::S)),
                (Form::DateTime, Type::Timestamp(rows::time::Unit::Us)), (Form::Plain, Type::Binary), (Form::Plain, Type::Decimal(38, 0)),
            ] {
                let _ = Column { builder: Builder::new(ty), form }.put(&bytes);
            }
        }
    }
}
