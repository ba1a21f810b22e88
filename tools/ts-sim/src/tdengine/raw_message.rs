//! Messages of a subscription in their raw form, which a client replays into another database: new and changed tables,
//! deletions, blocks of rows. The layout is the server's own encoding of its requests, as recorded.

use super::block_in::{Incoming, decode_block, from_ucs4};
use super::byte_reader::ByteReader;
use super::column::decode;
use super::types::{Field, Kind, Type};
use super::value::Value;

/// What a message does.
#[derive(Debug)]
pub enum RawMessage {
    CreateStable(StableSchema),
    AlterStable(StableSchema),
    DropStable(String),
    CreateTables(Vec<NewTable>),
    SetTag { table: String, tag: String, value: TagBytes },
    AddColumn { table: String, field: Field },
    DropColumn { table: String, column: String },
    DropTables(Vec<String>),
    Delete { table: String, from: i64, to: i64 },
    Data { blocks: Vec<DataBlock>, tables: Vec<NewTable> },
}

/// A super table, whole.
#[derive(Debug)]
pub struct StableSchema {
    pub name: String,
    pub fields: Vec<Field>,
    pub tags: Vec<Field>,
}

/// A tag's bytes before its type is looked at; `None` is NULL.
pub type TagBytes = Option<Vec<u8>>;

/// A table to make.
#[derive(Debug)]
pub enum NewTable {
    /// Tags by name; those that are not here are NULL.
    Child {
        name: String,
        stable: String,
        tags: Vec<(String, Value<'static>)>,
    },
    Normal {
        name: String,
        fields: Vec<Field>,
    },
}

/// Rows of one table, with the names of the block's columns.
#[derive(Debug)]
pub struct DataBlock {
    pub table: String,
    pub names: Vec<String>,
    pub block: Incoming,
}

const DATA: u16 = 2;
const DATA_AND_TABLES: u16 = 4;
const CREATE_TABLE: u16 = 515;
const ALTER_TABLE: u16 = 517;
const DROP_TABLE: u16 = 519;
const CREATE_STABLE: u16 = 531;
const ALTER_STABLE: u16 = 533;
const DROP_STABLE: u16 = 535;
const DELETE: u16 = 579;

/// The flag of a column that is part of the key (1: has sums, 2: is indexed).
const KEY_FLAG: u8 = 4;
/// Flags of a set of tags.
const TAG_JSON: u8 = 0x40;
const TAG_LARGE: u8 = 0x20;

/// Reads a message of this type; `None` when the type is not known or the message is damaged.
pub fn decode_message(kind: u16, data: &[u8]) -> Option<RawMessage> {
    let mut reader = ByteReader::new(data);
    if matches!(kind, DATA | DATA_AND_TABLES) {
        return rows(&mut reader, kind == DATA_AND_TABLES);
    }
    // Length and vgroup.
    reader.take(8)?;
    if kind == DELETE {
        return delete(&mut reader);
    }
    let mut body = reader.part()?;
    Some(match kind {
        CREATE_STABLE => RawMessage::CreateStable(stable(&mut body)?),
        ALTER_STABLE => RawMessage::AlterStable(stable(&mut body)?),
        DROP_STABLE => RawMessage::DropStable(body.text()?.to_string()),
        CREATE_TABLE => RawMessage::CreateTables(many(&mut body, new_table)?),
        DROP_TABLE => RawMessage::DropTables(many(&mut body, |table| Some(table.text()?.to_string()))?),
        ALTER_TABLE => alter_table(&mut body)?,
        _ => return None,
    })
}

/// A number of parts, each behind its length.
fn many<T>(reader: &mut ByteReader<'_>, read: impl Fn(&mut ByteReader<'_>) -> Option<T>) -> Option<Vec<T>> {
    (0..reader.zigzag()?).map(|_| read(&mut reader.part()?)).collect()
}

fn stable(reader: &mut ByteReader<'_>) -> Option<StableSchema> {
    let name = reader.text()?.to_string();
    let _uid = reader.i64()?;
    let _rollup = reader.u8()?;
    Some(StableSchema { name, fields: schema(reader)?, tags: schema(reader)? })
}

fn schema(reader: &mut ByteReader<'_>) -> Option<Vec<Field>> {
    let columns = reader.zigzag()?;
    let _version = reader.zigzag()?;
    (0..columns).map(|_| field(reader)).collect()
}

fn field(reader: &mut ByteReader<'_>) -> Option<Field> {
    let (number, flags) = (reader.u8()?, reader.u8()?);
    let bytes = u32::try_from(reader.zigzag()?).ok()?;
    let _id = reader.zigzag()?;
    let mut field = Field::new(reader.text()?, Type::from_wire(number, bytes.to_le_bytes())?);
    field.key = flags & KEY_FLAG != 0;
    Some(field)
}

fn new_table(reader: &mut ByteReader<'_>) -> Option<NewTable> {
    let _flags = reader.zigzag()?;
    let name = reader.text()?.to_string();
    let _uid_and_time = reader.take(16)?;
    let _ttl = reader.i32()?;
    let kind = reader.u8()?;
    if reader.i32()? > 0 {
        let _comment = reader.text()?;
    }
    match kind {
        2 => {
            let stable = reader.text()?.to_string();
            let _count = reader.u8()?;
            let _uid = reader.i64()?;
            let values = tags(reader.counted()?)?;
            let names = (0..reader.i32()?).map(|_| Some(reader.text()?.to_string())).collect::<Option<Vec<_>>>()?;
            // Columns are numbered from 1, tags after them: the values come in the order of the names.
            Some(NewTable::Child { name, stable, tags: names.into_iter().zip(values).collect() })
        }
        3 => Some(NewTable::Normal { name, fields: schema(reader)? }),
        _ => None,
    }
}

/// `u8 flags | i16 length | i16 tags | i32 version`, where each begins, then `zigzag id | u8 type | value`.
/// A JSON tag is not read.
fn tags(bytes: &[u8]) -> Option<Vec<Value<'static>>> {
    let mut reader = ByteReader::new(bytes);
    let flags = reader.u8()?;
    let _length = reader.u16()?;
    let count = usize::from(reader.u16()?);
    let _version = reader.i32()?;
    if flags & TAG_JSON != 0 {
        return None;
    }
    let _starts = reader.take(count * if flags & TAG_LARGE != 0 { 2 } else { 1 })?;
    (0..count)
        .map(|_| {
            let _id = reader.zigzag()?;
            let number = reader.u8()?;
            let ty = Type::from_wire(number, [0; 4])?;
            let bytes = match ty.width() {
                Some(width) => reader.take(width)?,
                None => reader.counted()?,
            };
            tag_value(ty, bytes)
        })
        .collect()
}

/// The value of a tag's bytes.
pub fn tag_value(ty: Type, bytes: &[u8]) -> Option<Value<'static>> {
    match ty.width() {
        Some(width) => bytes.get(..width).map(|bytes| decode(ty, bytes)),
        None if ty.kind == Kind::NChar => from_ucs4(bytes).map(|text| Value::Bytes(text.into())),
        None => Some(Value::Bytes(bytes.to_vec().into())),
    }
}

fn alter_table(reader: &mut ByteReader<'_>) -> Option<RawMessage> {
    let table = reader.text()?.to_string();
    let action = reader.u8()?;
    let _column = reader.i32()?;
    let name = reader.text()?.to_string();
    Some(match action {
        4 => {
            let (null, _number) = (reader.u8()? != 0, reader.u8()?);
            let value = if null { None } else { Some(reader.counted()?.to_vec()) };
            RawMessage::SetTag { table, tag: name, value }
        }
        5 => {
            let (number, _flags) = (reader.u8()?, reader.u8()?);
            let bytes = u32::try_from(reader.zigzag()?).ok()?;
            RawMessage::AddColumn { table, field: Field::new(name, Type::from_wire(number, bytes.to_le_bytes())?) }
        }
        6 => RawMessage::DropColumn { table, column: name },
        _ => return None,
    })
}

fn delete(reader: &mut ByteReader<'_>) -> Option<RawMessage> {
    let _stable = reader.u64()?;
    let tables = usize::try_from(reader.zigzag()?).ok()?;
    let _ids = reader.take(tables.checked_mul(8)?)?;
    let (from, to) = (reader.i64()?, reader.i64()?);
    let _affected = reader.zigzag()?;
    Some(RawMessage::Delete { table: reader.text()?.to_string(), from, to })
}

/// The offsets of the message, then its blocks, then the tables that its rows created.
fn rows(reader: &mut ByteReader<'_>, with_tables: bool) -> Option<RawMessage> {
    // From version 100 on the offsets follow their length; before, a type says how long each is.
    match reader.u8()? {
        100.. => {
            let offsets = reader.size()?;
            reader.take(offsets)?;
        }
        first => {
            let length = |kind: u8| if kind == 1 { 8 } else { 16 };
            reader.take(length(first))?;
            let second = reader.u8()?;
            reader.take(length(second))?;
        }
    }
    let blocks = reader.size()?;
    let (mut data, mut tables) = (Vec::new(), Vec::new());
    if blocks > 0 {
        let (with_name, with_schema) = (reader.u8()? != 0, reader.u8()? != 0);
        for _ in 0..blocks {
            // A version, two words that mean nothing here, the precision.
            let block = decode_block(reader.counted()?.get(18..)?)?;
            let names = if with_schema { schema(reader)? } else { Vec::new() };
            let table = if with_name { reader.text()?.to_string() } else { String::new() };
            let names = names.into_iter().map(|f| f.name).collect();
            data.push(DataBlock { table, names, block });
        }
    }
    if with_tables {
        for _ in 0..reader.size()? {
            tables.push(new_table(&mut ByteReader::new(reader.counted()?).part()?)?);
        }
    }
    Some(RawMessage::Data { blocks: data, tables })
}

#[cfg(test)]
mod tests {
    use testkit::proptest::prelude::*;

    use super::*;

    /// The message of a recorded request: its type and its bytes.
    fn recorded(name: &str) -> (u16, Vec<u8>) {
        let file = testkit::testdata("wire/tdengine/ws/v2_write_raw").join(format!("{name}.send.bin"));
        let bytes = std::fs::read(file).unwrap();
        (u16::from_le_bytes([bytes[28], bytes[29]]), bytes[30..].to_vec())
    }

    fn read(name: &str) -> RawMessage {
        let (kind, bytes) = recorded(name);
        decode_message(kind, &bytes).unwrap()
    }

    #[test]
    fn recorded_messages_are_understood() {
        let RawMessage::CreateStable(stable) = read("22_write_raw_mt531") else { panic!() };
        let types = |fields: &[Field]| fields.iter().map(|f| f.ty.full_name()).collect::<Vec<_>>().join(" ");
        assert_eq!((stable.name.as_str(), stable.fields[1].name.as_str()), ("m", "current"));
        assert_eq!(
            (types(&stable.fields), types(&stable.tags)),
            ("TIMESTAMP FLOAT INT NCHAR(20)".into(), "INT VARCHAR(24)".into())
        );
        let RawMessage::CreateTables(tables) = read("25_write_raw_mt515") else { panic!() };
        let [NewTable::Child { name, stable, tags }] = &tables[..] else { panic!() };
        assert_eq!((name.as_str(), stable.as_str()), ("c1", "m"));
        assert_eq!(tags, &[("groupid".into(), Value::Int(1)), ("location".into(), Value::text("loc1"))]);
        let RawMessage::Data { blocks, tables } = read("34_write_raw_mt4") else { panic!() };
        assert_eq!((blocks.len(), tables.len(), blocks[1].table.as_str()), (2, 1, "auto1"));
        assert_eq!(blocks[0].names, ["ts", "current", "voltage", "name", "extra"]);
        assert_eq!(blocks[1].block.columns[3].values, [Value::text("y")]);
        let RawMessage::SetTag { table, tag, value } = read("36_write_raw_mt517") else { panic!() };
        assert_eq!((table.as_str(), tag.as_str(), value), ("c1", "groupid", Some(vec![77, 0, 0, 0])));
        let RawMessage::Delete { table, from, to } = read("37_write_raw_mt579") else { panic!() };
        assert_eq!((table.as_str(), from, to), ("c3", 1_700_000_000_000, 1_700_000_000_002));
        let RawMessage::DropTables(tables) = read("38_write_raw_mt519") else { panic!() };
        assert_eq!(tables, ["n1"]);
    }

    proptest! {
        #[test]
        fn damage_is_refused_and_never_worse(
            name in prop::sample::select(&["22_write_raw_mt531", "25_write_raw_mt515", "34_write_raw_mt4",
                "32_write_raw_mt533", "36_write_raw_mt517", "37_write_raw_mt579", "38_write_raw_mt519"][..]),
            at in 0_usize..700, byte in any::<u8>(), cut in 0_usize..700,
        ) {
            let (kind, mut bytes) = recorded(name);
            if let Some(b) = bytes.get_mut(at) {
                *b = byte;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(350)));
            let _ = decode_message(kind, &bytes);
        }
    }
}
