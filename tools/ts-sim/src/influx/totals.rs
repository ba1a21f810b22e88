//! Aggregates: count, min, max, sum, mean, first, last.

use super::influxql::Function;
use super::points::Value;

/// A running aggregate.
#[derive(Default)]
pub struct Total {
    count: i64,
    best: Option<(Value<'static>, i64)>,
    int: i128,
    float: f64,
    is_float: bool,
}

impl Total {
    /// Takes one value; true when it is the chosen one so far.
    pub fn add(&mut self, function: Function, value: &Value, time: i64) -> bool {
        self.count += 1;
        match value {
            Value::Int(x) => (self.int, self.float) = (self.int + i128::from(*x), self.float + *x as f64),
            Value::Uint(x) => (self.int, self.float) = (self.int + i128::from(*x), self.float + *x as f64),
            Value::Float(x) => (self.is_float, self.float) = (true, self.float + *x),
            _ => {}
        }
        // of two values at one time the greater is the first as well as the last
        let better = match (&self.best, function) {
            (None, _) => true,
            (Some((best, at)), Function::First) => time < *at || (time == *at && less(best, value)),
            (Some((best, at)), Function::Last) => time > *at || (time == *at && less(best, value)),
            (Some((best, _)), Function::Min) => less(value, best),
            (Some((best, _)), Function::Max) => less(best, value),
            _ => false,
        };
        if better {
            self.best = Some((value.owned(), time));
        }
        better
    }

    /// How many values were taken.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// The time of the chosen value.
    pub fn time(&self) -> Option<i64> {
        self.best.as_ref().map(|(_, time)| *time)
    }

    /// The result; `None` when there was no value.
    pub fn result(&self, function: Function) -> Option<Value<'static>> {
        let (best, _) = self.best.as_ref()?;
        Some(match function {
            Function::Count => Value::Int(self.count),
            Function::Mean => Value::Float(self.float / self.count as f64),
            Function::Sum if self.is_float => Value::Float(self.float),
            // sums wrap around in the server's 64 bits
            Function::Sum if matches!(best, Value::Uint(_)) => Value::Uint(self.int as u64),
            Function::Sum => Value::Int(self.int as i64),
            _ => best.clone(),
        })
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Uint(a), Value::Uint(b)) => a < b,
        (Value::Bool(a), Value::Bool(b)) => a < b,
        (Value::Str(a), Value::Str(b)) => a < b,
        _ => false,
    }
}
