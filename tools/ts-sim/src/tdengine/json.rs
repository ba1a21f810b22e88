//! Values as JSON, as the REST interface prints them (dossier tdengine 1.4 and 1.6, and as recorded).

use super::chunk::{Cells, Chunk};
use super::time::{self, Zone};
use super::types::{Field, Kind, Type};
use super::value::{Value, decimal_text};
use crate::args::Precision;

/// How 2.x prints times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// RFC 3339 (3.x).
    Rfc3339,
    /// `2023-11-14 22:13:20.123` in the server's zone (2.x `/rest/sql`).
    Local,
    /// Epoch integers (2.x `/rest/sqlt`).
    Epoch,
    /// `2023-11-14T22:13:20.123+0000` (2.x `/rest/sqlutc`).
    Offset,
}

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub times: Times,
    pub zone: Zone,
    pub precision: Precision,
    /// Rows as objects.
    pub objects: bool,
    /// False: the JSON ends for good at the first NaN or infinity.
    pub nan_as_null: bool,
}

/// `"column_meta":[[name,type,length],..]` without a comma at either end. 2.x gives numbers for types.
pub fn column_meta(fields: &[Field], old: bool) -> String {
    let mut out = String::from("\"column_meta\":[");
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let length = if old { super::block_2x::slot(field.ty) as u32 } else { field.ty.declared() };
        let length = if old && field.ty.width().is_none() { field.ty.declared() } else { length };
        out.push('[');
        text(&mut out, field.name.as_bytes());
        if old {
            out.push_str(&format!(",{},{length}]", field.ty.number()));
        } else {
            out.push_str(&format!(",\"{}\",{length}]", field.ty.name()));
        }
    }
    out.push(']');
    out
}

/// One row. False: a value could not be written, and nothing must follow.
pub fn row(out: &mut String, chunk: &Chunk, row: usize, fields: &[Field], style: Style) -> bool {
    out.push(if style.objects { '{' } else { '[' });
    for (at, cells) in chunk.columns.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if style.objects {
            text(out, fields.get(at).map_or(&b""[..], |f| f.name.as_bytes()));
            out.push(':');
        }
        if !value(out, cells, row, style) {
            return false;
        }
    }
    out.push(if style.objects { '}' } else { ']' });
    true
}

fn value(out: &mut String, cells: &Cells, row: usize, style: Style) -> bool {
    let value = cells.get(row);
    match &value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => out.push_str(itoa::Buffer::new().format(*i)),
        Value::UInt(u) => out.push_str(itoa::Buffer::new().format(*u)),
        Value::Float(f) if !f.is_finite() => return not_a_number(out, style),
        Value::Double(d) if !d.is_finite() => return not_a_number(out, style),
        Value::Float(f) => go_float(out, zmij::Buffer::new().format_finite(*f), f.abs() < 1e-6 || f.abs() >= 1e21),
        Value::Double(d) => go_float(out, zmij::Buffer::new().format_finite(*d), d.abs() < 1e-6 || d.abs() >= 1e21),
        Value::Decimal(d, scale) => {
            out.push('"');
            out.push_str(&decimal_text(*d, *scale));
            out.push('"');
        }
        Value::Time(time) => write_time(out, *time, style),
        Value::Bytes(bytes) => write_bytes(out, bytes, cells.ty),
    }
    true
}

fn not_a_number(out: &mut String, style: Style) -> bool {
    if style.nan_as_null {
        out.push_str("null");
    }
    style.nan_as_null
}

fn write_time(out: &mut String, time: i64, style: Style) {
    if style.times == Times::Epoch {
        out.push_str(itoa::Buffer::new().format(time));
        return;
    }
    out.push('"');
    match style.times {
        Times::Rfc3339 => time::write(out, time, style.precision, style.zone),
        times => time::write_2x(out, time, style.precision, style.zone, times == Times::Offset),
    }
    out.push('"');
}

fn write_bytes(out: &mut String, bytes: &[u8], ty: Type) {
    match ty.kind {
        Kind::Json => out.push_str(&String::from_utf8_lossy(bytes)),
        Kind::VarBinary | Kind::Geometry | Kind::Blob => {
            out.push('"');
            out.push_str(&hex::encode(bytes));
            out.push('"');
        }
        _ => text(out, bytes),
    }
}

/// The shortest digits that read back, in Go's form: an exponent only below 1e-6 and from 1e21, `e-7` and `e+21`.
fn go_float(out: &mut String, shortest: &str, exponential: bool) {
    let (sign, digits) = shortest.strip_prefix('-').map_or(("", shortest), |d| ("-", d));
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = if fraction == "0" { "" } else { fraction };
    let all = format!("{whole}{fraction}");
    // Position of the point, counted from the first significant digit.
    let leading = all.len() - all.trim_start_matches('0').len();
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    let point = whole.len() as i32 + exponent - leading as i32;
    out.push_str(sign);
    if significant.is_empty() {
        out.push('0');
        return;
    }
    if exponential {
        out.push_str(&significant[..1]);
        if significant.len() > 1 {
            out.push('.');
            out.push_str(&significant[1..]);
        }
        out.push_str(&format!("e{}{}", if point > 0 { "+" } else { "-" }, (point - 1).abs()));
    } else if point <= 0 {
        out.push_str("0.");
        (0..-point).for_each(|_| out.push('0'));
        out.push_str(significant);
    } else {
        let point = point as usize;
        if significant.len() <= point {
            out.push_str(significant);
            (significant.len()..point).for_each(|_| out.push('0'));
        } else {
            out.push_str(&significant[..point]);
            out.push('.');
            out.push_str(&significant[point..]);
        }
    }
}

/// A JSON string.
pub fn text(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_like_gos() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (14.0, "14"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-2.2250738585072014e-308, "-2.2250738585072014e-308"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (123456.789, "123456.789"),
            (5e-324, "5e-324"),
        ] {
            let mut out = String::new();
            go_float(
                &mut out,
                zmij::Buffer::new().format_finite(value),
                f64::abs(value) < 1e-6 || f64::abs(value) >= 1e21,
            );
            assert_eq!(out, expected);
            assert_eq!(out.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()));
        }
        for (value, expected) in [(3.4e38_f32, "3.4e+38"), (-1.17549e-38, "-1.17549e-38"), (-2.498076, "-2.498076")] {
            let mut out = String::new();
            go_float(&mut out, zmij::Buffer::new().format_finite(value), value.abs() < 1e-6 || value.abs() >= 1e21);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn strings_escape_what_json_must() {
        let mut out = String::new();
        text(&mut out, "a\"\\\n\u{1}😀".as_bytes());
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001😀\"");
    }
}
