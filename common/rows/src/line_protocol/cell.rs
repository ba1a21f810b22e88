//! One value into a line, with the repairs that the options allow.

use super::encode::Why;
use super::options::{BinaryAs, DecimalAs, EncodeOptions, Nan, Newline, TrailingBackslash, UintAs};
use super::repair::{Repair, RepairSet};
use crate::cells::{Cells, Values};
use crate::number;
use base64::Engine as _;
use lp::{Element, Refusal, escape, write};

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    Value,
    /// NULL, or a value that is left out: the key must not stay.
    Nothing,
}

/// Appends the value of a field. On an error `out` may hold a part of it: the caller cuts the line off.
pub(crate) fn field(
    out: &mut Vec<u8>,
    cells: &Cells<'_>,
    row: usize,
    options: &EncodeOptions,
    repairs: &mut RepairSet,
) -> Result<Wrote, Why> {
    if cells.is_null(row) {
        return Ok(Wrote::Nothing);
    }
    match &cells.values {
        Values::Bool(v) => write::boolean(out, v.value(row)),
        Values::I8(v) => write::int(out, i64::from(v[row])),
        Values::I16(v) => write::int(out, i64::from(v[row])),
        Values::I32(v) => write::int(out, i64::from(v[row])),
        Values::I64(v) | Values::Time(v, _) => write::int(out, v[row]),
        Values::U8(v) => unsigned(out, u64::from(v[row]), options, repairs)?,
        Values::U16(v) => unsigned(out, u64::from(v[row]), options, repairs)?,
        Values::U32(v) => unsigned(out, u64::from(v[row]), options, repairs)?,
        Values::U64(v) => unsigned(out, v[row], options, repairs)?,
        Values::F32(v) => {
            if write::float32(out, v[row]).is_err() {
                return not_finite(out, f64::from(v[row]), options, repairs);
            }
        }
        Values::F64(v) => {
            if write::float(out, v[row]).is_err() {
                return not_finite(out, v[row], options, repairs);
            }
        }
        Values::Decimal(v, scale) => decimal(out, v[row], *scale, options)?,
        Values::Text(v) => string(out, v.value(row).as_bytes(), options, repairs)?,
        Values::Dictionary(keys, texts) => string(out, texts.value(keys[row] as usize).as_bytes(), options, repairs)?,
        Values::Binary(v) => binary(out, v.value(row), options)?,
    }
    Ok(Wrote::Value)
}

/// Neither alphabet has a character that a string escapes.
fn binary(out: &mut Vec<u8>, bytes: &[u8], options: &EncodeOptions) -> Result<(), Why> {
    let len = match options.binary {
        BinaryAs::Hex => bytes.len().saturating_mul(2),
        BinaryAs::Base64 => bytes.len().div_ceil(3).saturating_mul(4),
    };
    if len > options.dialect.max_string() {
        return Err(Refusal::StringTooLong.into());
    }
    out.push(b'"');
    let start = out.len();
    out.resize(start + len, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = match options.binary {
        BinaryAs::Hex => hex::encode_to_slice(bytes, room).is_ok(),
        BinaryAs::Base64 => base64::engine::general_purpose::STANDARD.encode_slice(bytes, room) == Ok(len),
    };
    out.push(b'"');
    // The room is exactly what the alphabet takes.
    if written { Ok(()) } else { Err(Refusal::StringTooLong.into()) }
}

fn unsigned(out: &mut Vec<u8>, v: u64, options: &EncodeOptions, repairs: &mut RepairSet) -> Result<(), Why> {
    match options.uint {
        UintAs::Float => {
            repairs.add(Repair::UintAsFloat);
            // Digits without a suffix are a float, and all of them are told.
            out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
        }
        UintAs::Auto | UintAs::Unsigned if options.dialect.has_unsigned() => write::uint(out, options.dialect, v)?,
        _ => write::int(out, i64::try_from(v).map_err(|_| Why::UintTooLarge)?),
    }
    Ok(())
}

fn not_finite(out: &mut Vec<u8>, v: f64, options: &EncodeOptions, repairs: &mut RepairSet) -> Result<Wrote, Why> {
    match options.nan {
        Nan::Error => Err(Refusal::NotFinite.into()),
        Nan::Drop => {
            repairs.add(Repair::NanDropped);
            Ok(Wrote::Nothing)
        }
        Nan::String => {
            repairs.add(Repair::NanAsString);
            out.extend_from_slice(if v.is_nan() {
                b"\"NaN\""
            } else if v > 0.0 {
                b"\"inf\""
            } else {
                b"\"-inf\""
            });
            Ok(Wrote::Value)
        }
    }
}

/// Digits that every double holds, whatever they are.
const EXACT_DIGITS: u32 = 15;

fn decimal(out: &mut Vec<u8>, v: i128, scale: i8, options: &EncodeOptions) -> Result<(), Why> {
    let start = out.len();
    if options.decimal == DecimalAs::String {
        out.push(b'"');
        number::print_decimal(v, scale, out);
        out.push(b'"');
        return Ok(());
    }
    number::print_decimal(v, scale, out);
    if v.unsigned_abs() >= 10u128.pow(EXACT_DIGITS) {
        // More digits: does the float that the server makes of them still name this very decimal?
        let text = out.get(start..).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
        let float: f64 = text.parse().unwrap_or(f64::NAN);
        let again = format!("{float:.*}", usize::try_from(scale).unwrap_or(0));
        if again != text {
            return Err(Why::DecimalInexact);
        }
    }
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &[u8], options: &EncodeOptions, repairs: &mut RepairSet) -> Result<(), Why> {
    if options.newline != Newline::Raw && memchr::memchr(b'\n', text).is_some() {
        let text = match options.newline {
            Newline::Error | Newline::Raw => return Err(Why::LineFeedInString),
            Newline::Space => {
                repairs.add(Repair::NewlineToSpace);
                replace(text, b" ", b"\t")
            }
            Newline::Escape => {
                repairs.add(Repair::NewlineEscaped);
                replace(text, b"\\n", b"\t")
            }
        };
        return write::string(out, options.dialect, &text).map_err(Why::from);
    }
    write::string(out, options.dialect, text).map_err(Why::from)
}

/// Appends a measurement or tag value, repaired where the options allow it.
pub(crate) fn name(
    out: &mut Vec<u8>,
    element: Element,
    text: &[u8],
    options: &EncodeOptions,
    repairs: &mut RepairSet,
) -> Result<(), Why> {
    let Err(mut refusal) = escape::name(out, element, options.dialect, text) else { return Ok(()) };
    let mut text = text.to_vec();
    // One value may need several repairs, but none of them twice.
    for _ in 0..3 {
        text = match (refusal, options.newline, options.trailing_backslash) {
            (Refusal::LineFeed(_) | Refusal::Control(_), Newline::Space, _) => {
                repairs.add(Repair::NewlineToSpace);
                let text = replace(&text, b" ", b" ");
                text.into_iter().map(|b| if b == 0 { b' ' } else { b }).collect()
            }
            (Refusal::LineFeed(_) | Refusal::Control(_), Newline::Escape, _) if !text.contains(&0) => {
                repairs.add(Repair::NewlineEscaped);
                replace(&text, b"\\n", b"\\t")
            }
            (Refusal::TrailingBackslash(_), _, TrailingBackslash::Strip) => {
                repairs.add(Repair::BackslashStripped);
                let keep = text.iter().rposition(|b| *b != b'\\').map_or(0, |i| i + 1);
                text.truncate(keep);
                text
            }
            (Refusal::TrailingBackslash(_), _, TrailingBackslash::Space) => {
                repairs.add(Repair::BackslashSpace);
                text.push(b' ');
                text
            }
            _ => return Err(refusal.into()),
        };
        match escape::name(out, element, options.dialect, &text) {
            Ok(()) => return Ok(()),
            Err(next) => refusal = next,
        }
    }
    Err(refusal.into())
}

/// Other bytes for line feeds and for tabs.
fn replace(text: &[u8], line_feed: &[u8], tab: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for b in text {
        match b {
            b'\n' => out.extend_from_slice(line_feed),
            b'\t' => out.extend_from_slice(tab),
            _ => out.push(*b),
        }
    }
    out
}
