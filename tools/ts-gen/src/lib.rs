//! `ts-gen`: deterministic data sets by name and seed.

pub mod args;
mod data;
mod edge;
mod sensors;
mod wide;

pub use args::Args;

use args::Dataset;
use cli::output::Output;
use cli::{Run, Tool};
use data::DataSet;
use fault::Result;
use rows::format::{self, WriteOptions};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "ts-gen",
    stage: cli::Stage::Control,
    about: "Generate a time-series data set, the same bytes for the same name and seed",
    description: "\
Writes a data set to stdout or a file, in any row format, at millions of rows per second. Rows are interleaved by time over \
the sub-tables, as a real fleet of devices sends them. The data sets:

  sensors  temperature, humidity (float), pressure (double), status (int); tags location, device_id
  meters   current, phase (float), voltage (int); tags groupid, location, equal for many sub-tables
  wide     60 columns (long and double), three in ten cells NULL; tag machine
  edge     every type, NULL, extreme values, awkward strings
  keyed    a composite primary key, and sub-tables with equal tags
  json     a JSON tag",
    examples: &[
        ("Three sensors' first rows as CSV", "ts-gen sensors --rows 3 --tables 3"),
        ("A million rows as Parquet", "ts-gen sensors --rows 1000000 -o sensors.parquet"),
        ("Line protocol of a meter fleet", "ts-gen meters --rows 1000 --tables 10 -t lp"),
    ],
    environment: &[],
};

/// Writes the data set.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let shape = args.shape()?;
    let set: Box<dyn DataSet> = match args.dataset {
        Dataset::Sensors => Box::new(sensors::Sensors::new(shape)),
        Dataset::Meters => Box::new(sensors::Meters::new(shape)),
        Dataset::Wide => Box::new(wide::Wide::new(shape)),
        Dataset::Edge => Box::new(edge::Edge::new(shape)),
        Dataset::Keyed => Box::new(edge::Keyed::new(shape)),
        Dataset::Json => Box::new(edge::JsonTag::new(shape)),
    };
    // The sub-table's name stands second in every set.
    let schema = set.schema();
    let kept: Vec<usize> = (0..schema.fields().len()).filter(|i| !args.no_table || *i != 1).collect();
    let schema = std::sync::Arc::new(schema.project(&kept).map_err(data::bug)?);
    let output = Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"));
    let options = WriteOptions {
        to: args.format(),
        end_mark: args.end_mark.end_mark,
        compression: args.compression(),
        ..WriteOptions::default()
    };
    let mut writer = format::create(output, Output::finish, schema, options)?;
    run.expect_rows(shape.rows);
    let (rows, stop) = (run.counter("rows"), run.stop());
    let mut from = 0;
    while from < shape.rows {
        stop.check()?;
        let count = u64::from(args.batch.batch_rows).min(shape.rows - from);
        let batch = set.batch(from, count as usize)?.project(&kept).map_err(data::bug)?;
        writer.write(&batch)?;
        rows.add(count);
        from += count;
    }
    writer.finish()
}
