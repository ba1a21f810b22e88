//! What goes from those who read parts to the one who writes: batches, or rows that are CSV already; and how a part of
//! either is held in a temporary file until it is complete.

use arrow_array::RecordBatch;
use fault::{Error, Result};
use rows::format::{self, Format, Source, WriteOptions};
use rows::{Limits, SchemaRef, Writer, batch, spool};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

/// Some rows.
pub enum Piece {
    Batch(RecordBatch),
    /// Lines of CSV.
    Text {
        rows: u64,
        text: Vec<u8>,
    },
}

impl Piece {
    /// The number of rows.
    pub fn rows(&self) -> u64 {
        match self {
            Piece::Batch(batch) => batch.num_rows() as u64,
            Piece::Text { rows, .. } => *rows,
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Piece::Batch(batch) => batch::slice_bytes(batch),
            Piece::Text { text, .. } => text.len(),
        }
    }
}

/// A part on its way into a temporary file.
pub struct Spool {
    file: File,
    rows: u64,
    form: Form,
}

/// What is in the file.
enum Form {
    Batches(Box<dyn Writer>),
    /// Before each text the number of its rows and of its bytes.
    Text,
}

impl Spool {
    /// For batches of this schema.
    pub fn of_batches(schema: SchemaRef) -> Result<Spool> {
        let file = spool::temporary()?;
        let handle = file.try_clone().map_err(|error| Error::io("cannot use a temporary file", error))?;
        let options = WriteOptions { to: Format::Arrow, ..WriteOptions::default() };
        let writer = format::create(handle, |_| Ok(()), schema, options).map_err(here)?;
        Ok(Spool { file, rows: 0, form: Form::Batches(writer) })
    }

    /// For text.
    pub fn of_text() -> Result<Spool> {
        Ok(Spool { file: spool::temporary()?, rows: 0, form: Form::Text })
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.form {
            Form::Batches(writer) => writer.write(batch).map_err(here),
            Form::Text => Err(Error::new(fault::Kind::Bug, "a batch among text")),
        }
    }

    /// Adds lines.
    pub fn write_text(&mut self, rows: u64, text: &[u8]) -> Result<()> {
        self.rows += rows;
        let head = [rows.to_le_bytes(), (text.len() as u64).to_le_bytes()].concat();
        self.file
            .write_all(&head)
            .and_then(|()| self.file.write_all(text))
            .map_err(|error| here(Error::io("cannot write the output", error)))
    }

    /// Gives everything that was added to `each`.
    pub fn replay(self, limits: Limits, each: &mut dyn FnMut(Vec<Piece>) -> Result<()>) -> Result<()> {
        let Spool { mut file, form, .. } = self;
        let text = match form {
            Form::Batches(writer) => {
                writer.finish().map_err(here)?;
                false
            }
            Form::Text => true,
        };
        file.seek(SeekFrom::Start(0)).map_err(|error| Error::io("cannot rewind a temporary file", error))?;
        if text {
            while let Some((rows, text)) =
                read_text(&mut file).map_err(|error| Error::io("cannot read a temporary file", error))?
            {
                each(vec![Piece::Text { rows, text }])?;
            }
            return Ok(());
        }
        let options = format::ReadOptions { from: Some(Format::Arrow), limits, ..Default::default() };
        let mut reader = format::open(Source::new("a temporary file", Box::new(file), None), options)?;
        while let Some(batch) = reader.next()? {
            each(vec![Piece::Batch(batch)])?;
        }
        Ok(())
    }
}

/// What is full is not where the output goes.
fn here(error: Error) -> Error {
    error.context(format!("spool in {} (TMPDIR may name another place)", std::env::temp_dir().display()))
}

/// The next rows and their text.
fn read_text(file: &mut File) -> std::io::Result<Option<(u64, Vec<u8>)>> {
    let mut head = [[0; 8]; 2];
    match file.read_exact(head.as_flattened_mut()) {
        // Written by us to its end.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let [rows, bytes] = head.map(u64::from_le_bytes);
    let mut text = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    if file.take(bytes).read_to_end(&mut text)? as u64 != bytes {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((rows, text)))
}
