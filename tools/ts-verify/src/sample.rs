//! `--sample N/M`: some of the series, whole. Whether a series is one of them is a function of its hash and the seed alone,
//! so two sides that never meet choose the same ones, whatever their formats.

use crate::input::Rows;
use crate::layout::Layout;
use crate::options::Options;
use crate::series::Table;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use fault::{Error, Kind, Result};
use rows::{Reader, SchemaRef};
use std::fmt;
use std::str::FromStr;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// `n` of `m` series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    n: u64,
    m: u64,
    seed: u64,
}

impl Sample {
    /// Another choice.
    pub fn seeded(self, seed: u64) -> Sample {
        Sample { seed, ..self }
    }

    /// It is no sample but everything.
    pub fn is_all(self) -> bool {
        self.n == self.m
    }

    /// Is the series with this hash in the sample?
    fn has(self, series: u128) -> bool {
        xxh3_64_with_seed(&series.to_le_bytes(), self.seed) % self.m < self.n
    }
}

impl FromStr for Sample {
    type Err = Error;

    /// `N/M`, and `N/M seed S` in the header of a digest.
    fn from_str(text: &str) -> Result<Sample> {
        let (ratio, seed) = text.split_once(" seed ").unwrap_or((text, "0"));
        let parts = ratio.split_once('/').map(|(n, m)| (n.parse::<u64>(), m.parse::<u64>(), seed.parse::<u64>()));
        match parts {
            Some((Ok(n), Ok(m), Ok(seed))) if 0 < n && n <= m => Ok(Sample { n, m, seed }),
            _ => Err(Error::usage(format!("'{text}' is no sample: give N/M with 0 < N <= M, such as 1/64"))),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} seed {}", self.n, self.m, self.seed)
    }
}

/// Takes the rows of the sample out of batches.
pub struct Sampler {
    sample: Sample,
    /// Only for the hashes of the series: it keeps none.
    table: Table,
}

impl Sampler {
    /// `None` without a sample.
    pub fn new(options: &Options) -> Option<Sampler> {
        options.sample.map(|sample| Sampler { sample, table: Table::new() })
    }

    /// The rows of the sample.
    pub fn filter(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<RecordBatch> {
        self.table.near(batch, layout, options)?;
        let mut last = (0, self.sample.has(0));
        let keep: BooleanArray = (self.table.sums.iter())
            .map(|hash| {
                if *hash != last.0 {
                    last = (*hash, self.sample.has(*hash));
                }
                Some(last.1)
            })
            .collect();
        filter_record_batch(batch, &keep).map_err(|error| Error::caused(Kind::Bug, "cannot take a sample", error))
    }
}

/// Opens rows from their beginning; with a sample, only its rows.
pub fn open(rows: &mut Rows, layout: &Layout, options: &Options) -> Result<Box<dyn Reader>> {
    let reader = rows.open()?;
    Ok(match Sampler::new(options) {
        None => reader,
        Some(sampler) => Box::new(Sampled { reader, sampler, layout: layout.clone(), options: *options }),
    })
}

struct Sampled {
    reader: Box<dyn Reader>,
    sampler: Sampler,
    layout: Layout,
    options: Options,
}

impl Reader for Sampled {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.reader.next()? else { return Ok(None) };
        self.sampler.filter(&batch, &self.layout, &self.options).map(Some)
    }
}
