//! Reading a partition: counted by the server before, read, its version looked at again. What differs is read again, or
//! fails: never is less than everything taken for everything.

use crate::session::{Connector, Session};
use crate::table::Unit;
use arrow_array::RecordBatch;
use fault::{Error, Kind, Result};
use net::Side;
use rows::Limits;
use starrocks::columns::Columns;
use starrocks::flight_columns::FlightColumns;
use starrocks::{Client, Flight, RowStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// How partitions are read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub limits: Limits,
    /// Rows of all, at most: then nothing is compared.
    pub limit: Option<u64>,
    /// A partition may change while it is read.
    pub allow_changes: bool,
}

/// A partition that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub rows: u64,
    /// Before it was read; `None` for a table as a whole, or a view.
    pub version: Option<u64>,
    /// It changed meanwhile: what was read is one state of it, but which is not known.
    pub changed: bool,
}

/// Where the rows of a partition go.
pub trait Sink {
    /// A batch. `false`: no more is wanted.
    fn write(&mut self, batch: RecordBatch) -> Result<bool>;
    /// Forgets the rows so far. `false`: they are out of reach.
    fn take_back(&mut self) -> Result<bool>;
}

/// Reads a partition, again where it broke or the numbers differ and the sink can take its rows back.
pub fn export(session: &mut Session, unit: &Unit, settings: Settings, sink: &mut dyn Sink) -> Result<Exported> {
    let mut patience = session.connector.patience();
    loop {
        let mut written = 0;
        let error = match attempt(session, unit, settings, sink, &mut written) {
            Ok(exported) => return Ok(exported),
            Err(error) => error.context(unit.name()),
        };
        session.drop_client();
        session.connector.run.stop().check()?;
        if error.kind() != Side::Source.kind() {
            return Err(error);
        }
        if !sink.take_back()? {
            let advice = "use --output-dir, where a file appears only when it is complete, or a larger --hold";
            return Err(error.context(format!("{written} rows were read and some of them written already ({advice})")));
        }
        patience.again(error)?;
    }
}

fn attempt(
    session: &mut Session,
    unit: &Unit,
    settings: Settings,
    sink: &mut dyn Sink,
    written: &mut u64,
) -> Result<Exported> {
    let select = unit.select(settings.limit)?;
    let checked = settings.limit.is_none();
    let client = session.client()?;
    let version = version(client, unit)?;
    let expected = if checked { client.count(&unit.from()?)? } else { 0 };
    let rows = match session.flight()? {
        Some(flight) => over_flight(flight, &select, unit, settings.limits, sink, written)?,
        None => over_mysql(session.rows()?, &select, unit, settings.limits, sink, written)?,
    };
    if !checked {
        return Ok(Exported { rows, version, changed: false });
    }
    let source = |text: String| Err(Error::new(Kind::Source, text));
    // Nothing went over this connection while rows came over another: the server may have ended it.
    let after = session.repeat(|client| self::version(client, unit))?;
    let changed = version != after;
    if changed && !settings.allow_changes {
        let shown = |version: Option<u64>| version.map_or("none".to_owned(), |version| version.to_string());
        return source(format!(
            "it changed while it was read (version {} before, {} after); --allow-changes takes it all the same",
            shown(version),
            shown(after)
        ));
    }
    // Of a partition that changed, the rows are those of one moment: before, after, or between two loads.
    let now = if changed { session.client()?.count(&unit.from()?)? } else { expected };
    if !(expected.min(now)..=expected.max(now)).contains(&rows) {
        return source(format!("{rows} rows came of the {expected} that the server counts: the result was cut"));
    }
    Ok(Exported { rows, version, changed })
}

/// Reads the rows as texts through a front end.
fn over_mysql(
    stream: &mut RowStream,
    select: &str,
    unit: &Unit,
    limits: Limits,
    sink: &mut dyn Sink,
    written: &mut u64,
) -> Result<u64> {
    let mut columns = Columns::new(unit.table.schema.clone(), &unit.table.forms, limits)?;
    let mut wanted = true;
    let rows = stream.read(select, |row| {
        *written += 1;
        if columns.push(row)?
            && let Some(batch) = columns.take()?
        {
            wanted = sink.write(batch)?;
        }
        Ok(wanted)
    })?;
    if let (true, Some(batch)) = (wanted, columns.take()?) {
        sink.write(batch)?;
    }
    Ok(rows)
}

/// Reads them as Arrow from a back end.
fn over_flight(
    flight: &mut Flight,
    select: &str,
    unit: &Unit,
    limits: Limits,
    sink: &mut dyn Sink,
    written: &mut u64,
) -> Result<u64> {
    let mut columns = FlightColumns::new(unit.table.schema.clone(), &unit.table.forms, limits);
    let mut wanted = true;
    let rows = flight.read(select, |batch| {
        *written += batch.num_rows() as u64;
        wanted = columns.push(&batch, |batch| sink.write(batch))?;
        Ok(wanted)
    })?;
    if let (true, Some(batch)) = (wanted, columns.take()?) {
        sink.write(batch)?;
    }
    Ok(rows)
}

fn version(client: &mut Client, unit: &Unit) -> Result<Option<u64>> {
    match &unit.partition {
        Some(partition) => client
            .partition(&unit.table.database, &unit.table.name, &partition.name)
            .map(|partition| Some(partition.version)),
        None => Ok(None),
    }
}

/// What a worker says to the thread that writes.
pub enum Message {
    Batch(RecordBatch),
    Ended(Result<()>),
}

/// Reads the units with so many workers, each on a connection of its own. `work` runs in their threads, `write` in this one,
/// where `false` says that no more is wanted. The first failure ends all.
pub fn with_workers(
    connector: &Connector,
    units: &[Unit],
    workers: usize,
    work: &(dyn Fn(&mut Session, &Unit, &SyncSender<Message>) -> Result<()> + Sync),
    mut write: impl FnMut(RecordBatch) -> Result<bool>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = sync_channel(2 * workers);
    std::thread::scope(|scope| {
        for number in 0..workers.min(units.len()) {
            let (next, sender) = (&next, sender.clone());
            let run = move || {
                let mut session = connector.session();
                while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = work(&mut session, unit, &sender);
                    let last = outcome.is_err();
                    connector.run.counter("partitions").add(u64::from(!last));
                    // The writer may be gone: then it has an error of its own.
                    if sender.send(Message::Ended(outcome)).is_err() || last {
                        return;
                    }
                }
            };
            let started = std::thread::Builder::new().name(format!("reader-{number}")).spawn_scoped(scope, run);
            started.map_err(|error| Error::io("cannot start a thread", error))?;
        }
        drop(sender);
        let mut outcome = Ok(());
        let mut left = units.len();
        while left > 0 {
            match receiver.recv() {
                Ok(Message::Batch(batch)) => match write(batch) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                },
                Ok(Message::Ended(Ok(()))) => left -= 1,
                Ok(Message::Ended(Err(error))) => {
                    outcome = Err(error);
                    break;
                }
                // The threads are gone without a last word: one panicked.
                Err(_) => {
                    outcome = Err(Error::new(Kind::Bug, "a reading thread ended without a result"));
                    break;
                }
            }
        }
        // Whoever still waits for the server, or for this thread, need not.
        connector.abandon();
        drop(receiver);
        outcome
    })
}
