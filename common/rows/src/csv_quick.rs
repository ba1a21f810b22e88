//! The quick way from columns to rows of CSV: cells are moved onto a page by a few bytes at a time, texts of dictionaries
//! quoted once per dictionary. It writes what [`crate::csv_write`] writes cell by cell; a row that does not fit on a page
//! is left to it.

use crate::cells::{Cell, Cells, Values, same_texts};
use crate::csv_write::quote_if_needed;
use crate::instant::{Printer, Stamps};
use crate::pen::{Page, Pen, page};
use crate::short_text::Short;
use crate::shortest::Decimals;
use arrow_array::{Array, StringArray};
use std::ops::Range;

/// Writes the rows of one stream.
pub(crate) struct Quick {
    page: Box<Page>,
    /// Bytes of whole rows on the page.
    written: usize,
    delimiter: u8,
    columns: Vec<Column>,
}

/// What is kept of a column from batch to batch.
#[derive(Default)]
struct Column {
    decimals: Decimals,
    stamps: Stamps,
    texts: Quoted,
    scratch: Vec<u8>,
}

/// The texts of a dictionary with the delimiter behind them, quoted where they must be.
#[derive(Default)]
struct Quoted {
    of: Option<StringArray>,
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Quick {
    /// For so many columns. NULL is an empty cell: no value is spelled so.
    pub fn new(columns: usize, delimiter: u8) -> Quick {
        Quick { page: page(), written: 0, delimiter, columns: (0..columns).map(|_| Column::default()).collect() }
    }

    /// To be called with every batch before its rows are written.
    pub fn prepare(&mut self, cells: &[Cells<'_>]) {
        for (column, cells) in self.columns.iter_mut().zip(cells) {
            if let Values::Dictionary(_, texts) = &cells.values {
                column.texts.prepare(texts, self.delimiter);
            }
        }
    }

    /// Writes `rows` until one does not fit on the page; gives their number.
    pub fn rows(&mut self, cells: &[Cells<'_>], rows: Range<usize>) -> usize {
        self.written = 0;
        if self.columns.is_empty() || self.columns.len() != cells.len() {
            return 0;
        }
        let mut pen = Pen::new(&mut self.page);
        let mut done = 0;
        for row in rows {
            let start = pen.at();
            for (column, cells) in self.columns.iter_mut().zip(cells) {
                if cells.is_null(row) {
                    pen.byte(self.delimiter);
                } else {
                    column.cell(&mut pen, cells, row, self.delimiter);
                }
            }
            if pen.full() {
                pen.cut(start);
                break;
            }
            pen.replace(pen.at() - 1, b'\n');
            done += 1;
        }
        self.written = pen.at();
        done
    }

    /// The rows that the last call of [`Quick::rows`] wrote.
    pub fn written(&self) -> &[u8] {
        self.page.get(..self.written).unwrap_or_default()
    }
}

impl Column {
    /// A cell and the delimiter.
    #[inline(always)]
    fn cell(&mut self, pen: &mut Pen<'_>, cells: &Cells<'_>, row: usize, delimiter: u8) {
        match &cells.values {
            Values::Dictionary(keys, _) => {
                let place = keys.get(row).and_then(|key| self.texts.places.get(*key as usize));
                let (from, len) = place.copied().unwrap_or_default();
                return pen.part(&self.texts.bytes, from, len);
            }
            Values::Text(texts) => self.text(pen, texts, row, delimiter),
            Values::Time(values, unit) => {
                if let Some(value) = values.get(row) {
                    self.stamps.put(pen, *value, *unit);
                }
            }
            values => {
                if values.put_number(pen, row, &mut self.decimals).is_none() {
                    self.other(pen, cells, row);
                }
            }
        }
        pen.byte(delimiter);
    }

    #[inline(always)]
    fn text(&mut self, pen: &mut Pen<'_>, texts: &StringArray, row: usize, delimiter: u8) {
        let offsets = texts.value_offsets();
        let (Some(from), Some(to)) = (offsets.get(row), offsets.get(row + 1)) else { return };
        let (from, to) = (*from as usize, *to as usize);
        // Quoting only becomes longer: what is empty or begins with # goes the long way too.
        let special = |b| (b == delimiter) | (b == b'"') | (b == b'\n') | (b == b'\r') | (b == b'#');
        match Short::new(texts.value_data(), from, to) {
            Some(short) if short.len > 0 && !short.any(special) => pen.put(&short.bytes, short.len),
            _ => {
                self.scratch.clear();
                let text = texts.value_data().get(from..to).unwrap_or_default();
                quote_if_needed(text, delimiter, None, &mut self.scratch);
                pen.text(&self.scratch);
            }
        }
    }

    /// Decimals and binary data.
    fn other(&mut self, pen: &mut Pen<'_>, cells: &Cells<'_>, row: usize) {
        self.scratch.clear();
        if let Cell::Written = cells.write(row, &mut Printer::default(), &mut self.scratch)
            && self.scratch.is_empty()
        {
            self.scratch.extend_from_slice(b"\"\"");
        }
        pen.text(&self.scratch);
    }
}

impl Quoted {
    /// Quotes the texts of a dictionary, unless it is the one of the batch before.
    fn prepare(&mut self, texts: &StringArray, delimiter: u8) {
        if same_texts(self.of.as_ref(), texts) {
            return;
        }
        self.bytes.clear();
        self.places.clear();
        for i in 0..texts.len() {
            let start = self.bytes.len();
            let text = if texts.is_null(i) { &[] } else { texts.value(i).as_bytes() };
            quote_if_needed(text, delimiter, None, &mut self.bytes);
            self.bytes.push(delimiter);
            self.places.push((start, self.bytes.len() - start));
        }
        // Room for moves of 32 bytes.
        self.bytes.extend_from_slice(&[0; 32]);
        self.of = Some(texts.clone());
    }
}
