//! Reading one part: its rows once, or an error. Never some rows twice.

use crate::layout::Layout;
use crate::plan::Part;
use crate::session::{Connector, Patience, Session};
use arrow_array::RecordBatch;
use fault::{Error, Kind, Result};
use rows::format::{self, Format, Source, WriteOptions};
use rows::{Limits, batch, spool};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use tdengine::{Client, Failure, catalog};

/// Bytes of batches that go to the writer together, at least; less where less is held.
const TOGETHER: usize = 512 << 10;

/// How parts are read.
#[derive(Clone)]
pub struct Reading {
    /// Hold a part until it is complete.
    pub spool: bool,
    /// Compare a part with a count of its own; needs `spool`.
    pub check: bool,
    /// Bytes of a part that are held in memory before the first row is handed out.
    pub hold: usize,
    pub limits: Limits,
}

/// What reads parts: one connection.
pub struct PartReader {
    connector: Connector,
    session: Session,
    reading: Reading,
}

/// Why an attempt ended.
enum Broken {
    /// The connection or the server.
    Failed(Failure),
    /// Here: no disk space, nobody takes the rows any more.
    Local(Error),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken::Failed(failure)
    }
}

impl PartReader {
    pub fn new(connector: &Connector, reading: Reading) -> PartReader {
        PartReader { connector: connector.clone(), session: connector.session(), reading }
    }

    /// Reads a part into `each`. Over again where it breaks, as long as none of its rows has been handed out; after
    /// that the order is unknown, and a repeat would double rows.
    pub fn read(
        &mut self,
        part: &Part,
        layout: &Layout,
        mut each: impl FnMut(Vec<RecordBatch>) -> Result<()>,
    ) -> Result<()> {
        let mut patience = Patience::new(&self.connector);
        let mut handed_out = 0u64;
        let mut mismatches = 0;
        loop {
            let mut count = |some: Vec<RecordBatch>| {
                handed_out += some.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
                each(some)
            };
            let tried = if self.reading.spool {
                self.spooled(part, layout, &mut mismatches).and_then(|file| match file {
                    Some(file) => replay(file, self.reading.limits, &mut count).map_err(Broken::Local),
                    None => Ok(()),
                })
            } else {
                self.straight(part, layout, &mut count)
            };
            let failure = match tried {
                Ok(()) => return Ok(()),
                Err(Broken::Local(error)) => return Err(error),
                Err(Broken::Failed(failure)) => failure,
            };
            self.session.drop_client();
            self.connector.run.stop().check()?;
            let failure = failure.context(part.name.clone());
            if handed_out > 0 {
                let advice = "use --spool, which holds a part until it is complete, or smaller parts with --split";
                return Err(failure.error.context(format!(
                    "{handed_out} rows of this part were already written, so it cannot be read again ({advice})"
                )));
            }
            patience.again(failure)?;
        }
    }

    /// Every batch as it comes, but for the beginning, which is held: small parts can be read again at no cost.
    fn straight(
        &mut self,
        part: &Part,
        layout: &Layout,
        each: &mut dyn FnMut(Vec<RecordBatch>) -> Result<()>,
    ) -> std::result::Result<(), Broken> {
        let client = self.session.client()?;
        let (mut held, mut bytes, mut all) = (Vec::new(), 0, 0);
        let hold = self.reading.hold;
        stream(client, part, layout, self.reading.limits, &mut |batch| {
            let size = batch::slice_bytes(&batch);
            (bytes, all) = (bytes + size, all + size);
            held.push(batch);
            if all < hold || bytes < TOGETHER.min(hold) {
                return Ok(());
            }
            bytes = 0;
            each(std::mem::take(&mut held))
        })?;
        if held.is_empty() { Ok(()) } else { each(held).map_err(Broken::Local) }
    }

    /// The whole part in a temporary file (`None`: no rows), counted where that was asked for.
    fn spooled(
        &mut self,
        part: &Part,
        layout: &Layout,
        mismatches: &mut u32,
    ) -> std::result::Result<Option<File>, Broken> {
        let (limits, check) = (self.reading.limits, self.reading.check);
        let client = self.session.client()?;
        let file = spool::temporary().map_err(Broken::Local)?;
        let mut handle =
            file.try_clone().map_err(|error| Broken::Local(Error::io("cannot use a temporary file", error)))?;
        // What is full is not where the output goes.
        let spooling = |error: Error| {
            error.context(format!("spool in {} (TMPDIR may name another place)", std::env::temp_dir().display()))
        };
        let options = WriteOptions { to: Format::Arrow, ..WriteOptions::default() };
        let mut writer = format::create(file, |_| Ok(()), layout.schema.clone(), options)
            .map_err(|error| Broken::Local(spooling(error)))?;
        let mut rows = 0u64;
        stream(client, part, layout, limits, &mut |batch| {
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(spooling)
        })?;
        writer.finish().map_err(|error| Broken::Local(spooling(error)))?;
        if check {
            let counted = catalog::count(client, &part.from, &part.condition)?;
            if counted != rows {
                *mismatches += 1;
                let text = format!(
                    "{}: {rows} rows came, the server counts {counted}: the result was cut, or rows arrived late",
                    part.name
                );
                if *mismatches > 1 {
                    return Err(Broken::Local(Error::new(Kind::Source, text)));
                }
                return Err(Broken::Failed(Failure::protocol(text, net::Side::Source)));
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        handle
            .seek(SeekFrom::Start(0))
            .map_err(|error| Broken::Local(Error::io("cannot rewind a temporary file", error)))?;
        Ok(Some(handle))
    }
}

/// One statement, batch by batch.
fn stream(
    client: &mut Client,
    part: &Part,
    layout: &Layout,
    limits: Limits,
    each: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> std::result::Result<(), Broken> {
    let mut results = client.query(&part.select(&layout.items), Some(layout.unit()))?;
    let unit = results.unit();
    layout.apply(results.columns_mut(), unit).map_err(Broken::Local)?;
    while let Some(rows) = results.next_rows()? {
        if rows.len == 0 {
            continue;
        }
        let whole = layout.batch(rows).map_err(Broken::Local)?;
        for slice in batch::rechunk(whole, limits) {
            each(slice).map_err(Broken::Local)?;
        }
    }
    Ok(())
}

fn replay(file: File, limits: Limits, each: &mut dyn FnMut(Vec<RecordBatch>) -> Result<()>) -> Result<()> {
    let options = format::ReadOptions { from: Some(Format::Arrow), limits, ..Default::default() };
    let mut reader = format::open(Source::new("a temporary file", Box::new(file), None), options)?;
    while let Some(batch) = reader.next()? {
        each(vec![batch])?;
    }
    Ok(())
}
