//! Whatever comes in, as line protocol.
//!
//! Rows in another format are encoded in a thread by the same writer that `lp-encode` uses, and come through a pipe of
//! the operating system like any other line protocol: one way to the server, with the same checks.

use crate::args::{Args, Plan};
use cli::Run;
use cli::input::Input;
use cli::workers::Shared;
use fault::{Error, Kind, Result};
use rows::format::{BadRow, Format, ReadOptions, Source, WriteOptions};
use rows::line_protocol::{EncodeOptions, LpWriter, Measurement, NoLines, Rejected};
use rows::pipe;
use rows::time::Unit;
use std::io::{self, Cursor, PipeWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

/// An input as line protocol.
pub struct Encoded {
    pub name: String,
    pub reader: Box<dyn Read + Send>,
    /// The end mark of the line protocol itself.
    pub mark: Mark,
    encoder: Option<JoinHandle<Result<()>>>,
}

/// What is known of the end mark before reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was asked for.
    Required,
    /// Checked if it is there.
    Possible,
    /// There is none: the end of the file was looked at, or the row reader has seen to it.
    None,
}

/// Opens the input; finds its format by flag, extension, magic bytes; without any of these it is line protocol.
pub fn open(input: Input, args: &Args, plan: &Plan, shared: &Arc<Shared>, run: &Run) -> Result<Encoded> {
    let Input { name, reader, file } = input;
    let stated = args.from.or_else(|| Format::from_path(Path::new(&name)));
    let source = |reader, file| Source::new(name.clone(), reader, file);
    let (format, source) = match stated {
        Some(format) => (format, source(reader, file)),
        None => {
            let mut head = Vec::new();
            let mut reader = reader;
            (&mut reader).take(8).read_to_end(&mut head).map_err(|e| Error::io(format!("cannot read {name}"), e))?;
            let format = Format::from_magic(&head).unwrap_or(Format::Lp);
            (format, source(Box::new(Cursor::new(head).chain(reader)), file))
        }
    };
    if format == Format::Lp {
        let mark = match &source.file {
            _ if args.end_mark.end_mark => Mark::Required,
            Some(file) if rows::endmark::surely_unmarked(file) => Mark::None,
            _ => Mark::Possible,
        };
        let (_, reader) = rows::format::plain(source)?;
        return Ok(Encoded { name, reader, mark, encoder: None });
    }
    let bad = Arc::clone(shared);
    let options = ReadOptions {
        from: Some(format),
        end_mark: args.end_mark.end_mark,
        bad_rows: Box::new(move |row: &BadRow<'_>| bad.reject(row.bytes, row.reason)),
        ..ReadOptions::default()
    };
    let encode = EncodeOptions {
        measurement: args.measurement.clone().map_or(Measurement::Stated, Measurement::Named),
        precision: args.precision.unwrap_or(Unit::Ns),
        ..EncodeOptions::new(plan.dialect)
    };
    let failed = |error| Error::io("cannot start the encoder", error);
    let (reader, writer) = io::pipe().map_err(failed)?;
    let (run, shared) = (run.clone(), Arc::clone(shared));
    let work = move || rows_to_lines(source, options, encode, writer, shared, &run);
    let encoder = std::thread::Builder::new().name("encode".into()).spawn(work).map_err(failed)?;
    Ok(Encoded { name, reader: Box::new(reader), mark: Mark::None, encoder: Some(encoder) })
}

impl Encoded {
    /// The encoder's thread, to be asked with [`outcome`] when the lines have ended.
    pub fn take_encoder(&mut self) -> Option<JoinHandle<Result<()>>> {
        self.encoder.take()
    }
}

/// How the encoding ended. Only to be asked when the lines have ended, or nobody reads them any more.
pub fn outcome(encoder: Option<JoinHandle<Result<()>>>) -> Result<()> {
    match encoder.map(JoinHandle::join) {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) => Err(Error::new(Kind::Bug, "the encoder panicked")),
    }
}

fn rows_to_lines(
    source: Source,
    options: ReadOptions,
    encode: EncodeOptions,
    writer: PipeWriter,
    shared: Arc<Shared>,
    run: &Run,
) -> Result<()> {
    let name = source.name.clone();
    let mut reader = rows::format::open(source, options)?;
    let no_lines: NoLines = Box::new(move |row: &Rejected<'_>| {
        let text = rows::row_text(row.batch, row.row)?;
        shared.reject(&text, &format!("{name}: row {}: {row}", row.number))
    });
    let to = WriteOptions { to: Format::Lp, ..WriteOptions::default() };
    let finish = |mut out: PipeWriter| out.flush().map_err(gone);
    let lines = LpWriter::create(writer, finish, &reader.schema(), &to, encode, no_lines)?;
    let (stop, counts) = (run.stop(), lines.counts());
    let copied = pipe::copy(reader.as_mut(), Box::new(lines), |_| stop.check());
    for (repair, rows) in counts.repairs().iter() {
        run.counter(repair.name()).set(rows);
    }
    copied
}

/// The reading side has ended first; its error is the one that is shown.
fn gone(error: io::Error) -> Error {
    Error::caused(Kind::Target, "the lines are not read any more", error)
}
