//! Where counts come from: TDengine and InfluxDB count themselves, files are read.

use crate::column::{Scratch, plain, tags};
use crate::input::{Input, Rows};
use crate::layout::{Layout, Mapping, Measurement};
use crate::options::Options;
use crate::series::Table;
use crate::side::Opened;
use arrow_array::{Array, RecordBatch};
use cli::Run;
use fault::{Context, Error, Kind, Result};
use influx::dump::Window;
use net::retry::{Policy, repeat};
use rows::time::{Nanos, Unit};
use std::collections::{BTreeMap, HashMap};
use tdengine::{Asker, Config, catalog, sql};

/// What a table holds in a span of time.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Rows, where the system counts them: InfluxDB knows only values.
    pub rows: Option<u64>,
    /// Values by field.
    pub cells: BTreeMap<String, u64>,
}

/// One side.
pub trait Source {
    /// The names of its tables.
    fn tables(&mut self) -> Result<Vec<String>>;
    /// The first and the last instant of a table in a range; `None` where there is nothing, or no such table.
    fn ends(&mut self, table: &str, since: Option<Nanos>, until: Option<Nanos>) -> Result<Option<(Nanos, Nanos)>>;
    /// What a table holds from one instant (inclusive) to another, both in one bucket.
    fn count(&mut self, table: &str, from: Nanos, to: Nanos) -> Result<Counted>;
}

/// A bound in a coarser unit: the first instant of that unit that is not before.
fn bound(at: Nanos, unit: Unit) -> Result<i64> {
    let step = i128::from(unit.nanos());
    let up = at.div_euclid(step) + i128::from(at.rem_euclid(step) > 0);
    i64::try_from(up).map_err(|_| Error::usage(format!("{at} ns is too far away for a time in {unit}")))
}

/// TDengine: `SELECT COUNT(*), COUNT(field)…` for each window.
pub struct Tdengine {
    asker: Asker,
    run: Run,
    database: String,
    known: HashMap<String, Option<TdTable>>,
}

#[derive(Clone)]
struct TdTable {
    from: String,
    time: String,
    unit: Unit,
    fields: Vec<String>,
}

/// Fields in one statement: servers limit their number and the length of the text.
const FIELDS: usize = 200;

impl Tdengine {
    /// Does not connect yet. The URL must name a database.
    pub fn new(config: Config, policy: Policy, run: &Run) -> Result<Tdengine> {
        let Some(database) = config.login.database.clone() else {
            return Err(Error::usage(format!("{}: the URL names no database: add /NAME", config.name())));
        };
        Ok(Tdengine { asker: Asker::new(config, policy), run: run.clone(), database, known: HashMap::new() })
    }

    fn ask<T>(&mut self, question: impl FnMut(&mut tdengine::Client) -> tdengine::Result<T>) -> Result<T> {
        let run = &self.run;
        let answer = self.asker.ask(|error, wait| run.retrying(error, wait), question);
        answer.map_err(|error| run.stop().rather_than(error))
    }

    fn table(&mut self, name: &str) -> Result<Option<TdTable>> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let database = self.database.clone();
        let table = match self.ask(|client| catalog::kind(client, &database, name))? {
            None => None,
            Some(_) => {
                let unit = self.ask(|client| catalog::unit(client, &database))?;
                let shape = self.ask(|client| catalog::describe(client, &database, name))?;
                // The second column of a composite key is a tag elsewhere.
                let fields = shape.columns.into_iter().map(|column| column.name);
                let fields = fields.filter(|field| Some(field) != shape.key.as_ref()).collect();
                Some(TdTable { from: sql::table(&database, name)?, time: shape.time.name, unit, fields })
            }
        };
        self.known.insert(name.to_owned(), table.clone());
        Ok(table)
    }
}

impl Source for Tdengine {
    fn tables(&mut self) -> Result<Vec<String>> {
        let database = self.database.clone();
        let mut names = self.ask(|client| catalog::super_tables(client, &database))?;
        names.extend(self.ask(|client| {
            let mut names = Vec::new();
            catalog::tables(client, &database, false, |name, _| names.push(name))?;
            Ok(names)
        })?);
        Ok(names)
    }

    fn ends(&mut self, table: &str, since: Option<Nanos>, until: Option<Nanos>) -> Result<Option<(Nanos, Nanos)>> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        let bound = |at: Option<Nanos>| at.map(|at| bound(at, table.unit)).transpose();
        let condition = sql::filter(sql::window(&table.time, bound(since)?, bound(until)?)?);
        let extent = self.ask(|client| catalog::extent(client, &table.from, &table.time, &condition, table.unit))?;
        let nanos = |at: i64| i128::from(at) * i128::from(table.unit.nanos());
        Ok(extent.range.map(|(first, last)| (nanos(first), nanos(last))))
    }

    fn count(&mut self, table: &str, from: Nanos, to: Nanos) -> Result<Counted> {
        let Some(table) = self.table(table)? else { return Ok(Counted::default()) };
        let window = sql::window(&table.time, Some(bound(from, table.unit)?), Some(bound(to, table.unit)?))?;
        let condition = sql::filter(window);
        let mut counted = Counted { rows: Some(0), ..Counted::default() };
        for fields in table.fields.chunks(FIELDS) {
            let names = fields.iter().map(|field| sql::name(field)).collect::<Result<Vec<_>>>()?;
            let list: String = names.iter().map(|name| format!(", COUNT({name})")).collect();
            let statement = format!("SELECT COUNT(*){list} FROM {}{condition}", table.from);
            self.run.counter("counts").add(1);
            let answer = self.ask(|client| client.all(&statement))?;
            // Some servers give no row at all for nothing counted.
            let row = answer.first().map(Vec::as_slice).unwrap_or_default();
            let at = |index: usize| row.get(index).and_then(|value| value.as_i64()).map_or(0, i64::unsigned_abs);
            counted.rows = Some(at(0));
            counted.cells.extend(fields.iter().enumerate().map(|(index, field)| (field.clone(), at(index + 1))));
        }
        Ok(counted)
    }
}

/// InfluxDB: `SELECT COUNT(field)…` of InfluxQL for each window.
pub struct Influx {
    client: influx::Client,
    policy: Policy,
    run: Run,
    names: Option<Vec<String>>,
    known: HashMap<String, influx::catalog::Measurement>,
}

impl Influx {
    /// Does not connect yet.
    pub fn new(client: influx::Client, policy: Policy, run: &Run) -> Influx {
        Influx { client, policy, run: run.clone(), names: None, known: HashMap::new() }
    }

    fn ask<T>(&self, question: impl Fn(&influx::Client) -> Result<T>) -> Result<T> {
        let run = &self.run;
        let retrying = |error: &Error, wait| run.retrying(error, wait);
        let answer = repeat(self.policy, &run.stopped(), retrying, || question(&self.client));
        answer.map_err(|error| run.stop().rather_than(error))
    }

    fn measurement(&mut self, name: &str) -> Result<Option<influx::catalog::Measurement>> {
        if let Some(known) = self.known.get(name) {
            return Ok(Some(known.clone()));
        }
        if !self.tables()?.iter().any(|known| known == name) {
            return Ok(None);
        }
        let described = self.ask(|client| client.describe(&[name.to_owned()]))?;
        let Some(described) = described.into_iter().next() else { return Ok(None) };
        self.known.insert(name.to_owned(), described.clone());
        Ok(Some(described))
    }
}

fn window(since: Option<Nanos>, until: Option<Nanos>) -> Result<Window> {
    let bound = |at: Option<Nanos>| at.map(|at| bound(at, Unit::Ns)).transpose();
    Ok(Window { from: bound(since)?, to: bound(until)? })
}

impl Source for Influx {
    fn tables(&mut self) -> Result<Vec<String>> {
        if self.names.is_none() {
            self.names = Some(self.ask(influx::Client::measurements)?);
        }
        Ok(self.names.clone().unwrap_or_default())
    }

    fn ends(&mut self, table: &str, since: Option<Nanos>, until: Option<Nanos>) -> Result<Option<(Nanos, Nanos)>> {
        let Some(table) = self.measurement(table)? else { return Ok(None) };
        let range = window(since, until)?;
        let ends = self.ask(|client| client.ends(&table.name, range))?;
        Ok(ends.map(|(first, last)| (first.into(), last.into())))
    }

    fn count(&mut self, table: &str, from: Nanos, to: Nanos) -> Result<Counted> {
        let Some(table) = self.measurement(table)? else { return Ok(Counted::default()) };
        let range = window(Some(from), Some(to))?;
        self.run.counter("counts").add(1);
        let counts = self.ask(|client| client.counts(&table, range))?;
        let names = table.fields.iter().map(|(name, _)| name.clone());
        Ok(Counted { rows: None, cells: names.zip(counts).collect() })
    }
}

/// A file or a pipe, counted while it is read, once.
pub struct File {
    /// By table and bucket.
    tables: BTreeMap<String, BTreeMap<i64, Counted>>,
    ends: HashMap<String, (Nanos, Nanos)>,
    width: i64,
    /// The table of rows that do not say theirs.
    pub unnamed: bool,
}

/// Counts that a file may need; beyond, buckets are too narrow to be looked at by people anyway.
const ENTRIES: usize = 1 << 20;

impl File {
    /// Reads everything.
    pub fn read(rows: Rows, options: &Options, run: &Run) -> Result<File> {
        let name = rows.name.clone();
        let mut side = Opened::new(rows, &Mapping::default())?;
        let mut file = File { tables: BTreeMap::new(), ends: HashMap::new(), width: options.bucket, unnamed: false };
        file.unnamed = matches!(side.layout.measurement, Measurement::Unknown);
        let (mut table, counter) = (Table::new(), run.counter("rows"));
        while let Some(batch) = side.reader.next().context(|| name.clone())? {
            run.stop().check()?;
            table.hashes(&batch, &side.layout, options).context(|| name.clone())?;
            file.add(&batch, &side.layout, &table, options).context(|| name.clone())?;
            counter.add(batch.num_rows() as u64);
        }
        Ok(file)
    }

    fn add(&mut self, batch: &RecordBatch, layout: &Layout, table: &Table, options: &Options) -> Result<()> {
        let (names, of) = names(batch, layout, options)?;
        // Rows by table and bucket, then the values of each.
        let mut places: BTreeMap<(usize, i64), Vec<usize>> = BTreeMap::new();
        for (row, key) in table.keys.iter().enumerate().filter(|(_, key)| key.inside) {
            let which = of.get(row).copied().unwrap_or_default();
            places.entry((which, crate::digest::bucket_of(key.time, self.width)?)).or_default().push(row);
            if let Some(name) = names.get(which) {
                let ends = self.ends.entry(name.clone()).or_insert((key.time, key.time));
                *ends = (ends.0.min(key.time), ends.1.max(key.time));
            }
        }
        let columns: Vec<_> = layout.fields.iter().map(|field| (field, batch.column(field.index))).collect();
        for ((which, bucket), rows) in places {
            let Some(name) = names.get(which) else { continue };
            let counted = self.tables.entry(name.clone()).or_default().entry(bucket).or_default();
            counted.rows = Some(counted.rows.unwrap_or(0) + rows.len() as u64);
            for (field, column) in &columns {
                let valid = rows.iter().filter(|row| column.is_valid(**row)).count() as u64;
                *counted.cells.entry(field.name.clone()).or_default() += valid;
            }
        }
        let fields = layout.fields.len().max(1);
        if self.tables.values().map(BTreeMap::len).sum::<usize>().saturating_mul(fields) > ENTRIES {
            return Err(Error::usage("too many buckets to count: use a larger --bucket"));
        }
        Ok(())
    }
}

/// The tables in a batch, and which one each row is in.
fn names(batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<(Vec<String>, Vec<usize>)> {
    let Some(column) = layout.measurement.column() else {
        let name = layout.measurement.name().unwrap_or_default().to_owned();
        return Ok((vec![name], vec![0; batch.num_rows()]));
    };
    // The first is that of rows without a name.
    let (mut names, mut of) = (vec![String::new()], vec![0; batch.num_rows()]);
    let entry = |text: &Scratch| {
        let name = String::from_utf8_lossy(text.value());
        names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name.into_owned());
            names.len() - 1
        })
    };
    let each = |row: usize, which: usize| {
        if let Some(place) = of.get_mut(row) {
            *place = which;
        }
    };
    let texts = plain(batch.column(column.index), true)?;
    tags(&texts, column.form, options.rules, &mut Scratch::new(0), entry, each)?;
    Ok((names, of))
}

impl Source for File {
    fn tables(&mut self) -> Result<Vec<String>> {
        Ok(self.tables.keys().cloned().collect())
    }

    fn ends(&mut self, table: &str, _: Option<Nanos>, _: Option<Nanos>) -> Result<Option<(Nanos, Nanos)>> {
        Ok(self.ends.get(self.name(table)).copied())
    }

    fn count(&mut self, table: &str, from: Nanos, _: Nanos) -> Result<Counted> {
        let bucket = crate::digest::bucket_of(from, self.width)?;
        Ok(self.tables.get(self.name(table)).and_then(|table| table.get(&bucket)).cloned().unwrap_or_default())
    }
}

impl File {
    fn name<'a>(&self, table: &'a str) -> &'a str {
        if self.unnamed { "" } else { table }
    }
}

/// The rows of a file; a digest holds no counts by table.
pub fn rows(input: Input) -> Result<Rows> {
    match input {
        Input::Rows(rows) => Ok(rows),
        Input::Digest(_) => Err(Error::new(Kind::Usage, "a digest is compared with ts-verify compare, not counted")),
    }
}
