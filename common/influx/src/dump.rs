//! Measurements as a reader of rows: one query per measurement and window, read as it comes.

use crate::catalog::Measurement;
use crate::client::Client;
use crate::columns::Columns;
use crate::create::{quote, quote_sql};
use crate::lines::JsonLines;
use crate::query::{Cell, Results, Step};
use crate::request;
use crate::target::Version;
use crate::types::FieldType;
use fault::{Error, Kind, Result};
use net::retry::{Backoff, Policy};
use rows::{Limits, Reader, RecordBatch, SchemaRef};
use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

/// A half-open range of time in nanoseconds; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// How to read.
pub struct Options {
    /// Size of the batches.
    pub limits: Limits,
    /// Rows in a piece of a reply (versions 1 and 2).
    pub chunk: usize,
    /// How often a query is tried again that failed before its first row.
    pub policy: Policy,
    /// A column `measurement`, even for a single one.
    pub union: bool,
    /// Called before the wait for another try; an error ends the dump.
    pub before_wait: Box<dyn FnMut(&Error, Duration) -> Result<()> + Send>,
}

/// Reads measurements, one window after the other.
pub struct Dump {
    client: Client,
    columns: Columns,
    /// Index of the table, and the window.
    tasks: VecDeque<(usize, Window)>,
    tables: Vec<Measurement>,
    options: Options,
    running: Option<Running>,
}

/// The query being read.
struct Running {
    table: usize,
    window: Window,
    reply: Reply,
    /// Numbers of the tags of the current series in the columns, with their values.
    tags: Vec<(usize, String)>,
    /// What each cell of a row is.
    cells: Vec<Place>,
    rows: u64,
}

type Body = Box<dyn Read + Send>;

enum Reply {
    Influxql(Results<Body>),
    Sql(JsonLines<Body>),
}

/// Where a cell goes.
#[derive(Clone, Copy)]
enum Place {
    Time,
    Tag(usize),
    Field(usize),
    Nowhere,
}

impl Dump {
    /// A dump of these tables: `tasks` are their indexes and windows, in the order of reading. Does not ask the server yet.
    pub fn new(
        client: Client,
        tables: Vec<Measurement>,
        tasks: Vec<(usize, Window)>,
        options: Options,
    ) -> Result<Dump> {
        let source = client.target().to_string();
        let columns = Columns::new(&tables, options.union, Some(&source))?;
        Ok(Dump { client, columns, tasks: tasks.into(), tables, options, running: None })
    }

    /// Sends the next query.
    fn start(&self, table: usize, window: Window) -> Result<Running> {
        let described = self.tables.get(table).ok_or_else(|| Error::new(Kind::Bug, "no such table"))?;
        let name = &described.name;
        let target = self.client.target();
        let kind = self.client.kind();
        let reply = match target.version {
            Version::V3 => {
                let reply = self.client.call(request::sql(target, &select_sql(name, window)))?;
                Reply::Sql(JsonLines::new(Box::new(reply.body), kind))
            }
            _ => {
                let query = select_influxql(described, &self.client.from_clause(name), window);
                let reply = self.client.call(request::influxql(target, &query, Some(self.options.chunk)))?;
                Reply::Influxql(Results::new(Box::new(reply.body), kind))
            }
        };
        Ok(Running { table, window, reply, tags: Vec::new(), cells: Vec::new(), rows: 0 })
    }

    /// Sends the next query and reads its first row, trying again while the server is busy: nothing has been given out
    /// yet. `None`: no more queries.
    fn advance(&mut self) -> Result<Option<Running>> {
        let Some((table, window)) = self.tasks.pop_front() else { return Ok(None) };
        let mut backoff = Backoff::new(self.options.policy, None);
        loop {
            let error = match self.start(table, window) {
                Ok(running) => return Ok(Some(running)),
                Err(error) if error.kind() != self.client.kind() => return Err(error),
                Err(error) => error,
            };
            let Some(wait) = backoff.next_wait(None) else {
                return Err(error.context(format!("gave up after {} retries", backoff.used())));
            };
            (self.options.before_wait)(&error, wait)?;
        }
    }
}

impl Reader for Dump {
    fn schema(&self) -> SchemaRef {
        self.columns.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let mut running = match self.running.take() {
                Some(running) => running,
                None => match self.advance()? {
                    Some(running) => running,
                    None if self.columns.rows() > 0 => return self.columns.take().map(Some),
                    None => return Ok(None),
                },
            };
            let name = self.tables.get(running.table).map_or("", |table| table.name.as_str());
            let mut more = true;
            while more
                && self.columns.rows() < self.options.limits.rows
                && self.columns.bytes() < self.options.limits.bytes
            {
                more = running.step(&mut self.columns, name).map_err(|error| running.describe(name, error))?;
            }
            if more {
                self.running = Some(running);
                return self.columns.take().map(Some);
            }
        }
    }
}

impl Running {
    /// Reads one row (or the head of a series). False at the end of the reply.
    fn step(&mut self, columns: &mut Columns, name: &str) -> Result<bool> {
        match &mut self.reply {
            Reply::Influxql(results) => {
                let cells = &self.cells;
                let step = results.step(&mut |number, cell| match cells.get(number) {
                    Some(Place::Time) => time(columns, cell),
                    Some(Place::Field(index)) => columns.field(*index, cell),
                    _ => Ok(()),
                })?;
                match step {
                    Step::End => return Ok(false),
                    Step::Series => {
                        let series = results.series();
                        self.tags.clear();
                        for (key, value) in &series.tags {
                            // A tag that came after SHOW TAG KEYS was asked must not be left out.
                            let index = columns.tag_index(key).ok_or_else(|| appeared("tag", key))?;
                            self.tags.push((index, value.clone()));
                        }
                        self.cells.clear();
                        for column in &series.columns {
                            self.cells.push(match (column.as_str(), columns.field_index(column)) {
                                ("time", _) if self.cells.is_empty() => Place::Time,
                                (_, Some(index)) => Place::Field(index),
                                _ => return Err(appeared("field", column)),
                            });
                        }
                        return Ok(true);
                    }
                    Step::Row => {
                        for (index, value) in &self.tags {
                            columns.tag(*index, value);
                        }
                    }
                }
            }
            Reply::Sql(lines) => {
                let more = lines.row(&mut |key, cell| match place(columns, key) {
                    Place::Time => time(columns, cell),
                    Place::Field(index) => columns.field(index, cell),
                    Place::Tag(index) => {
                        if let Cell::Text(text) = cell {
                            columns.tag(index, text);
                        }
                        Ok(())
                    }
                    Place::Nowhere => Err(appeared("column", key)),
                })?;
                if !more {
                    return Ok(false);
                }
            }
        }
        self.rows += 1;
        columns.end_row(name)?;
        Ok(true)
    }

    fn describe(&self, name: &str, error: Error) -> Error {
        let bound = |bound: Option<i64>| bound.map_or_else(|| "…".to_owned(), |nanos| format!("{nanos}ns"));
        let Window { from, to } = self.window;
        error.context(format!("measurement {name}, {} to {}, after {} rows", bound(from), bound(to), self.rows))
    }
}

fn appeared(what: &str, name: &str) -> Error {
    Error::new(Kind::Source, format!("{what} {name} was not there when the dump began: run it again"))
}

fn place(columns: &Columns, key: &str) -> Place {
    match key {
        "time" => Place::Time,
        _ => match (columns.field_index(key), columns.tag_index(key)) {
            (Some(index), _) => Place::Field(index),
            (None, Some(index)) => Place::Tag(index),
            (None, None) => Place::Nowhere,
        },
    }
}

/// Times are integers in nanoseconds (InfluxQL) or text without zone (SQL).
fn time(columns: &mut Columns, cell: Cell<'_>) -> Result<()> {
    let nanos = match cell {
        Cell::Number(text) => text.parse().ok(),
        Cell::Text(text) => rows::time::parse_instant(text).ok().and_then(|nanos| i64::try_from(nanos).ok()),
        _ => None,
    };
    let nanos = nanos.ok_or_else(|| Error::new(Kind::Source, format!("{cell:?} is no time")))?;
    columns.time(nanos);
    Ok(())
}

/// `*::field … GROUP BY *`: tags apart from fields, series apart from each other (dossier influxdb 3.1).
fn select_influxql(table: &Measurement, from: &str, window: Window) -> String {
    let fields = if table.chosen {
        let typed =
            |(name, kinds): &(String, Vec<FieldType>)| kinds.first().map(|kind| format!("{}::{kind}", quote(name)));
        table.fields.iter().filter_map(typed).collect::<Vec<_>>().join(", ")
    } else {
        "*::field".to_owned()
    };
    format!("SELECT {fields} FROM {from}{} GROUP BY *", window.condition())
}

fn select_sql(name: &str, window: Window) -> String {
    format!("SELECT * FROM {}{}", quote_sql(name), window.where_time(|nanos| format!("to_timestamp_nanos({nanos})")))
}

impl Window {
    /// ` WHERE time >= … AND time < …` of InfluxQL, or nothing.
    pub(crate) fn condition(self) -> String {
        self.where_time(|nanos| nanos.to_string())
    }

    fn where_time(self, literal: impl Fn(i64) -> String) -> String {
        let from = self.from.map(|nanos| format!("time >= {}", literal(nanos)));
        let to = self.to.map(|nanos| format!("time < {}", literal(nanos)));
        let parts: Vec<String> = from.into_iter().chain(to).collect();
        if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
    }
}
