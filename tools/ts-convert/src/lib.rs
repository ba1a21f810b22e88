//! `ts-convert`: from any row format to any other, with another shape on the way.

pub mod args;
mod shape;

pub use args::Args;

use cli::output::Output;
use cli::rejects::Rejects;
use cli::{Run, Tool};
use fault::Result;
use rows::compress::Compression;
use rows::format::{self, BadRow, Format, ReadOptions, Source, WriteOptions};
use rows::{Limits, pipe};
use shape::Shape;

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "ts-convert",
    stage: cli::Stage::Filter,
    about: "Convert time series between CSV, Arrow, Parquet, NDJSON and line protocol",
    description: "\
Reads any row format and writes any other, in bounded memory. Columns can be selected, renamed, cast and given another role; \
roles and types travel in the typed CSV header, in the metadata of Arrow and Parquet, and in the syntax of line protocol. \
A value that the new type cannot hold is an error, never a NULL.",
    examples: &[
        ("CSV to Parquet", "ts-gen sensors --rows 1000 | ts-convert -o sensors.parquet"),
        ("Two columns of the first rows", "ts-gen sensors --rows 1000 | ts-convert --select ts,temperature --limit 3"),
        (
            "A tag that is really a value",
            "ts-gen meters --rows 10 --tables 10 | ts-convert --role groupid=field --cast groupid=long -t ndjson",
        ),
    ],
    environment: &[],
};

/// Reads, reshapes, writes.
pub fn run(args: Args, run: &Run) -> Result<()> {
    // The output comes first: a bad path fails before any input is consumed.
    let output = Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"));
    let input = cli::input::open(&args.input, run)?;
    let mut rejects = Rejects::create(&args.rejects, run)?;
    let options = ReadOptions {
        from: args.from,
        limits: Limits { rows: args.batch.batch_rows as usize, bytes: args.batch.batch_bytes as usize },
        end_mark: args.end_mark.end_mark,
        null: args.null.clone().map(String::into_bytes),
        header: args.header,
        delimiter: args.delimiter,
        precision: args.precision,
        // Formats that keep the Arrow type get it as it is in the file.
        dictionaries: !matches!(args.format(), Format::Arrow | Format::Parquet),
        bad_rows: Box::new(move |row: &BadRow<'_>| {
            rejects.add(row.bytes, row.reason)?;
            rejects.flush()
        }),
        ..ReadOptions::default()
    };
    let reader = format::open(Source::new(input.name, input.reader, input.file), options)?;
    let mut reader = pipe::threaded(reader);
    let shape = Shape::new(&reader.schema(), &args)?;
    let options = WriteOptions {
        to: args.format(),
        end_mark: args.end_mark.end_mark,
        header: args.output_header,
        compression: args.output.output.as_deref().and_then(Compression::from_path),
        precision: args.precision,
        ..WriteOptions::default()
    };
    let mut writer = format::create(output, Output::finish, shape.schema.clone(), options)?;
    let (rows, stop) = (run.counter("rows"), run.stop());
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        stop.check()?;
        let Some(batch) = reader.next()? else { break };
        let batch = shape.apply(&batch)?;
        let batch = if batch.num_rows() as u64 > left { batch.slice(0, left as usize) } else { batch };
        writer.write(&batch)?;
        rows.add(batch.num_rows() as u64);
        left -= batch.num_rows() as u64;
    }
    writer.finish()
}
