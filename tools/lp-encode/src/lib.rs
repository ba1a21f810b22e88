//! `lp-encode`: rows of any format into line protocol.

pub mod args;

pub use args::Args;

use cli::output::Output;
use cli::rejects::Rejects;
use cli::{Run, Tool};
use fault::Result;
use rows::compress::Compression;
use rows::format::{self, BadRow, Format, Header, Opened, ReadOptions, Source, WriteOptions};
use rows::line_protocol::{CsvToLines, EncodeCounts, LpWriter, Measurement, NoLines, Rejected, Repair};
use rows::naming::{self, Naming};
use rows::{Limits, RecordBatch, SchemaRef, Writer, pipe};
use std::sync::{Arc, Mutex, PoisonError};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "lp-encode",
    stage: cli::Stage::Filter,
    about: "Turn rows of any format into InfluxDB line protocol",
    description: "\
Columns become measurement, tags, fields and time by their role, which td-dump, Arrow, Parquet and the typed CSV header carry; \
--tag, --field, --time and --ignore state it for other inputs. Every line has a timestamp, its tags are sorted, and every server of \
the dialect reads it back as it was. What line protocol cannot hold is refused by default and changed only by a policy of the user; \
the summary counts the rows changed by name (nan_dropped, newline_to_space, empty_tag_dropped, all_null_row and so on).

Integers carry i, unsigned ones u where the dialect has it; times that are not the time key become integers of their unit; 32-bit \
floats are written in their shortest form, which the server keeps as the nearest 64-bit number.",
    examples: &[
        ("a table of TDengine into InfluxDB", "td-dump --table meters | lp-encode --measurement meters | influx-write"),
        ("sensors into a file of line protocol", "ts-gen sensors --rows 1000 | lp-encode --measurement sensors -o sensors.lp"),
        (
            "a CSV from elsewhere, whose columns have no types",
            "lp-encode --header plain --measurement m --time when --tag device --field temp:double foreign.csv",
        ),
    ],
    environment: &[],
};

/// Reads, encodes, writes.
pub fn run(args: Args, run: &Run) -> Result<()> {
    // The output comes first: a bad path fails before any input is consumed.
    let output = Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"));
    let rejects = Arc::new(Mutex::new(Rejects::create(&args.rejects, run)?));
    let input = cli::input::open(&args.input, run)?;
    let name = input.name.clone();
    let naming = args.naming()?;
    let source = Source::new(input.name, input.reader, input.file);
    let opened = format::open_text(source, read_options(&args, &naming, Arc::clone(&rejects)))?;
    let schema = naming.schema(&opened.schema())?;
    let mut options = args.encode_options()?;
    if let Measurement::Column(column) = &mut options.measurement
        && let Some((_, new)) = args.naming.rename.iter().rev().find(|(old, _)| old == column)
    {
        // Columns are named as in the input on the whole command line.
        column.clone_from(new);
    }
    let write = WriteOptions {
        to: Format::Lp,
        end_mark: args.end_mark.end_mark,
        compression: args.output.output.as_deref().and_then(Compression::from_path),
        ..WriteOptions::default()
    };
    let no_lines = set_aside(name, Arc::clone(&rejects));
    let (rows, stop) = (run.counter("rows"), run.stop());
    let each = |counts: &EncodeCounts| {
        rows.set(counts.lines());
        stop.check()
    };
    match opened {
        Opened::Csv(csv) => {
            let lines = CsvToLines::create(*csv, schema, output, Output::finish, &write, options, no_lines)?;
            let counts = lines.counts();
            let written = lines.threads(args.threads.into()).run(|| each(&counts));
            rows.set(counts.lines());
            report(&counts, run);
            let written = written?;
            // What was left out is on disk before the output gets its name.
            lock(&rejects).flush()?;
            written.finish()
        }
        Opened::Other(reader) => {
            let writer = LpWriter::create(output, Output::finish, &schema, &write, options, no_lines)?;
            let counts = writer.counts();
            let writer = Box::new(Shaped { writer, schema, rejects });
            let copied = pipe::copy(&mut *pipe::threaded(reader), writer, |_| each(&counts));
            rows.set(counts.lines());
            report(&counts, run);
            copied
        }
    }
}

/// Gives batches the roles and names of the command line before they are written.
struct Shaped {
    writer: LpWriter<Output>,
    schema: SchemaRef,
    rejects: Arc<Mutex<Rejects>>,
}

impl Writer for Shaped {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(&naming::apply(batch, &self.schema)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        // What was left out is on disk before the output gets its name.
        lock(&self.rejects).flush()?;
        Box::new(self.writer).finish()
    }
}

fn read_options(args: &Args, naming: &Naming, rejects: Arc<Mutex<Rejects>>) -> ReadOptions {
    let typed = args.csv.header == Header::Typed && args.from != Some(Format::Ndjson);
    ReadOptions {
        from: args.from,
        limits: Limits { rows: args.batch.batch_rows as usize, bytes: args.batch.batch_bytes as usize },
        end_mark: args.end_mark.end_mark,
        null: args.csv.null.clone().map(String::into_bytes),
        header: args.csv.header,
        delimiter: args.csv.delimiter,
        epoch: args.csv.epoch,
        columns: naming.columns(typed),
        dictionaries: true,
        bad_rows: Box::new(move |row: &BadRow<'_>| lock(&rejects).add(row.bytes, row.reason)),
        ..ReadOptions::default()
    }
}

/// A row that is no line goes to the rejects as CSV, with its reason.
fn set_aside(name: String, rejects: Arc<Mutex<Rejects>>) -> NoLines {
    Box::new(move |row: &Rejected<'_>| {
        let text = rows::row_text(row.batch, row.row)?;
        lock(&rejects).add(&text, &format!("{name}: row {}: {row}", row.number))
    })
}

/// The repairs in the summary, and a word on rows that have no line at all.
fn report(counts: &EncodeCounts, run: &Run) {
    for (repair, rows) in counts.repairs().iter() {
        run.counter(repair.name()).set(rows);
    }
    let skipped = counts.repairs().values(Repair::AllNullRow);
    if skipped > 0 {
        run.warn(format!("{skipped} rows without a value in any field have no line (see --all-null)"));
    }
}

/// A panic in the reading thread must not hide the rejects.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
