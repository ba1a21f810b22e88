//! The points of one series: times and one typed column per field, appended fast and put in order when somebody reads.

use super::points::Value;
use std::borrow::Cow;

/// Rows of one series. Between two reads they may be out of order and hold the same time twice;
/// [`Rows::settle`] sorts them and lets the last write of every field win.
#[derive(Default)]
pub struct Rows {
    times: Vec<i64>,
    columns: Vec<(u32, Column)>,
    /// How many rows were in order at the last [`Rows::settle`]; `disorder` says whether any came out of order since.
    settled: usize,
    disorder: bool,
}

impl Rows {
    /// Number of rows; exact only after [`Rows::settle`].
    pub fn count(&self) -> usize {
        self.times.len()
    }

    /// The times in order, after [`Rows::settle`].
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Ids of the fields that this series has, ascending.
    pub fn fields(&self) -> impl Iterator<Item = u32> + '_ {
        self.columns.iter().map(|(id, _)| *id)
    }

    /// The value of one field in one row.
    pub fn get(&self, row: usize, field: u32) -> Option<Value<'_>> {
        let at = self.columns.binary_search_by_key(&field, |(id, _)| *id).ok()?;
        self.columns.get(at)?.1.get(row)
    }

    /// Adds a point. Equal times overwrite field by field.
    pub fn push<'a>(&mut self, time: i64, fields: impl Iterator<Item = (u32, &'a Value<'a>)>) {
        let row = match self.times.last() {
            Some(&last) if last == time => self.times.len() - 1,
            last => {
                self.disorder |= last.is_some_and(|&last| last > time);
                self.times.push(time);
                self.times.len() - 1
            }
        };
        for (hint, (field, value)) in fields.enumerate() {
            let at = match self.columns.get(hint) {
                Some((id, _)) if *id == field => Ok(hint),
                _ => self.columns.binary_search_by_key(&field, |(id, _)| *id),
            };
            let at = at.unwrap_or_else(|at| {
                self.columns.insert(at, (field, Column::of(value)));
                at
            });
            if let Some((_, column)) = self.columns.get_mut(at) {
                column.set(row, value);
            }
        }
        if self.disorder && self.times.len() > 2 * self.settled + 4096 {
            self.settle();
        }
    }

    /// Sorts by time and merges equal times.
    pub fn settle(&mut self) {
        if self.disorder {
            let mut order: Vec<usize> = (0..self.times.len()).collect();
            order.sort_by_key(|&row| self.times.get(row).copied().unwrap_or_default());
            let time = |row: &usize| self.times.get(*row).copied().unwrap_or_default();
            let groups: Vec<&[usize]> = order.chunk_by(|a, b| time(a) == time(b)).collect();
            for (_, column) in &mut self.columns {
                let mut merged = column.empty();
                for (row, group) in groups.iter().enumerate() {
                    if let Some(value) = group.iter().rev().find_map(|&old| column.get(old)) {
                        merged.set(row, &value);
                    }
                }
                *column = merged;
            }
            self.times = groups.iter().filter_map(|g| g.first()).map(time).collect();
            self.disorder = false;
        }
        self.settled = self.times.len();
    }

    /// True when [`Rows::settle`] would change something.
    pub fn unsettled(&self) -> bool {
        self.disorder
    }

    /// Removes the rows with `from <= time < to`.
    pub fn delete(&mut self, from: i64, to: i64) {
        self.settle();
        let kept: Vec<usize> =
            (0..self.times.len()).filter(|&row| self.times.get(row).is_none_or(|t| *t < from || *t >= to)).collect();
        for (_, column) in &mut self.columns {
            let mut left = column.empty();
            for (row, &old) in kept.iter().enumerate() {
                if let Some(value) = column.get(old) {
                    left.set(row, &value);
                }
            }
            *column = left;
        }
        self.times = kept.iter().filter_map(|&row| self.times.get(row).copied()).collect();
        self.settled = self.times.len();
    }
}

/// The values of one field; shorter than the times when the last rows do not have it.
struct Column {
    values: Values,
    /// One flag a row, kept only once a row lacked the field.
    present: Option<Vec<bool>>,
}

/// Typed storage; `Mixed` holds a field whose type differs between shards.
enum Values {
    Float(Vec<f64>),
    Int(Vec<i64>),
    Uint(Vec<u64>),
    Bool(Vec<bool>),
    Text(Texts),
    Mixed(Vec<Value<'static>>),
}

/// Strings in one arena: overwritten ones stay until the next settle.
#[derive(Default)]
struct Texts {
    spans: Vec<(usize, u32)>,
    bytes: Vec<u8>,
}

impl Column {
    fn of(value: &Value) -> Column {
        let values = match value {
            Value::Float(_) => Values::Float(Vec::new()),
            Value::Int(_) => Values::Int(Vec::new()),
            Value::Uint(_) => Values::Uint(Vec::new()),
            Value::Bool(_) => Values::Bool(Vec::new()),
            Value::Str(_) => Values::Text(Texts::default()),
        };
        Column { values, present: None }
    }

    /// A column of the same type without rows.
    fn empty(&self) -> Column {
        let values = match &self.values {
            Values::Float(_) => Values::Float(Vec::new()),
            Values::Int(_) => Values::Int(Vec::new()),
            Values::Uint(_) => Values::Uint(Vec::new()),
            Values::Bool(_) => Values::Bool(Vec::new()),
            Values::Text(_) => Values::Text(Texts::default()),
            Values::Mixed(_) => Values::Mixed(Vec::new()),
        };
        Column { values, present: None }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Float(v) => v.len(),
            Values::Int(v) => v.len(),
            Values::Uint(v) => v.len(),
            Values::Bool(v) => v.len(),
            Values::Text(t) => t.spans.len(),
            Values::Mixed(v) => v.len(),
        }
    }

    fn get(&self, row: usize) -> Option<Value<'_>> {
        if let Some(present) = &self.present
            && !present.get(row).copied().unwrap_or(false)
        {
            return None;
        }
        match &self.values {
            Values::Float(v) => v.get(row).copied().map(Value::Float),
            Values::Int(v) => v.get(row).copied().map(Value::Int),
            Values::Uint(v) => v.get(row).copied().map(Value::Uint),
            Values::Bool(v) => v.get(row).copied().map(Value::Bool),
            Values::Text(t) => {
                let &(start, len) = t.spans.get(row)?;
                t.bytes.get(start..start + len as usize).map(|s| Value::Str(Cow::Borrowed(s)))
            }
            Values::Mixed(v) => v.get(row).map(Value::borrowed),
        }
    }

    fn set(&mut self, row: usize, value: &Value) {
        let len = self.len();
        if row > len && self.present.is_none() {
            self.present = Some(vec![true; len]);
        }
        if let Some(present) = &mut self.present {
            if present.len() <= row {
                present.resize(row + 1, false);
            }
            if let Some(flag) = present.get_mut(row) {
                *flag = true;
            }
        }
        let fits = match (&mut self.values, value) {
            (Values::Float(v), Value::Float(x)) => put(v, row, *x),
            (Values::Int(v), Value::Int(x)) => put(v, row, *x),
            (Values::Uint(v), Value::Uint(x)) => put(v, row, *x),
            (Values::Bool(v), Value::Bool(x)) => put(v, row, *x),
            (Values::Text(t), Value::Str(s)) => {
                let span = (t.bytes.len(), s.len() as u32);
                t.bytes.extend_from_slice(s);
                put(&mut t.spans, row, span)
            }
            (Values::Mixed(v), value) => {
                if v.len() <= row {
                    v.resize(row + 1, Value::Bool(false));
                }
                if let Some(slot) = v.get_mut(row) {
                    *slot = value.owned();
                }
                true
            }
            _ => false,
        };
        if !fits {
            let placeholder = Value::Bool(false);
            let all = (0..len).map(|r| self.get(r).map_or(placeholder.owned(), |v| v.owned())).collect();
            self.values = Values::Mixed(all);
            self.set(row, value);
        }
    }
}

fn put<T: Default + Clone>(values: &mut Vec<T>, row: usize, value: T) -> bool {
    if values.len() == row {
        values.push(value);
        return true;
    }
    if values.len() < row {
        values.resize(row + 1, T::default());
    }
    if let Some(slot) = values.get_mut(row) {
        *slot = value;
    }
    true
}

impl Value<'_> {
    /// The same value without borrowing.
    pub fn owned(&self) -> Value<'static> {
        match self {
            Value::Float(x) => Value::Float(*x),
            Value::Int(x) => Value::Int(*x),
            Value::Uint(x) => Value::Uint(*x),
            Value::Bool(x) => Value::Bool(*x),
            Value::Str(s) => Value::Str(Cow::Owned(s.to_vec())),
        }
    }

    /// The same value, borrowing its text.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Value::Str(s) => Value::Str(Cow::Borrowed(s)),
            other => other.owned(),
        }
    }
}
