//! Where rows go: one table on one output, line protocol of many measurements on one output, or a file each.

use crate::args::{Args, Plan};
use cli::output::{Output, file_name};
use cli::{Counter, Run};
use fault::{Error, Result};
use influx::catalog::Measurement;
use lp::Dialect;
use rows::compress::{Compressed, Compression};
use rows::endmark::EndMarkWriter;
use rows::format::{Format, WriteOptions};
use rows::line_protocol::{EncodeOptions, LpWriter, stop_at_first};
use rows::{RecordBatch, SchemaRef, Writer};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The output, or the outputs.
pub struct Sink {
    to: To,
    options: WriteOptions,
    dialect: Dialect,
    writer: Option<Box<dyn Writer>>,
    run: Run,
    rows: Counter,
    bytes: Counter,
    left: u64,
}

enum To {
    /// One table. Taken when its writer is made.
    One(Option<Output>),
    /// Measurements one after the other; the end mark, if there shall be one, is over all of them.
    Lines(Shared, bool),
    /// A file per measurement.
    Directory(PathBuf),
}

/// An output that several writers use, one after the other.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<EndMarkWriter<Compressed<Output>>>>>);

impl Sink {
    /// Opens the output, or makes the directory.
    pub fn open(args: &Args, plan: &Plan, run: &Run) -> Result<Sink> {
        let report = args.list || args.schema || args.count;
        let compression = args.output.output.as_deref().and_then(Compression::from_path);
        let options =
            WriteOptions { to: plan.format, end_mark: args.end_mark.end_mark, compression, ..WriteOptions::default() };
        let bytes = run.counter("bytes");
        let to = match &args.output_dir {
            Some(directory) if !report => {
                std::fs::create_dir_all(directory)
                    .map_err(|e| Error::io(format!("cannot make {}", directory.display()), e))?;
                To::Directory(directory.clone())
            }
            _ => {
                let output = Output::create(args.output.output.as_deref())?.counting(bytes.clone());
                if plan.format == Format::Lp && !report {
                    let shared = Arc::new(Mutex::new(Some(EndMarkWriter::new(Compressed::new(
                        output,
                        compression.unwrap_or(Compression::None),
                    )?))));
                    To::Lines(Shared(shared), options.end_mark)
                } else {
                    To::One(Some(output))
                }
            }
        };
        Ok(Sink {
            to,
            options,
            dialect: plan.dialect,
            writer: None,
            run: run.clone(),
            rows: run.counter("rows"),
            bytes,
            left: args.limit.unwrap_or(u64::MAX),
        })
    }

    /// A report as a table; line protocol cannot hold one, so it is CSV then.
    pub fn write_table(mut self, batch: RecordBatch) -> Result<()> {
        if self.options.to == Format::Lp {
            self.options.to = Format::Csv;
        }
        let mut writer = rows::format::create(self.take()?, Output::finish, batch.schema(), self.options)?;
        writer.write(&batch)?;
        self.rows.add(batch.num_rows() as u64);
        writer.finish()
    }

    /// A report as text.
    pub fn write_text(mut self, text: &str) -> Result<()> {
        let mut output = self.take()?;
        output.write_all(text.as_bytes()).map_err(|e| Error::io("cannot write", e))?;
        output.finish()
    }

    /// The rows that follow have this schema and are of these measurements.
    pub fn begin(&mut self, group: &[Measurement], schema: SchemaRef) -> Result<()> {
        let options = self.options.clone();
        self.writer = Some(match &mut self.to {
            To::One(_) => rows::format::create(self.take()?, Output::finish, schema, options)?,
            To::Lines(shared, _) => {
                // Mark and compression are those of the whole output.
                let options = WriteOptions { end_mark: false, compression: None, ..options };
                let encode = EncodeOptions::new(self.dialect);
                Box::new(LpWriter::create(shared.clone(), |_| Ok(()), &schema, &options, encode, stop_at_first())?)
            }
            To::Directory(directory) => {
                let name = group.first().map_or("", |table| table.name.as_str());
                let path = directory.join(format!("{}.{}", file_name(name, ""), options.to.as_str()));
                let output = Output::create(Some(&path))?.counting(self.bytes.clone());
                rows::format::create(output, Output::finish, schema, options)?
            }
        });
        Ok(())
    }

    /// Writes a batch, as far as `--limit` goes. False: that was the last row wanted.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        let rows = usize::try_from(self.left).unwrap_or(usize::MAX).min(batch.num_rows());
        let Sink { writer, rows: count, bytes, run, .. } = self;
        run.pace(rows, bytes, |at, some| {
            if let Some(writer) = writer {
                writer.write(&batch.slice(at, some))?;
            }
            count.add(some as u64);
            Ok(())
        })?;
        self.left -= rows as u64;
        Ok(self.left > 0)
    }

    /// The rows of this group are complete.
    pub fn end(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(writer) => writer.finish(),
            None => Ok(()),
        }
    }

    /// Everything is complete.
    pub fn finish(self) -> Result<()> {
        let To::Lines(shared, mark) = self.to else { return Ok(()) };
        let Some(writer) = shared.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let output = if mark {
            writer.mark(self.rows.get()).map_err(|e| Error::io("cannot write the end mark", e))?
        } else {
            writer.into_inner()
        };
        output.finish().map_err(|e| Error::io("cannot end the compressed stream", e))?.finish()
    }

    fn take(&mut self) -> Result<Output> {
        match &mut self.to {
            To::One(output) => output.take().ok_or_else(|| Error::new(fault::Kind::Bug, "the output is taken")),
            _ => Err(Error::new(fault::Kind::Bug, "this output is no table")),
        }
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(output) => output.write(bytes),
            None => Err(io::Error::other("the output has ended")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
