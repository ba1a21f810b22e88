//! A body becomes rows of a table that nobody can see yet.

use super::columns::{Fate, Plan};
use super::fault::LoadFault;
use super::options::{Format, Options};
use super::{arrow, csv, json, unpack};
use crate::starrocks::loading::{Loader, Outcome, Prepared, Settings};
use crate::starrocks::schema::Model;
use crate::starrocks::store::Store;
use crate::starrocks::types::Type;

/// Takes the bodies of one load, or of one transaction.
pub struct Writer {
    options: Options,
    plan: Plan,
    wanted: Vec<json::Wanted>,
    loader: Loader,
    /// What came after the last row delimiter of a transaction's body: the next body goes on there.
    tail: Vec<u8>,
    /// Header lines that are still to be passed over.
    skip: u64,
    spoiled: Spoiled,
    bytes: u64,
}

/// Rows that a fault still takes away.
#[derive(Debug, Clone, Copy, Default)]
struct Spoiled {
    filter: u64,
    lose: u64,
}

/// Counts and rows of a finished load.
pub struct Written {
    pub prepared: Prepared,
    pub bytes: u64,
    /// More rows were filtered than `max_filter_ratio` allows: the load fails.
    pub too_many_filtered: bool,
}

impl Writer {
    /// Plans the load; the error is the server's, and the body is not read.
    pub fn new(store: &Store, database: &str, table: &str, options: Options) -> Result<Writer, String> {
        let found = store.databases.get(database).ok_or_else(|| format!("unknown database, database={database}"))?;
        let found = found.tables.get(table).ok_or_else(|| format!("unknown table, table={table}"))?;
        let schema = found.schema.clone();
        let own = schema.fields.iter().filter(|field| field.generated.is_none());
        let names: Vec<String> = own.map(|field| field.name.clone()).collect();
        let primary = schema.model == Model::Primary;
        let plan = Plan::new(&names, options.columns.as_deref(), options.condition.as_deref(), primary)?;
        let wanted = plan.fields.iter().map(|name| {
            let ty = schema.find(name).and_then(|at| schema.fields.get(at)).map(|field| &field.ty);
            let nested = matches!(ty, Some(Type::Json | Type::Array(_) | Type::Map(..) | Type::Struct(_)));
            json::Wanted { name: name.clone(), nested }
        });
        let wanted = wanted.collect();
        let settings = Settings {
            strict: options.strict,
            partial: options.partial,
            condition: options.merge_condition.clone(),
            partitions: options.partitions.clone(),
        };
        let loader = Loader::new(store, database, table, &plan.columns, &settings)?;
        let skip = options.csv.skip_header;
        Ok(Writer { options, plan, wanted, loader, tail: Vec::new(), skip, spoiled: Spoiled::default(), bytes: 0 })
    }

    /// How the load was asked for.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Takes the first rows away, when a fault says so.
    pub fn spoil(&mut self, fault: Option<&LoadFault>) {
        match fault {
            Some(LoadFault::Filtered(rows)) => self.spoiled.filter = *rows,
            Some(LoadFault::LoseRows(rows)) => self.spoiled.lose = *rows,
            _ => {}
        }
    }

    /// Takes one body. `last`: no other follows, a last record without delimiter counts. The error fails the load.
    pub fn body(&mut self, body: &[u8], last: bool) -> Result<(), String> {
        self.bytes += body.len() as u64;
        let unpacked;
        let mut body = body;
        if self.options.packing != unpack::Packing::None && !body.is_empty() {
            unpacked = unpack::unpack(self.options.packing, body)?;
            body = &unpacked;
        }
        match self.options.format {
            Format::Csv if self.tail.is_empty() => self.csv(body, last),
            Format::Csv => {
                let mut joined = std::mem::take(&mut self.tail);
                joined.extend_from_slice(body);
                self.csv(&joined, last)
            }
            Format::Json => {
                self.json(body);
                Ok(())
            }
            Format::Arrow if body.is_empty() => Ok(()),
            Format::Arrow => {
                let Writer { plan, loader, spoiled, .. } = self;
                arrow::read(body, &plan.fields, &mut |row| put(plan, loader, spoiled, row, &|| joined(row)))
            }
        }
    }

    fn csv(&mut self, body: &[u8], last: bool) -> Result<(), String> {
        let Writer { options, plan, loader, tail, skip, spoiled, .. } = self;
        let mut reader = csv::Csv::new(body, &options.csv, last);
        while *skip > 0 && reader.skip() {
            *skip -= 1;
        }
        if *skip > 0 && last {
            let (wanted, found) = (options.csv.skip_header, options.csv.skip_header - *skip);
            return Err(format!(
                "The parameter 'skip_header' is set to {wanted}, but there are only {found} rows in the csv file"
            ));
        }
        // A body of valid text holds only valid records: they need no look of their own.
        let valid = std::str::from_utf8(body).is_ok() && options.csv.row_delimiter.is_ascii();
        let expected = plan.fields.len();
        let mut cells: Vec<Option<&[u8]>> = Vec::with_capacity(expected);
        while let Some(record) = reader.next_record() {
            if record.len() != expected {
                loader.reject(&csv::count_mismatch(expected, record.len(), &options.csv), record.raw);
                continue;
            }
            if !valid && std::str::from_utf8(record.raw).is_err() {
                loader.reject("Invalid UTF-8 row", record.raw);
                continue;
            }
            let mut row: Vec<Option<&[u8]>> = std::mem::take(&mut cells);
            row.clear();
            row.extend((0..expected).map(|at| record.get(at).filter(|text| *text != b"\\N")));
            put(plan, loader, spoiled, &row, &|| record.raw.to_vec());
            // They borrow from the record: what goes on is an empty list with their room.
            cells = reuse(row);
        }
        let consumed = reader.consumed();
        tail.extend_from_slice(body.get(consumed..).unwrap_or_default());
        Ok(())
    }

    fn json(&mut self, body: &[u8]) {
        let Writer { options, plan, loader, wanted, spoiled, .. } = self;
        json::read(body, wanted, &options.json, &mut |item| match item {
            json::Item::Bad(why, raw) => loader.reject(&why, raw.as_bytes()),
            json::Item::Row(cells, raw) => {
                let row: Vec<Option<&[u8]>> = cells.iter().map(Option::as_deref).collect();
                put(plan, loader, spoiled, &row, &|| raw.as_bytes().to_vec());
            }
        });
    }

    /// Ends the load.
    pub fn finish(mut self) -> Result<Written, String> {
        if !self.tail.is_empty() || self.skip > 0 {
            let tail = std::mem::take(&mut self.tail);
            self.csv(&tail, true)?;
        }
        let prepared = self.loader.finish();
        let Outcome { total, filtered, unselected, .. } = prepared.outcome;
        // Nothing by nothing is never more than anything, as on the server.
        let ratio = filtered as f64 / total.saturating_sub(unselected) as f64;
        Ok(Written { too_many_filtered: ratio > self.options.max_filter_ratio, prepared, bytes: self.bytes })
    }
}

/// An empty list with the room of another one.
fn reuse<'b>(mut list: Vec<Option<&[u8]>>) -> Vec<Option<&'b [u8]>> {
    list.clear();
    // No element is moved: the compiler reuses the allocation.
    list.into_iter().map(|_| None).collect()
}

fn put(plan: &Plan, loader: &mut Loader, spoiled: &mut Spoiled, row: &[Option<&[u8]>], raw: &dyn Fn() -> Vec<u8>) {
    if spoiled.lose > 0 {
        spoiled.lose -= 1;
        return;
    }
    if spoiled.filter > 0 {
        spoiled.filter -= 1;
        loader.reject("filtered on purpose", &raw());
        return;
    }
    if plan.is_plain() {
        loader.row(row, false);
        return;
    }
    match plan.map(row) {
        Fate::Unselected => loader.unselected(),
        Fate::Filtered(why) => loader.reject(&why, &raw()),
        Fate::Row(mapped) => {
            let mut cells = Vec::with_capacity(plan.columns.len());
            plan.cells(row, &mapped, &mut cells);
            loader.row(&cells, mapped.delete);
        }
    }
}

fn joined(row: &[Option<&[u8]>]) -> Vec<u8> {
    row.iter().map(|cell| cell.unwrap_or(b"\\N")).collect::<Vec<_>>().join(&b'\t')
}
