//! `lp-decode`: line protocol into rows of any format.

pub mod args;

pub use args::Args;

use cli::output::Output;
use cli::rejects::Rejects;
use cli::{Run, Tool};
use fault::{Error, Result};
use rows::compress::Compression;
use rows::format::{self, BadRow, Source, WriteOptions};
use rows::line_protocol::{DecodeCounts, LpReader};
use rows::{Limits, pipe};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "lp-decode",
    stage: cli::Stage::Filter,
    about: "Turn InfluxDB line protocol into rows of any format",
    description: "\
Tags, fields and time become columns that keep their role; types are those of the lines (i is long, u is ulong, no suffix is double). \
The columns are inferred from the first lines (at most 8,192, or 1 MiB); a later line with something else is named, and --scan looks at \
all lines first, --schema states the columns. Lines of several measurements get a column measurement.

A bad line is named with its line number, its offset and a reason, and reading goes on at the next line: also after a quote that \
was never closed. A line without a timestamp is no row. Comments and blank lines are skipped, a carriage return before a line feed too. \
Summary keys: rows, lines, skipped (of other measurements), overwritten (fields that came twice while merging).",
    examples: &[
        ("line protocol to Parquet", "lp-decode sensors.lp -o sensors.parquet"),
        ("one measurement of an export with one line per field", "lp-decode --dialect v1 --scan --merge --measurement cpu export.lp.gz -o cpu.csv"),
        ("times in milliseconds, bad lines set aside", "lp-decode --precision ms --rejects bad.lp --max-rejects 100 sensors.lp"),
    ],
    environment: &[("TMPDIR", "where --scan keeps what it reads from stdin")],
};

/// Reads, decodes, writes.
pub fn run(args: Args, run: &Run) -> Result<()> {
    // The output comes first: a bad path fails before any input is consumed.
    let output = Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"));
    let rejects = Arc::new(Mutex::new(Rejects::create(&args.rejects, run)?));
    let options = args.decode_options()?;
    let input = cli::input::open(&args.input, run)?;
    let name = input.name.clone();
    let file = input.file;
    let (head, reader) = format::plain(Source::new(input.name, input.reader, None))?;
    let limits = Limits { rows: args.batch.batch_rows as usize, bytes: args.batch.batch_bytes as usize };
    let bad = Arc::clone(&rejects);
    let bad_rows = Box::new(move |row: &BadRow<'_>| lock(&bad).add(row.bytes, row.reason));
    let file = uncompressed(file, &head).map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    let reader: Box<dyn Read + Send> = reader;
    let reader = LpReader::open(&name, reader, file, options, limits, args.end_mark.end_mark, bad_rows)?;
    let counts = reader.counts();
    let mut reader = pipe::threaded(Box::new(reader));
    let write = WriteOptions {
        to: args.format(),
        end_mark: args.end_mark.end_mark,
        header: args.output_header,
        precision: args.time_unit.or(args.precision).unwrap_or(rows::time::Unit::Ns),
        compression: args.output.output.as_deref().and_then(Compression::from_path),
        ..WriteOptions::default()
    };
    let writer = format::create(output, Output::finish, reader.schema(), write)?;
    let writer = Box::new(Flushing { writer, rejects });
    let (rows, stop) = (run.counter("rows"), run.stop());
    let copied = pipe::copy(&mut *reader, writer, |batch| {
        rows.add(batch.num_rows() as u64);
        stop.check()
    });
    report(&counts, run);
    if counts.hurried() > 0 {
        let message =
            "rows left the merge before its window was full, for want of memory: their fields may stand in two rows";
        run.warn(format!("{} {message} (see --batch-bytes)", counts.hurried()));
    }
    copied
}

/// Writes out the rejects before the output gets its name.
struct Flushing {
    writer: Box<dyn rows::Writer>,
    rejects: Arc<Mutex<Rejects>>,
}

impl rows::Writer for Flushing {
    fn write(&mut self, batch: &rows::RecordBatch) -> Result<()> {
        self.writer.write(batch)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        lock(&self.rejects).flush()?;
        self.writer.finish()
    }
}

/// The regular file that the lines stand in as they are: it begins with the bytes that came out of it.
fn uncompressed(file: Option<File>, head: &[u8]) -> std::io::Result<Option<File>> {
    let Some(file) = file else { return Ok(None) };
    let mut first = vec![0; head.len()];
    let n = file.read_at(&mut first, 0)?;
    Ok(if n == head.len() && first == head { Some(file) } else { None })
}

fn report(counts: &DecodeCounts, run: &Run) {
    run.counter("lines").set(counts.lines());
    for (key, n) in [("skipped", counts.skipped()), ("overwritten", counts.overwritten())] {
        if n > 0 {
            run.counter(key).set(n);
        }
    }
}

/// A panic in the reading thread must not hide the rejects.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
