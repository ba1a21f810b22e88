//! Reading one part: its rows once, or an error. Never some rows twice.

use crate::layout::Layout;
use crate::piece::{Piece, Spool};
use crate::plan::Part;
use crate::session::{Connector, Patience, Session};
use arrow_array::RecordBatch;
use fault::{Error, Kind, Result};
use rows::{Limits, batch};
use tdengine::{Client, Failure, Results, catalog};

/// How parts are read.
#[derive(Clone)]
pub struct Reading {
    /// Hold a part until it is complete.
    pub spool: bool,
    /// Compare a part with a count of its own; needs `spool`.
    pub check: bool,
    /// Bytes of a part that are held in memory before the first row is handed out.
    pub hold: usize,
    /// Bytes of batches that are handed out together, at least; less where less is held.
    pub together: usize,
    pub limits: Limits,
    /// The output is CSV, and the rows may come as that where the reply is text too; needs `spool`.
    pub text: bool,
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
    pub fn read(&mut self, part: &Part, layout: &Layout, mut each: impl FnMut(Vec<Piece>) -> Result<()>) -> Result<()> {
        let mut patience = Patience::new(&self.connector);
        let mut handed_out = 0u64;
        let mut mismatches = 0;
        loop {
            let mut count = |some: Vec<Piece>| {
                handed_out += some.iter().map(Piece::rows).sum::<u64>();
                each(some)
            };
            let tried = if self.reading.spool {
                self.spooled(part, layout, &mut mismatches)
                    .and_then(|spool| spool.replay(self.reading.limits, &mut count).map_err(Broken::Local))
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
        each: &mut dyn FnMut(Vec<Piece>) -> Result<()>,
    ) -> std::result::Result<(), Broken> {
        let client = self.session.client()?;
        let (mut held, mut bytes, mut all) = (Vec::new(), 0, 0);
        let Reading { hold, together, .. } = self.reading;
        stream(client, part, layout, self.reading.limits, &mut |batch| {
            let piece = Piece::Batch(batch);
            (bytes, all) = (bytes + piece.bytes(), all + piece.bytes());
            held.push(piece);
            if all < hold || bytes < together.min(hold) {
                return Ok(());
            }
            bytes = 0;
            each(std::mem::take(&mut held))
        })?;
        if held.is_empty() { Ok(()) } else { each(held).map_err(Broken::Local) }
    }

    /// The whole part in a temporary file, counted where that was asked for.
    fn spooled(&mut self, part: &Part, layout: &Layout, mismatches: &mut u32) -> std::result::Result<Spool, Broken> {
        let Reading { limits, check, text, .. } = self.reading;
        let client = self.session.client()?;
        let spool = match text {
            true => spool_text(client, part, layout, limits)?,
            false => spool_batches(client, part, layout, limits)?,
        };
        let rows = spool.rows();
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
        Ok(spool)
    }
}

/// One statement into a temporary file.
fn spool_batches(
    client: &mut Client,
    part: &Part,
    layout: &Layout,
    limits: Limits,
) -> std::result::Result<Spool, Broken> {
    let mut spool = Spool::of_batches(layout.schema.clone()).map_err(Broken::Local)?;
    stream(client, part, layout, limits, &mut |batch| spool.write(&batch))?;
    Ok(spool)
}

/// The same as text, where that is possible.
fn spool_text(client: &mut Client, part: &Part, layout: &Layout, limits: Limits) -> std::result::Result<Spool, Broken> {
    let mut spool = Spool::of_text().map_err(Broken::Local)?;
    let mut results = start(client, part, layout)?;
    let unit = results.unit();
    let Some((reply, mut text)) =
        results.as_rest().and_then(|reply| layout.text(&reply.columns, unit).map(|text| (reply, text)))
    else {
        drop(results);
        return spool_batches(client, part, layout, limits);
    };
    while reply.next_text(&mut text)? {
        if text.null_seen() {
            return Err(Broken::Local(layout.refuse_null()));
        }
        let (rows, text) = text.written();
        if rows > 0 {
            spool.write_text(rows, text).map_err(Broken::Local)?;
        }
    }
    Ok(spool)
}

/// Starts the statement, and checks its columns.
fn start<'a>(client: &'a mut Client, part: &Part, layout: &Layout) -> std::result::Result<Results<'a>, Broken> {
    let mut results = client.query(&part.select(&layout.items), Some(layout.unit()))?;
    let unit = results.unit();
    layout.apply(results.columns_mut(), unit).map_err(Broken::Local)?;
    Ok(results)
}

/// One statement, batch by batch.
fn stream(
    client: &mut Client,
    part: &Part,
    layout: &Layout,
    limits: Limits,
    each: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> std::result::Result<(), Broken> {
    let mut results = start(client, part, layout)?;
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
