//! Rows written and taken away, each change noted in the log of its vgroup.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changelog::{self, Change, Deleted, Written};
use super::store::{Database, now_ms};
use super::table::Rows;
use super::value::Value;

impl Database {
    /// Writes rows to a table, all by their keys, and notes it. `created`: the same statement made the table.
    pub fn write(&mut self, name: &str, rows: &[Vec<Option<Value<'_>>>], created: bool) -> u64 {
        let at = self.place(name);
        let copied = self.log.read;
        let Some(table) = self.table_mut(name) else { return 0 };
        let stored = Arc::make_mut(&mut table.rows);
        for row in rows {
            stored.upsert(row);
        }
        let written = if copied {
            let mut copy = Rows::new(table.fields.clone());
            rows.iter().for_each(|row| copy.upsert(row));
            let given = (0..table.fields.len()).map(|at| rows.iter().any(|r| matches!(r.get(at), Some(Some(_)))));
            Some(Written::Copied { rows: Arc::new(copy), given: given.collect() })
        } else {
            let time = |row: &Vec<Option<Value<'_>>>| match row.first() {
                Some(Some(Value::Time(time))) => Some(*time),
                _ => None,
            };
            changelog::times_of(&table.rows, rows.iter().filter_map(time).collect())
        };
        let (name, uid) = (table.name.clone(), table.uid);
        if let Some(written) = written {
            let created = if created { self.log.take_created(at, &name) } else { None };
            self.log.append(at, Change::Data { name, uid, written, created });
        }
        rows.len() as u64
    }

    /// Notes the rows that a new table was loaded with, as if they had been inserted a thousand at a time.
    pub fn note_loaded(&mut self, name: &str) {
        const ROWS: usize = 1000;
        let Some(table) = self.table(name) else { return };
        let (rows, key, uid) = (table.rows.clone(), table.name.clone(), table.uid);
        let at = self.place(name);
        let mut from = 0;
        while from < rows.len() {
            let last = rows.time((from + ROWS).min(rows.len()) - 1);
            let written = Written::Between(rows.time(from), last);
            self.log.append(at, Change::Data { name: key.clone(), uid, written, created: None });
            from = rows.range(i128::MIN, i128::from(last) + 1).end;
        }
    }

    /// Takes away the rows with `from <= ts < to` of these tables, which a DELETE on `name` concerns; how many there were.
    pub fn delete_rows(&mut self, name: &str, tables: &[String], from: i128, to: i128) -> u64 {
        let stable = self.stable(name).or_else(|| self.table(name)?.stable.as_ref());
        let fields = stable.map(|s| &s.fields).or_else(|| self.table(name).map(|t| &t.fields));
        let empty = Deleted {
            name: name.to_string(),
            stable: stable.map(|s| s.name.clone()),
            time_column: fields.and_then(|f| f.first()).map(|f| f.name.clone()).unwrap_or_default(),
            suid: stable.map_or(0, |s| s.uid),
            uids: Vec::new(),
            from: i64::MAX,
            to: i64::MIN,
            rows: 0,
            at: now_ms(),
        };
        // One entry for each vgroup.
        let mut gone: BTreeMap<usize, Deleted> = BTreeMap::new();
        for target in tables {
            let place = self.place(target);
            let Some(table) = self.table_mut(target) else { continue };
            let range = table.rows.range(from, to);
            if range.is_empty() {
                continue;
            }
            let deleted = gone.entry(place).or_insert_with(|| empty.clone());
            deleted.uids.push(table.uid);
            deleted.from = deleted.from.min(table.rows.time(range.start));
            deleted.to = deleted.to.max(table.rows.time(range.end - 1));
            deleted.rows += range.len() as u64;
            Arc::make_mut(&mut table.rows).remove(&range);
        }
        let removed = gone.values().map(|d| d.rows).sum();
        for (place, deleted) in gone {
            self.log.append(place, Change::Delete(Box::new(deleted)));
        }
        removed
    }
}
