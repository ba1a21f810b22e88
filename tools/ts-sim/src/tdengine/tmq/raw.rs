//! The server's own serialization of messages (`fetch_raw`, `fetch_raw_data`), laid out as recorded: schema changes as the
//! requests that the vgroup once got, rows as its reply to a poll. Integers are little endian; a *varint* has seven bits a byte,
//! signed ones are zigzagged before; texts have their length, with a final NUL, as a varint in front.

use std::collections::BTreeMap;

use super::super::block;
use super::super::changelog::{Altered, Change, Created, Deleted, TagSet};
use super::super::column;
use super::super::store::Stable;
use super::super::types::{Field, Kind as TypeKind, Type};
use super::super::value::Value;
use super::message::{Block, Kind, Message};
use crate::args::Precision;

/// What the receiver needs to know to replay a message.
mod meta_type {
    pub const DATA: u16 = 2;
    pub const DATA_AND_TABLES: u16 = 4;
    pub const CREATE: u16 = 0x203;
    pub const SET_TAG: u16 = 0x205;
    pub const DROP: u16 = 0x207;
    pub const CREATE_STABLE: u16 = 0x213;
    pub const ALTER_STABLE: u16 = 0x215;
    pub const DROP_STABLE: u16 = 0x217;
    pub const DELETE: u16 = 0x243;
}

/// The first byte of rows.
const ROWS: u8 = 100;
/// An offset in a log (recorded). Offsets in a snapshot were not recorded: their number stands there in the same form, behind a length
/// by which readers pass over them.
const LOG_OFFSET: u8 = 0x11;
/// Columns have pre-computed aggregates; the first tag has an index; the second part of a composite key.
const SUMS: u8 = 1;
const INDEXED: u8 = 2;
const KEY: u8 = 4;
/// Of a child's tags: they are keys of a JSON object; they are long.
const JSON_TAG: u8 = 0x40;
const LARGE_TAGS: u8 = 0x20;
/// TSDB_CHILD_TABLE and TSDB_NORMAL_TABLE.
const CHILD: u8 = 2;
const NORMAL: u8 = 3;

/// Where and how a message is encoded.
pub struct Encoding {
    pub vgroup: i32,
    pub precision: Precision,
    /// The full name of the database's tables begins with it: `1.db.`
    pub database: String,
    /// Equal tags share their bytes in blocks.
    pub share: bool,
}

/// The type and body of a message.
pub fn encode(message: &Message, how: &Encoding) -> (u16, Vec<u8>) {
    let mut out = Out::default();
    let Some(change) = &message.meta else {
        rows(&mut out, message, how);
        let kind = if message.kind == Kind::Both { meta_type::DATA_AND_TABLES } else { meta_type::DATA };
        return (kind, out.0);
    };
    // The head of a vgroup's request: total length, vgroup.
    out.i32(0);
    out.i32(how.vgroup);
    let kind = match change {
        Change::CreateStable(stable) => {
            out.sized(|out| create_stable(out, stable, None));
            meta_type::CREATE_STABLE
        }
        Change::AlterStable(stable, altered) => {
            let original = alter_request(&format!("{}{}", how.database, stable.name), altered);
            out.sized(|out| create_stable(out, stable, Some(&original)));
            meta_type::ALTER_STABLE
        }
        Change::DropStable(stable) => {
            out.sized(|out| {
                out.text(&stable.name);
                out.i64(stable.uid);
            });
            meta_type::DROP_STABLE
        }
        Change::Create(created) => {
            out.sized(|out| {
                out.zigzag(1);
                out.sized(|out| create_table(out, created));
                out.byte(0);
            });
            meta_type::CREATE
        }
        Change::SetTag(set) => {
            out.sized(|out| set_tag(out, set));
            meta_type::SET_TAG
        }
        Change::Drop { name, stable } => {
            out.sized(|out| {
                out.zigzag(1);
                out.sized(|out| {
                    out.text(name);
                    out.i64(stable.as_ref().map_or(0, |s| s.uid));
                    out.byte(0);
                });
            });
            meta_type::DROP
        }
        Change::Delete(deleted) => {
            delete(&mut out, deleted);
            meta_type::DELETE
        }
        Change::Other | Change::Data { .. } => 0,
    };
    let total = out.0.len() as i32;
    out.0[..4].copy_from_slice(&total.to_le_bytes());
    (kind, out.0)
}

#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    fn zigzag(&mut self, value: i32) {
        self.varint(u64::from(((value << 1) ^ (value >> 31)) as u32));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// With its NUL.
    fn text(&mut self, text: &str) {
        self.varint(text.len() as u64 + 1);
        self.0.extend_from_slice(text.as_bytes());
        self.byte(0);
    }

    /// What `write` writes, with its length as an i32 in front.
    fn sized(&mut self, write: impl FnOnce(&mut Out)) {
        let at = self.0.len();
        self.i32(0);
        write(self);
        let length = (self.0.len() - at - 4) as i32;
        self.0[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Type, flag, size, number and name of a column or tag.
    fn column(&mut self, field: &Field, id: i16, flag: u8) {
        self.byte(field.ty.number());
        self.byte(flag);
        self.zigzag(field.ty.block_bytes() as i32);
        self.zigzag(i32::from(id));
        self.text(&field.name);
    }
}

/// A flag of a column in a schema; the second part of a composite key has its own.
fn flag(field: &Field, at_start: bool) -> u8 {
    (u8::from(at_start) * SUMS) | if field.key { KEY } else { 0 }
}

fn create_stable(out: &mut Out, stable: &Stable, original: Option<&[u8]>) {
    out.text(&stable.name);
    out.i64(stable.uid);
    out.byte(0);
    out.zigzag(stable.fields.len() as i32);
    out.zigzag(stable.version);
    for (field, id) in stable.fields.iter().zip(stable.ids.iter()) {
        out.column(field, *id, flag(field, *id <= stable.first_columns));
    }
    out.zigzag(stable.tags.len() as i32);
    out.zigzag(stable.tag_version);
    for (at, (field, id)) in stable.tags.iter().zip(stable.tag_ids.iter()).enumerate() {
        out.column(field, *id, if at == 0 { INDEXED } else { 0 });
    }
    match original {
        Some(original) => {
            out.i32(original.len() as i32);
            out.bytes(original);
        }
        None => out.i32(0),
    }
    out.byte(0);
    out.byte(1);
    packing(out, &stable.fields, &stable.ids, stable.version);
}

/// How each column is packed: level, compression and encoding in a word.
fn packing(out: &mut Out, fields: &[Field], ids: &[i16], version: i32) {
    out.zigzag(fields.len() as i32);
    out.zigzag(version);
    for (field, id) in fields.iter().zip(ids) {
        out.zigzag(i32::from(*id));
        let (_, encoding) = field.ty.encoding();
        out.0.extend_from_slice(&[2, 1, 0, encoding]);
    }
}

/// The statement that altered a super table, as the client sent it to the cluster's head.
fn alter_request(name: &str, altered: &Altered) -> Vec<u8> {
    let mut out = Out::default();
    out.sized(|out| {
        out.text(name);
        out.byte(altered.kind);
        let renamed = altered.new_name.as_ref().map(|new| Field { name: new.clone(), ..altered.field.clone() });
        let fields: Vec<&Field> = [&altered.field].into_iter().chain(&renamed).collect();
        out.i32(fields.len() as i32);
        for field in fields {
            out.byte(field.ty.number());
            out.i32(field.ty.block_bytes() as i32);
            out.text(&field.name);
        }
        out.i32(0);
        out.i32(0);
        out.i32(altered.sql.len() as i32);
        out.bytes(altered.sql.as_bytes());
    });
    out.0
}

fn create_table(out: &mut Out, created: &Created) {
    out.zigzag(0);
    out.text(&created.name);
    out.i64(created.uid);
    out.i64(created.at);
    out.i32(0);
    out.byte(if created.stable.is_some() { CHILD } else { NORMAL });
    out.i32(-1);
    if let Some(stable) = &created.stable {
        out.text(&stable.name);
        out.byte(stable.tags.len() as u8);
        out.i64(stable.uid);
        out.bytes(&tag_row(stable, &created.tags));
        let given = stable.tags.iter().zip(created.tags.iter()).filter(|(_, value)| !value.is_null());
        let names: Vec<&str> = given.map(|(field, _)| &*field.name).collect();
        out.i32(names.len() as i32);
        names.iter().for_each(|name| out.text(name));
        out.i32(0);
        return;
    }
    let ids: Vec<i16> = (1..=created.fields.len() as i16).collect();
    out.zigzag(created.fields.len() as i32);
    out.zigzag(1);
    for (field, id) in created.fields.iter().zip(&ids) {
        out.column(field, *id, flag(field, true));
    }
    out.i32(0);
    packing(out, &created.fields, &ids, 0);
}

/// The tags of a child: flags, length, number of tags, version, where each starts, and each with its number and type.
fn tag_row(stable: &Stable, tags: &[Value<'static>]) -> Vec<u8> {
    if let ([Field { ty: Type { kind: TypeKind::Json, .. }, .. }], [tag]) = (&*stable.tags, tags) {
        return json_row(stable.tag_version, tag);
    }
    let mut items = Vec::new();
    for ((field, id), value) in stable.tags.iter().zip(stable.tag_ids.iter()).zip(tags) {
        if value.is_null() {
            continue;
        }
        let mut item = Out::default();
        item.zigzag(i32::from(*id));
        item.byte(field.ty.number());
        let bytes = value_bytes(field.ty, value);
        if field.ty.width().is_some() {
            item.0.extend_from_slice(&bytes)
        } else {
            item.bytes(&bytes)
        }
        items.push(item.0);
    }
    row_of(0, stable.tag_version, &items)
}

/// A JSON tag: its keys in order, each as a tag with a name in the place of a number. By the server's sources, not recorded.
fn json_row(version: i32, tag: &Value<'_>) -> Vec<u8> {
    let text = if let Value::Bytes(text) = tag { text.as_ref() } else { b"{}" };
    let object: BTreeMap<String, serde_json::Value> = serde_json::from_slice(text).unwrap_or_default();
    let item = |(key, value): (&String, &serde_json::Value)| {
        let mut item = Out::default();
        item.text(key);
        match value {
            serde_json::Value::String(text) => {
                item.byte(Type::var(TypeKind::NChar, 0).number());
                item.bytes(&ucs4(text));
            }
            serde_json::Value::Bool(value) => item.0.extend_from_slice(&[1, u8::from(*value)]),
            serde_json::Value::Number(number) => {
                item.byte(Type::fixed(TypeKind::Double).number());
                item.0.extend_from_slice(&number.as_f64().unwrap_or(0.0).to_le_bytes());
            }
            _ => item.0.extend_from_slice(&[0, 0]),
        }
        item.0
    };
    row_of(JSON_TAG, version, &object.iter().map(item).collect::<Vec<_>>())
}

/// Tags behind their head; more than 255 bytes need two for each start.
fn row_of(flags: u8, version: i32, items: &[Vec<u8>]) -> Vec<u8> {
    let size: usize = items.iter().map(Vec::len).sum();
    let large = size > 255;
    let head = 9 + items.len() * if large { 2 } else { 1 };
    let mut out = Out::default();
    out.byte(flags | if large { LARGE_TAGS } else { 0 });
    out.0.extend_from_slice(&((head + size) as u16).to_le_bytes());
    out.0.extend_from_slice(&(items.len() as u16).to_le_bytes());
    out.i32(version);
    let mut start = 0;
    for item in items {
        let bytes = (start as u16).to_le_bytes();
        out.0.extend_from_slice(if large { &bytes } else { &bytes[..1] });
        start += item.len();
    }
    items.iter().for_each(|item| out.0.extend_from_slice(item));
    out.0
}

fn ucs4(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
}

/// A value without its length; NCHAR in UCS-4.
fn value_bytes(ty: Type, value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) if ty.kind == TypeKind::NChar => ucs4(&String::from_utf8_lossy(bytes)),
        Value::Bytes(bytes) => bytes.to_vec(),
        value => {
            let (bytes, width) = column::encode(ty, value);
            bytes[..width].to_vec()
        }
    }
}

fn set_tag(out: &mut Out, set: &TagSet) {
    out.text(&set.table);
    out.byte(4);
    out.i32(i32::from(set.id));
    out.text(&set.tag.name);
    out.byte(u8::from(set.value.is_null()));
    out.byte(set.tag.ty.number());
    if !set.value.is_null() {
        out.bytes(&value_bytes(set.tag.ty, &set.value));
    }
    out.i64(set.at);
    out.byte(0);
}

fn delete(out: &mut Out, deleted: &Deleted) {
    out.i64(deleted.suid);
    out.zigzag(deleted.uids.len() as i32);
    deleted.uids.iter().for_each(|uid| out.i64(*uid));
    out.i64(deleted.from);
    out.i64(deleted.to);
    out.zigzag(i32::try_from(deleted.rows).unwrap_or(i32::MAX));
    out.text(&deleted.name);
    out.text(&deleted.time_column);
    out.i64(deleted.at);
    out.byte(0);
}

fn rows(out: &mut Out, message: &Message, how: &Encoding) {
    out.byte(ROWS);
    out.sized(|out| {
        for offset in [message.start, message.end] {
            out.byte(LOG_OFFSET);
            out.i64(offset);
        }
    });
    out.i32(message.blocks.len() as i32);
    out.byte(u8::from(message.named));
    out.byte(1);
    for block in &message.blocks {
        block_of_rows(out, block, message.named, how);
    }
    if message.kind != Kind::Both {
        out.i64(0);
        return;
    }
    out.i32(message.created.len() as i32);
    for created in &message.created {
        let mut request = Out::default();
        request.sized(|out| create_table(out, created));
        out.bytes(&request.0);
    }
}

fn block_of_rows(out: &mut Out, block: &Block, named: bool, how: &Encoding) {
    let encoded = block::encode_version(&block.chunk, how.share, block::SUBSCRIBED);
    out.varint(encoded.len() as u64 + 18);
    out.i64(1);
    // The number of rows is in network order.
    out.0.extend_from_slice(&(block.chunk.rows as i64).to_be_bytes());
    out.byte(0);
    out.byte(how.precision.number());
    out.0.extend_from_slice(&encoded);
    out.zigzag(block.fields.len() as i32);
    out.zigzag(0);
    for (field, (id, sums)) in block.fields.iter().zip(&block.columns) {
        out.column(field, *id, flag(field, *sums == SUMS));
    }
    if named {
        out.text(&block.table);
    }
}
