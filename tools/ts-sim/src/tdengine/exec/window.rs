//! A condition taken apart: time range, what a table alone decides, and what every row must be asked.

use super::super::sql::ast::Compare;
use super::super::types::Kind;
use super::super::value::Value;
use super::expr::Bound;

/// The parts of a condition that are joined by AND.
pub struct Split {
    /// Rows with `from <= ts < to` only.
    pub from: i128,
    pub to: i128,
    pub by_table: Vec<Bound>,
    pub by_row: Option<Bound>,
}

/// Takes a condition apart. `sorted`: the first column is the sorted time key.
pub fn split(condition: Option<Bound>, sorted: bool) -> Split {
    let mut split = Split { from: i128::MIN, to: i128::MAX, by_table: Vec::new(), by_row: None };
    if let Some(condition) = condition {
        add(condition, sorted, &mut split);
    }
    split
}

fn add(condition: Bound, sorted: bool, split: &mut Split) {
    match condition {
        Bound::And(a, b) => {
            add(*a, sorted, split);
            add(*b, sorted, split);
        }
        other if !other.by_row() => split.by_table.push(other),
        other => match sorted.then(|| range(&other)).flatten() {
            Some((from, to)) => {
                split.from = split.from.max(from);
                split.to = split.to.min(to);
            }
            None => {
                split.by_row = Some(match split.by_row.take() {
                    Some(before) => Bound::And(Box::new(before), Box::new(other)),
                    None => other,
                });
            }
        },
    }
}

/// `ts < constant` and its like as a half-open range.
fn range(condition: &Bound) -> Option<(i128, i128)> {
    let Bound::Compare(op, left, right) = condition else { return None };
    let (op, constant) = match (&**left, &**right) {
        (Bound::Column(0, ty), Bound::Const(value, _)) if ty.kind == Kind::Timestamp => (*op, value),
        (Bound::Const(value, _), Bound::Column(0, ty)) if ty.kind == Kind::Timestamp => (mirror(*op), value),
        _ => return None,
    };
    if matches!(constant, Value::Double(_)) {
        return None;
    }
    let time = constant.integer()?;
    Some(match op {
        Compare::Eq => (time, time + 1),
        Compare::Lt => (i128::MIN, time),
        Compare::Le => (i128::MIN, time + 1),
        Compare::Gt => (time + 1, i128::MAX),
        Compare::Ge => (time, i128::MAX),
        Compare::Ne => return None,
    })
}

fn mirror(op: Compare) -> Compare {
    match op {
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
        same => same,
    }
}
