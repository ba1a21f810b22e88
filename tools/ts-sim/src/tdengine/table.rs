//! The rows of one table, sorted by its key: (ts) or (ts, second key column).

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::column::Column;
use super::types::Field;
use super::value::Value;

/// Rows of one schema. The first column is the time key.
#[derive(Debug, Clone)]
pub struct Rows {
    fields: Arc<[Field]>,
    columns: Vec<Column>,
}

impl Rows {
    pub fn new(fields: Arc<[Field]>) -> Rows {
        let columns = fields.iter().map(|f| Column::new(f.ty)).collect();
        Rows { fields, columns }
    }

    pub fn fields(&self) -> &Arc<[Field]> {
        &self.fields
    }

    /// One row of NULLs, to look at what does not depend on rows.
    pub fn with_one_null(mut self) -> Rows {
        self.columns = self.fields.iter().map(|f| Column::nulls(f.ty, 1)).collect();
        self
    }

    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    pub fn column(&self, index: usize) -> &Column {
        &self.columns[index]
    }

    /// The time key of a row.
    pub fn time(&self, row: usize) -> i64 {
        self.columns[0].get_i64(row)
    }

    /// Rows with `from <= ts < to`; i128 so that open ends fit.
    pub fn range(&self, from: i128, to: i128) -> Range<usize> {
        let start = self.first_not_before(from);
        start..self.first_not_before(to).max(start)
    }

    fn first_not_before(&self, time: i128) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if i128::from(self.time(middle)) < time { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Appends a row as it comes; [`Rows::finish`] must follow before the next read.
    pub fn append(&mut self, row: &[Value<'_>]) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
    }

    /// Sorts appended rows by key; of rows with equal keys the last one stays.
    pub fn finish(&mut self) {
        let sorted = (1..self.len()).all(|row| self.compare(row - 1, row) == Ordering::Less);
        if !sorted {
            let mut order: Vec<u32> = (0..self.len() as u32).collect();
            order.sort_by(|a, b| self.compare(*a as usize, *b as usize));
            let mut kept: Vec<u32> = Vec::with_capacity(order.len());
            for row in order {
                match kept.last_mut() {
                    Some(last) if self.compare(*last as usize, row as usize) == Ordering::Equal => *last = row,
                    _ => kept.push(row),
                }
            }
            self.columns = self.columns.iter().map(|c| c.pick(&kept)).collect();
        }
        self.columns.iter_mut().for_each(Column::shrink);
    }

    /// Writes one row: a row with the same key gets the given values (`None` keeps the old one), else it is inserted
    /// with NULL for what is not given.
    pub fn upsert(&mut self, row: &[Option<Value<'_>>]) {
        let at = self.place(row);
        match at {
            Ok(at) => {
                for (column, value) in self.columns.iter_mut().zip(row) {
                    if let Some(value) = value {
                        column.set(at, value);
                    }
                }
            }
            Err(at) => {
                let last = self.len();
                for (column, value) in self.columns.iter_mut().zip(row) {
                    column.push(value.as_ref().unwrap_or(&Value::Null));
                }
                if at < last {
                    let mut order: Vec<u32> = (0..last as u32).collect();
                    order.insert(at, last as u32);
                    self.columns = self.columns.iter().map(|c| c.pick(&order)).collect();
                }
            }
        }
    }

    /// The same rows with other columns: a column of the same name keeps its values, a new one is NULL.
    pub fn with_fields(&self, fields: Arc<[Field]>) -> Rows {
        let column = |field: &Field| match self.fields.iter().position(|f| f.name == field.name) {
            Some(at) => self.columns[at].with_type(field.ty),
            None => Column::nulls(field.ty, self.len()),
        };
        let columns = fields.iter().map(column).collect();
        Rows { fields, columns }
    }

    /// Removes the rows of a range.
    pub fn remove(&mut self, range: &Range<usize>) {
        let kept: Vec<u32> = (0..self.len()).filter(|row| !range.contains(row)).map(|row| row as u32).collect();
        self.columns = self.columns.iter().map(|c| c.pick(&kept)).collect();
    }

    fn key_column(&self) -> Option<usize> {
        self.fields.get(1).is_some_and(|f| f.key).then_some(1)
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let by_time = self.time(a).cmp(&self.time(b));
        match self.key_column() {
            Some(key) => by_time.then_with(|| self.columns[key].get(a).order(&self.columns[key].get(b))),
            None => by_time,
        }
    }

    /// Where the row is, or where it belongs.
    fn place(&self, row: &[Option<Value<'_>>]) -> Result<usize, usize> {
        let time = match row.first() {
            Some(Some(Value::Time(time))) => *time,
            _ => 0,
        };
        let compare = |at: usize| {
            let by_time = self.time(at).cmp(&time);
            match self.key_column() {
                Some(key) => by_time.then_with(|| {
                    let wanted = row.get(key).and_then(Option::as_ref).unwrap_or(&Value::Null);
                    self.columns[key].get(at).order(wanted)
                }),
                None => by_time,
            }
        };
        let (mut low, mut high) = (0, self.len());
        // Rows mostly arrive in order: look at the end first.
        if high > 0 && compare(high - 1) == Ordering::Less {
            return Err(high);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match compare(middle) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::Type;
    use super::*;

    fn rows(key: bool) -> Rows {
        let mut second = Field::new("k", Type::parse("INT").unwrap());
        second.key = key;
        let ts = Field::new("ts", Type::parse("TIMESTAMP").unwrap());
        Rows::new([ts, second, Field::new("s", Type::parse("VARCHAR(8)").unwrap())].into())
    }

    fn contents(rows: &Rows) -> Vec<(i64, Value<'_>, Value<'_>)> {
        (0..rows.len()).map(|r| (rows.time(r), rows.column(1).get(r), rows.column(2).get(r))).collect()
    }

    #[test]
    fn an_upsert_keeps_what_it_does_not_name_and_sorts() {
        let mut t = rows(false);
        t.upsert(&[Some(Value::Time(5)), Some(Value::Int(1)), Some(Value::text("a"))]);
        t.upsert(&[Some(Value::Time(3)), None, Some(Value::text("b"))]);
        t.upsert(&[Some(Value::Time(5)), Some(Value::Int(2)), None]);
        assert_eq!(contents(&t), [(3, Value::Null, Value::text("b")), (5, Value::Int(2), Value::text("a"))]);
        assert_eq!((t.range(4, 6), t.range(0, 3), t.range(-1, i128::MAX)), (1..2, 0..0, 0..2));
    }

    #[test]
    fn other_columns_keep_what_has_the_same_name() {
        let mut t = rows(false);
        t.upsert(&[Some(Value::Time(5)), Some(Value::Int(1)), Some(Value::text("a"))]);
        let field = |name: &str, ty: &str| Field::new(name, Type::parse(ty).unwrap());
        let mut wider =
            t.with_fields([field("ts", "TIMESTAMP"), field("s", "VARCHAR(16)"), field("x", "DOUBLE")].into());
        wider.upsert(&[Some(Value::Time(6)), Some(Value::text("longer than 8")), Some(Value::Double(0.5))]);
        assert_eq!(
            contents(&wider),
            [(5, Value::text("a"), Value::Null), (6, Value::text("longer than 8"), Value::Double(0.5))]
        );
    }

    #[test]
    fn a_composite_key_makes_rows_of_one_instant_different() {
        let mut t = rows(true);
        for (ts, k) in [(1, 2), (1, 1), (1, 2)] {
            t.append(&[Value::Time(ts), Value::Int(k), Value::text(format!("{k}"))]);
        }
        t.finish();
        assert_eq!(contents(&t), [(1, Value::Int(1), Value::text("1")), (1, Value::Int(2), Value::text("2"))]);
        t.upsert(&[Some(Value::Time(1)), Some(Value::Int(2)), Some(Value::text("new"))]);
        assert_eq!((t.len(), t.column(2).get(1)), (2, Value::text("new")));
    }
}
