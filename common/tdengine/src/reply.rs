//! What comes back over WebSocket (2.2).

use crate::block::shape;
use crate::types::{Column, Type, unit_from_number};
use fault::{Error, Kind, Result};
use net::Bytes;
use rows::time::Unit;
use serde::Deserialize;

/// Any text reply: the members of all actions, absent ones are default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Text {
    pub code: i64,
    pub message: String,
    pub action: String,
    pub req_id: u64,
    /// Of `version` and `conn`.
    pub version: String,
    /// The result's handle.
    pub id: u64,
    pub is_update: bool,
    pub affected_rows: i64,
    pub fields_count: i64,
    fields_names: Option<Vec<String>>,
    fields_types: Option<Vec<i64>>,
    fields_precisions: Option<Vec<i64>>,
    fields_scales: Option<Vec<i64>>,
    precision: i64,
    /// Of `fetch`.
    pub completed: bool,
    pub rows: usize,
    pub lengths: Option<Vec<i64>>,
}

impl Text {
    /// Parses a text frame.
    pub fn parse(text: &str) -> Result<Text> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(
                Kind::Source,
                format!("the reply is not what taosAdapter sends: {error}: {}", fault::excerpt(text.as_bytes())),
            )
        })
    }

    /// The columns of a query's result, and the unit of its times.
    pub fn columns(&self) -> Result<(Vec<Column>, Unit)> {
        let names = self.fields_names.as_deref().unwrap_or_default();
        let types = self.fields_types.as_deref().unwrap_or_default();
        if names.len() != types.len() {
            return Err(Error::new(
                Kind::Source,
                format!("the reply has {} names and {} types", names.len(), types.len()),
            ));
        }
        let unit = unit_from_number(self.precision)
            .ok_or_else(|| Error::new(Kind::Refused, format!("precision number {} is unknown", self.precision)))?;
        let at = |list: &Option<Vec<i64>>, i: usize| {
            list.as_ref().and_then(|list| list.get(i)).and_then(|n| u8::try_from(*n).ok()).unwrap_or(0)
        };
        let mut columns = Vec::with_capacity(names.len());
        for (i, (name, number)) in names.iter().zip(types).enumerate() {
            let kind = Type::from_number(*number).map_err(|error| error.context(format!("column {name}")))?;
            let mut column = Column::new(name.clone(), kind);
            if matches!(kind, Type::Decimal | Type::Decimal64) {
                column.precision = at(&self.fields_precisions, i);
                column.scale = at(&self.fields_scales, i);
            }
            columns.push(column);
        }
        Ok((columns, unit))
    }
}

/// A reply to `fetch_raw_block`.
#[derive(Debug, PartialEq)]
pub struct Raw {
    /// Which request it answers.
    pub req_id: u64,
    /// 0, or the error code with `message`.
    pub code: u32,
    pub message: String,
    /// The block; `None` when the result has ended.
    pub block: Option<Bytes>,
}

/// Takes the 55-byte prefix off: `u64 ~0 | u64 7 | u16 1 | u64 timing | u64 req_id | u32 code | u32 length | message |
/// u64 result | u8 finished | [u32 length | block]`.
pub fn raw_block(frame: &Bytes) -> Result<Raw> {
    let short = || Error::new(Kind::Source, format!("damaged block: the frame has only {} bytes", frame.len()));
    let mut rest = Words { bytes: frame };
    let (mark, action) = (rest.u64().ok_or_else(short)?, rest.u64().ok_or_else(short)?);
    let version = rest.take::<2>().map(u16::from_le_bytes).ok_or_else(short)?;
    if mark != u64::MAX || action != 7 || version != 1 {
        return Err(Error::new(
            Kind::Source,
            format!("the reply is not what taosAdapter sends: action {action}, version {version}"),
        ));
    }
    let _timing = rest.u64().ok_or_else(short)?;
    let req_id = rest.u64().ok_or_else(short)?;
    let code = rest.u32().ok_or_else(short)?;
    let length = rest.u32().ok_or_else(short)? as usize;
    let message = rest.slice(length).ok_or_else(short)?;
    let message = String::from_utf8_lossy(message).into_owned();
    let _result = rest.u64().ok_or_else(short)?;
    let [finished] = rest.take::<1>().ok_or_else(short)?;
    if code != 0 || finished != 0 {
        return Ok(Raw { req_id, code, message, block: None });
    }
    let length = rest.u32().ok_or_else(short)? as usize;
    let start = frame.len() - rest.bytes.len();
    if length > rest.bytes.len() {
        return Err(Error::new(
            Kind::Source,
            format!("damaged block: {length} bytes were promised, {} came", rest.bytes.len()),
        ));
    }
    Ok(Raw { req_id, code, message, block: Some(frame.slice(start..start + length)) })
}

/// Takes the prefix off a `fetch_block` reply: `u64 timing | u64 result | block`; 2.x has no timing.
pub fn fetched_block(frame: &Bytes, result: u64, rows: usize) -> Result<Bytes> {
    let mut rest = Words { bytes: frame };
    let (first, second) = (rest.u64(), rest.u64());
    if second == Some(result) && shape(&frame[16..]).is_ok_and(|shape| shape.rows == rows) {
        return Ok(frame.slice(16..));
    }
    if first == Some(result) && frame.len() >= 8 {
        return Ok(frame.slice(8..));
    }
    Err(Error::new(
        Kind::Source,
        format!("damaged block: the frame of {} bytes is not of result {result}", frame.len()),
    ))
}

struct Words<'a> {
    bytes: &'a [u8],
}

impl<'a> Words<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = tail;
        Some(*head)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn slice(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(n)?;
        self.bytes = tail;
        Some(head)
    }
}
