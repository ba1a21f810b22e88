//! Rows of CSV into columns, one row at a time: the way that takes every row, and says what is wrong with the others.

use crate::column::{Builder, Fit, Run};
use crate::csv_split::{Cell, Form, unescape};
use crate::header::Column;
use crate::options::Header;
use crate::time::Unit;
use crate::types::Type;
use crate::{RecordBatch, SchemaRef};
use fault::{Error, Kind, Result};

/// How cells are written.
#[derive(Clone, Debug)]
pub(crate) struct Grammar {
    pub delimiter: u8,
    pub null: Option<Vec<u8>>,
    pub header: Header,
    pub epoch: Option<Unit>,
}

impl Grammar {
    /// Is this unquoted cell NULL in a column of this type?
    pub fn is_null(&self, text: &[u8], ty: Type) -> bool {
        match &self.null {
            None => text.is_empty(),
            // With a NULL text of its own, an empty cell is an empty text; in other types it can only be NULL.
            Some(null) => text == null.as_slice() || (text.is_empty() && !matches!(ty, Type::String | Type::Json)),
        }
    }
}

/// What is wrong with a row of which `split` made no cells.
pub(crate) const BEHIND_QUOTE: &str = "text behind a closing quote (a quote within a quoted cell is written twice)";

/// The last line of a typed CSV has no line end.
pub(crate) const CUT: &str =
    "the last line has no line end: the input was cut (if it is whole, end it with a line end)";

/// A quote that never closes.
pub(crate) const OPEN_QUOTE: &str = "the input ends within a quoted cell of the row that begins here";

/// The columns of a batch under construction.
pub(crate) struct RowBuilder {
    pub columns: Vec<Column>,
    pub grammar: Grammar,
    builders: Vec<Builder>,
    scratch: Vec<u8>,
    /// Bytes that each row takes in the batch besides its texts.
    row_bytes: usize,
}

impl RowBuilder {
    pub fn new(columns: Vec<Column>, grammar: Grammar) -> RowBuilder {
        RowBuilder {
            builders: columns.iter().map(|column| Builder::new(column.ty)).collect(),
            row_bytes: columns.iter().map(|column| Builder::row_bytes(column.ty)).sum(),
            columns,
            grammar,
            scratch: Vec::new(),
        }
    }

    /// Bytes that a row takes besides its texts.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.builders.first().map_or(0, Builder::len)
    }

    /// Appends a row; `Err` tells column and reason, and the row is taken back.
    pub fn append(&mut self, row: &[u8], cells: &[Cell]) -> std::result::Result<(), String> {
        if cells.len() != self.columns.len() {
            return Err(format!("the row has {} cells, the header {}", cells.len(), self.columns.len()));
        }
        let before = self.rows();
        let ascii = row.is_ascii();
        for (at, (cell, builder)) in cells.iter().zip(&mut self.builders).enumerate() {
            let text = row.get(cell.start..cell.end).unwrap_or_default();
            let result = match cell.form {
                Form::Bare if self.grammar.is_null(text, builder.ty()) => {
                    builder.null();
                    Ok(())
                }
                Form::Bare | Form::Quoted => put(builder, text, ascii, self.grammar.epoch),
                Form::Escaped => {
                    self.scratch.clear();
                    unescape(text, &mut self.scratch);
                    put(builder, &self.scratch, ascii, self.grammar.epoch)
                }
            };
            if let Err(misfit) = result {
                let column = &self.columns[at];
                self.builders.iter_mut().for_each(|builder| builder.truncate(before));
                return Err(format!("column {} ({}): '{}' {misfit}", column.name, column.ty, fault::excerpt(text)));
            }
        }
        Ok(())
    }

    /// Appends many rows, a column at a time, up to the first that does not fit; gives their number. The grammar is ours.
    pub fn run(&mut self, run: &Run<'_>) -> usize {
        let before = self.rows();
        let mut taken = usize::MAX;
        for at in 0..self.builders.len() {
            // No more rows than the columns before took.
            let cells = taken.saturating_mul(run.columns).min(run.ends.len());
            let (null, epoch) = (self.grammar.null.as_deref(), self.grammar.epoch);
            let part = Run { ends: run.ends.get(..cells).unwrap_or_default(), null, epoch, ..*run };
            let Some(builder) = self.builders.get_mut(at) else { break };
            taken = builder.run(&part, at);
        }
        for builder in &mut self.builders {
            builder.truncate(before + taken);
        }
        taken
    }

    /// The rows so far as a batch of `schema`; then there are none.
    pub fn finish(&mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(schema.clone(), arrays)
            .map_err(|error| Error::caused(Kind::Bug, "cannot build a batch from CSV", error))
    }
}

/// A cell into its column. `ascii`: the whole row is ASCII, hence valid UTF-8.
#[inline]
fn put(builder: &mut Builder, text: &[u8], ascii: bool, epoch: Option<Unit>) -> Fit {
    if let (Some(unit), Type::Timestamp(_)) = (epoch, builder.ty()) {
        return builder.epoch(text, unit);
    }
    if !ascii && builder.is_text() && std::str::from_utf8(text).is_err() {
        return Err("is not valid UTF-8");
    }
    builder.text(text)
}
