//! The dump itself: workers read parts, this thread writes; where both are little work, this thread does both.

use crate::args::Args;
use crate::identity::Identity;
use crate::layout::Layout;
use crate::piece::Piece;
use crate::plan::{Part, Plan};
use crate::read::{PartReader, Reading};
use crate::session::Connector;
use crate::target::Target;
use arrow_array::RecordBatch;
use cli::Run;
use cli::output::Output;
use fault::{Error, Kind, Result};
use rows::compress::Compression;
use rows::format::{Format, WriteOptions};
use rows::{Limits, SchemaRef, Writer, csv_cell, format};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Bytes of batches that go to the writing thread together, at least; less where less is held.
const TOGETHER: usize = 512 << 10;

/// What one table contributes to an output.
pub struct Work {
    pub plan: Plan,
    pub layout: Layout,
    pub target: Target,
    pub identity: Identity,
}

/// An output that rows are written to, up to a limit.
pub struct Sink {
    writer: Box<dyn Writer>,
    schema: SchemaRef,
    left: u64,
    run: Run,
    /// Rows may also come as text.
    takes_text: bool,
    /// Batches go out as they are: less work than waking a thread that does it.
    light: bool,
}

impl Sink {
    pub fn create(
        output: Output,
        schema: SchemaRef,
        options: WriteOptions,
        limit: Option<u64>,
        run: &Run,
    ) -> Result<Sink> {
        let takes_text = options.to == Format::Csv && options.null.is_none() && options.delimiter == b',';
        let light = options.to == Format::Arrow && matches!(options.compression, None | Some(Compression::None));
        let writer = format::create(output, Output::finish, schema.clone(), options)?;
        Ok(Sink { writer, schema, left: limit.unwrap_or(u64::MAX), run: run.clone(), takes_text, light })
    }

    /// Writes a piece. False: no more is wanted.
    pub fn put(&mut self, piece: Piece) -> Result<bool> {
        let (rows, text) = match piece {
            Piece::Batch(batch) => return self.write(batch),
            Piece::Text { rows, text } => (rows, text),
        };
        self.run.stop().check()?;
        let wanted = rows.min(self.left);
        let (count, bytes) = (self.run.counter("rows"), self.run.counter("bytes"));
        let Sink { writer, run, .. } = self;
        let (mut rest, mut left) = (text.as_slice(), rows);
        run.pace(usize::try_from(wanted).unwrap_or(usize::MAX), &bytes, |_, some| {
            let some = some as u64;
            let end = if some < left { csv_cell::rows_end(rest, some) } else { rest.len() };
            let (now, later) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            (rest, left) = (later, left.saturating_sub(some));
            writer.write_text(some, now)?;
            count.add(some);
            Ok(())
        })?;
        self.left -= wanted;
        Ok(self.left > 0)
    }

    /// Writes a batch. False: no more is wanted.
    pub fn write(&mut self, batch: RecordBatch) -> Result<bool> {
        self.run.stop().check()?;
        let rows = usize::try_from(self.left).unwrap_or(usize::MAX).min(batch.num_rows());
        if rows > 0 {
            // Parts of several tables agree in their columns, not in the names of their tables.
            let batch = batch
                .with_schema(self.schema.clone())
                .map_err(|error| Error::caused(Kind::Bug, "the parts' columns differ", error))?;
            let (count, bytes) = (self.run.counter("rows"), self.run.counter("bytes"));
            let Sink { writer, run, .. } = self;
            run.pace(rows, &bytes, |at, some| {
                match some < batch.num_rows() {
                    true => writer.write(&batch.slice(at, some))?,
                    false => writer.write(&batch)?,
                }
                count.add(some as u64);
                Ok(())
            })?;
            self.left -= rows as u64;
        }
        Ok(self.left > 0)
    }

    pub fn finish(self) -> Result<()> {
        self.writer.finish()
    }
}

/// Some pieces at a time: a block of the server is small, and each message wakes a thread.
type Pieces = Receiver<Result<Vec<Piece>>>;

/// Parts to be read, handed to whoever asks next.
struct Queue<'a> {
    parts: Box<dyn Iterator<Item = (Result<Part>, &'a Layout)> + Send + 'a>,
    /// Where the receivers of parts go, in the order of the parts; without it all share one.
    in_order: Option<Sender<Pieces>>,
}

/// Reads all parts of all tables into one output.
pub fn dump(works: &[Work], sink: &mut Sink, args: &Args, connector: &Connector) -> Result<()> {
    let workers = args.workers();
    let alone = workers == 1 && sink.light;
    let check = args.check_counts || connector.config.rest;
    let reading = Reading {
        check,
        spool: args.spool || check,
        text: connector.config.rest && sink.takes_text,
        hold: usize::try_from(args.hold).unwrap_or(usize::MAX),
        together: if alone { 0 } else { TOGETHER },
        limits: Limits {
            rows: args.batch.batch_rows as usize,
            bytes: usize::try_from(args.batch.batch_bytes).unwrap_or(usize::MAX),
        },
    };
    let parts = works.iter().flat_map(|work| work.plan.parts().map(move |part| (part, &work.layout)));
    if alone {
        return read_and_write(parts, sink, PartReader::new(connector, reading), &connector.run);
    }
    let (announce, receivers) = channel::<Pieces>();
    let (shared, all) = sync_channel(workers);
    let in_order = if args.ordered {
        Some(announce)
    } else {
        // Nothing is lost by a failed send: the receiver is right here.
        let _ = announce.send(all);
        drop(announce);
        None
    };
    let queue = Mutex::new(Queue { parts: Box::new(parts), in_order });
    std::thread::scope(|scope| {
        for number in 0..workers {
            let (queue, reading, shared) = (&queue, reading.clone(), shared.clone());
            let name = format!("reader-{number}");
            std::thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, move || work(queue, PartReader::new(connector, reading), &shared, &connector.run))
                .map_err(|error| Error::io("cannot start a thread", error))?;
        }
        drop(shared);
        let outcome = write_all(receivers, sink);
        // Whoever still waits for the server need not: the rows are not wanted any more.
        connector.abandon();
        outcome
    })
}

/// One part after the other, in this thread.
fn read_and_write<'a>(
    parts: impl Iterator<Item = (Result<Part>, &'a Layout)>,
    sink: &mut Sink,
    mut reader: PartReader,
    run: &Run,
) -> Result<()> {
    for (part, layout) in parts {
        let mut wanted = true;
        let outcome = reader.read(&part?, layout, |some| {
            for piece in some {
                wanted = sink.put(piece)?;
                if !wanted {
                    // Ends the reading; nobody sees it.
                    return Err(Error::new(Kind::Bug, "no more rows are wanted"));
                }
            }
            Ok(())
        });
        run.counter("parts").add(1);
        if !wanted {
            return Ok(());
        }
        outcome?;
    }
    Ok(())
}

/// Takes parts until there are none, or until one fails.
fn work(queue: &Mutex<Queue<'_>>, mut reader: PartReader, shared: &SyncSender<Result<Vec<Piece>>>, run: &Run) {
    loop {
        let (part, layout, batches) = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((part, layout)) = queue.parts.next() else {
                // The last one out closes the list of receivers.
                queue.in_order = None;
                return;
            };
            let batches = match &queue.in_order {
                None => shared.clone(),
                Some(announce) => {
                    let (sender, receiver) = sync_channel(2);
                    if announce.send(receiver).is_err() {
                        return;
                    }
                    sender
                }
            };
            (part, layout, batches)
        };
        let gone = || Error::new(Kind::Bug, "nobody takes the rows");
        let outcome =
            part.and_then(|part| reader.read(&part, layout, |some| batches.send(Ok(some)).map_err(|_| gone())));
        run.counter("parts").add(1);
        if let Err(error) = outcome {
            // The writer may be gone: then it has an error of its own.
            let _ = batches.send(Err(error));
            return;
        }
    }
}

fn write_all(receivers: Receiver<Pieces>, sink: &mut Sink) -> Result<()> {
    for batches in receivers {
        for some in batches {
            for piece in some? {
                if !sink.put(piece)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
