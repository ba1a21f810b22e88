//! Values into a line.

use crate::escape::Refusal;
use crate::{Dialect, Precision};

pub use crate::escape::string;

/// Appends a float: the shortest text that reads back as the same f64, digits on both sides of any point.
pub fn float(out: &mut Vec<u8>, v: f64) -> Result<(), Refusal> {
    if !v.is_finite() {
        return Err(Refusal::NotFinite);
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(v).as_bytes());
    Ok(())
}

/// Appends a 32-bit float: the shortest text that reads back as the same f32. The server keeps the f64 nearest to that
/// text, which is not the f64 of equal value; whoever compares rounds back to f32.
pub fn float32(out: &mut Vec<u8>, v: f32) -> Result<(), Refusal> {
    if !v.is_finite() {
        return Err(Refusal::NotFinite);
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(v).as_bytes());
    Ok(())
}

/// Appends an integer with its `i`.
pub fn int(out: &mut Vec<u8>, v: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
    out.push(b'i');
}

/// Appends an unsigned integer with its `u`.
pub fn uint(out: &mut Vec<u8>, dialect: Dialect, v: u64) -> Result<(), Refusal> {
    if !dialect.has_unsigned() {
        return Err(Refusal::Unsigned);
    }
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
    out.push(b'u');
    Ok(())
}

/// Appends `true` or `false`.
pub fn boolean(out: &mut Vec<u8>, v: bool) {
    out.extend_from_slice(if v { b"true" } else { b"false" });
}

/// Appends a time given in `unit`, as it is.
pub fn timestamp(out: &mut Vec<u8>, dialect: Dialect, unit: Precision, v: i64) -> Result<(), Refusal> {
    if !time_fits(dialect, unit, v) {
        return Err(Refusal::TimeOutOfRange);
    }
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
    Ok(())
}

/// Whether a server of the dialect keeps the time `v`, given in `unit`.
#[inline]
pub fn time_fits(dialect: Dialect, unit: Precision, v: i64) -> bool {
    let (min, max) = dialect.time_range();
    v.checked_mul(unit.nanos()).is_some_and(|ns| (min..=max).contains(&ns))
}
