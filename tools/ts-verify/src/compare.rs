//! Two digests side by side: may they be compared at all, and which buckets differ.

use crate::differing::{Differing, List};
use crate::digest_file::{ColumnHead, Header};
use crate::form::{Form, need};
use crate::heat::Look;
use crate::lines::{Cursor, Line};
use fault::{Error, Result};
use rows::types::Type;
use std::cmp::Ordering;

/// Refuses (exit 2) digests that do not speak of the same thing, and says what to do.
pub fn check_headers(a: &Header, b: &Header) -> Result<()> {
    if let Some(difference) = a.options.difference(b.options) {
        return Err(Error::usage(format!("the digests were made with different options: {difference}")));
    }
    if a.measurement != b.measurement {
        let which = if a.measurement { "b" } else { "a" };
        return Err(Error::usage(format!(
            "only one side names its measurement: make the digest of {which} with --measurement NAME"
        )));
    }
    for x in &a.columns {
        for y in b.columns.iter().filter(|y| y.name == x.name && y.tag == x.tag) {
            check_column(x, y, a.options.float32)?;
        }
    }
    Ok(())
}

fn check_column(x: &ColumnHead, y: &ColumnHead, float32: bool) -> Result<()> {
    let advice = |side: &str, form: Form| {
        let flag = match form {
            Form::Single => format!("--float32 {}", x.name),
            form => format!("--read {}={form}", x.name),
        };
        Err(Error::usage(format!(
            "column {} is {} (read as {}) in a and {} (read as {}) in b: make the digest of {side} with {flag}",
            x.name, x.declared, x.form, y.declared, y.form
        )))
    };
    if x.tag {
        // Without being told, a tag's text is what the encoders write, on both sides.
        return match (x.form, y.form) {
            (Form::Own, form) if form != Form::Own => advice("a", form),
            (form, Form::Own) if form != Form::Own => advice("b", form),
            _ => Ok(()),
        };
    }
    let bytes = [x.form, y.form].into_iter().find(|form| matches!(form, Form::Hex | Form::Base64)).unwrap_or(Form::Hex);
    let told = [x, y].into_iter().find(|c| c.form != Form::Own && !(c.form == Form::Json && c.declared == Type::Json));
    let needed = need(x.declared, y.declared, float32, bytes);
    let Some(form) = needed.or(told.map(|column| column.form)) else { return Ok(()) };
    if !x.form.satisfies(x.declared, form) {
        return advice("a", form);
    }
    if !y.form.satisfies(y.declared, form) {
        return advice("b", form);
    }
    Ok(())
}

/// What the comparison of two digests saw.
#[derive(Debug, Default)]
pub struct Outcome {
    pub buckets_a: u64,
    pub buckets_b: u64,
    /// Buckets that differ in values that every system can hold (or in NaN and infinities that both sides have).
    pub differing: u64,
    /// Cells that are NaN or infinite on one side, in buckets where the other side has none of those.
    pub non_finite: u64,
    /// Buckets that differ only so.
    pub only_odd: u64,
}

fn special(line: &Option<Line>) -> (u64, u128) {
    line.as_ref().map_or((0, 0), |line| (line.odd_cells, line.odd_sum))
}

/// NaN and infinities of a bucket, if those of both sides differ.
fn odd_cells(a: &Option<Line>, b: &Option<Line>) -> u64 {
    let (a, b) = (special(a), special(b));
    if a == b { 0 } else { a.0.max(b.0).max(1) }
}

/// Does only one side of a bucket have NaN and infinities?
fn one_sided(a: &Option<Line>, b: &Option<Line>) -> bool {
    let (a, b) = (special(a), special(b));
    a != b && (a.0 == 0 || b.0 == 0)
}

impl Outcome {
    /// Counts what differs anew, from what is left after other looks.
    pub fn recount(&mut self, list: &List) -> Result<()> {
        (self.differing, self.non_finite, self.only_odd) = (0, 0, 0);
        let mut list = list.open();
        while let Some(bucket) = list.next()? {
            *(if bucket.only_odd { &mut self.only_odd } else { &mut self.differing }) += 1;
            if one_sided(&bucket.a, &bucket.b) {
                self.non_finite += odd_cells(&bucket.a, &bucket.b);
            }
        }
        Ok(())
    }
}

/// Goes through both digests, calls `look` for every bucket, and `each` for every bucket that differs.
pub fn compare(
    a: &mut Cursor,
    b: &mut Cursor,
    mut look: impl FnMut(&Line, Look),
    mut each: impl FnMut(Differing) -> Result<()>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let (mut x, mut y) = (a.next()?, b.next()?);
    loop {
        let order = match (&x, &y) {
            (None, None) => return Ok(outcome),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => x.order(y),
        };
        let left = if order == Ordering::Greater { None } else { std::mem::replace(&mut x, a.next()?) };
        let right = if order == Ordering::Less { None } else { std::mem::replace(&mut y, b.next()?) };
        outcome.buckets_a += u64::from(left.is_some());
        outcome.buckets_b += u64::from(right.is_some());
        let regular = |line: &Option<Line>| line.as_ref().map_or((0, 0), |line| (line.cells, line.sum));
        let (odd, one_sided) = (odd_cells(&left, &right), one_sided(&left, &right));
        let differs = regular(&left) != regular(&right) || (odd > 0 && !one_sided);
        let only_odd = one_sided && !differs;
        if one_sided {
            outcome.non_finite += odd;
        }
        outcome.only_odd += u64::from(only_odd);
        outcome.differing += u64::from(differs);
        let Some(line) = left.as_ref().or(right.as_ref()) else { continue };
        look(
            line,
            if differs {
                Look::Differing
            } else if only_odd {
                Look::Odd
            } else {
                Look::Equal
            },
        );
        if differs || only_odd {
            each(Differing::new(left, right, only_odd))?;
        }
    }
}
