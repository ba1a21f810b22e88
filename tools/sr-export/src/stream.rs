//! Rows of one table on one output.

use crate::args::Args;
use crate::export::{Message, Settings, Sink, export, with_workers};
use crate::session::Connector;
use crate::table::Unit;
use arrow_array::RecordBatch;
use cli::output::Output;
use fault::{Error, Kind, Result};
use rows::batch::slice_bytes;
use rows::{SchemaRef, format};
use std::sync::mpsc::SyncSender;

/// Reads the units and writes their rows, those of a partition together only with one worker.
pub fn stream(
    output: Output,
    schema: SchemaRef,
    units: &[Unit],
    settings: Settings,
    args: &Args,
    connector: &Connector,
) -> Result<()> {
    let options = args.write_options(args.output.output.as_deref());
    // With the first row: a source that gives none for an error leaves an empty output.
    let create = |output| format::create(output, Output::finish, schema.clone(), options.clone());
    let (mut output, mut writer) = (Some(output), None);
    let (run, hold) = (&connector.run, usize::try_from(args.hold).unwrap_or(usize::MAX));
    let (count, bytes) = (run.counter("rows"), run.counter("bytes"));
    let mut left = args.limit.unwrap_or(u64::MAX);
    let work = |session: &mut crate::session::Session, unit: &Unit, sender: &SyncSender<Message>| {
        let mut sink = Held { sender, held: Vec::new(), bytes: 0, given: false, hold };
        export(session, unit, settings, &mut sink)?;
        sink.give()
    };
    with_workers(connector, units, args.workers(), &work, |batch| {
        run.stop().check()?;
        if let Some(output) = output.take() {
            writer = Some(create(output)?);
        }
        let Some(writer) = &mut writer else { return Ok(false) };
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(batch.num_rows());
        run.pace(rows, &bytes, |at, some| {
            match some < batch.num_rows() {
                true => writer.write(&batch.slice(at, some))?,
                false => writer.write(&batch)?,
            }
            count.add(some as u64);
            Ok(())
        })?;
        left -= rows as u64;
        Ok(left > 0)
    })?;
    match (writer, output) {
        (Some(writer), _) => writer.finish(),
        (None, Some(output)) => create(output)?.finish(),
        (None, None) => Ok(()),
    }
}

/// The beginning of a partition is held: small ones are compared before their first row is given, and can be read again.
struct Held<'a> {
    sender: &'a SyncSender<Message>,
    held: Vec<RecordBatch>,
    bytes: usize,
    given: bool,
    hold: usize,
}

impl Held<'_> {
    fn give(&mut self) -> Result<()> {
        self.given |= !self.held.is_empty();
        for batch in self.held.drain(..) {
            let gone = |_| Error::new(Kind::Bug, "nobody takes the rows");
            self.sender.send(Message::Batch(batch)).map_err(gone)?;
        }
        Ok(())
    }
}

impl Sink for Held<'_> {
    fn write(&mut self, batch: RecordBatch) -> Result<bool> {
        self.bytes += slice_bytes(&batch);
        self.held.push(batch);
        if self.given || self.bytes > self.hold {
            self.give()?;
        }
        Ok(true)
    }

    fn take_back(&mut self) -> Result<bool> {
        self.held.clear();
        self.bytes = 0;
        Ok(!self.given)
    }
}
