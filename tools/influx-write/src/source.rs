//! Whatever comes in, as line protocol.
//!
//! Rows in another format are encoded in a thread by the same writer that `lp-encode` uses, and come through a pipe of
//! the operating system like any other line protocol: one way to the server, with the same checks.

use cli::Run;
use cli::input::Input;
use fault::{Error, Kind, Result};
use rows::format::{Format, ReadOptions, Source, WriteOptions};
use rows::time::Unit;
use std::io::{BufWriter, Cursor, PipeWriter, Read, Write as _};
use std::path::Path;
use std::thread::JoinHandle;

/// An input as line protocol.
pub struct Encoded {
    pub name: String,
    pub reader: Box<dyn Read + Send>,
    /// The end mark stands in the line protocol itself (else the row reader has seen to it).
    pub marked: bool,
    encoder: Option<JoinHandle<Result<()>>>,
}

/// Opens the input. `unit`: of the times in the lines that are made from rows. Finds its format by flag, extension, magic bytes; without any of these it is line protocol.
pub fn open(input: Input, from: Option<Format>, unit: Option<Unit>, end_mark: bool, run: &Run) -> Result<Encoded> {
    let Input { name, reader, file } = input;
    let stated = from.or_else(|| Format::from_path(Path::new(&name)));
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
        let (_, reader) = rows::format::plain(source)?;
        return Ok(Encoded { name, reader, marked: end_mark, encoder: None });
    }
    let failed = |error| Error::io("cannot start the encoder", error);
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let run = run.clone();
    let options = ReadOptions { from: Some(format), end_mark, ..ReadOptions::default() };
    let to = WriteOptions { to: Format::Lp, precision: unit.unwrap_or(Unit::Ns), ..WriteOptions::default() };
    let work = move || encode(source, options, to, writer, &run);
    let encoder = std::thread::Builder::new().name("encode".into()).spawn(work).map_err(failed)?;
    Ok(Encoded { name, reader: Box::new(reader), marked: false, encoder: Some(encoder) })
}

impl Encoded {
    /// The encoder's thread, to be asked with [`outcome`] when the lines have ended.
    pub fn take_encoder(&mut self) -> Option<JoinHandle<Result<()>>> {
        self.encoder.take()
    }
}

/// How the encoding ended. Only to be asked when nobody reads the lines any more: the thread then ends by itself.
pub fn outcome(encoder: Option<JoinHandle<Result<()>>>) -> Result<()> {
    match encoder.map(JoinHandle::join) {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) => Err(Error::new(Kind::Bug, "the encoder panicked")),
    }
}

fn encode(source: Source, options: ReadOptions, to: WriteOptions, writer: PipeWriter, run: &Run) -> Result<()> {
    let mut reader = rows::format::open(source, options)?;
    let out = BufWriter::with_capacity(256 << 10, writer);
    let finish = |mut out: BufWriter<PipeWriter>| out.flush().map_err(gone);
    let lines = rows::format::create(out, finish, reader.schema(), to)?;
    let stop = run.stop();
    rows::pipe::copy(reader.as_mut(), lines, |_| stop.check())
}

/// The reading side has ended first; its error is the one that is shown.
fn gone(error: std::io::Error) -> Error {
    Error::caused(Kind::Target, "the lines are not read any more", error)
}
