//! Binary writes on `/ws`: blocks into tables, replayed messages of a subscription, binds.

use super::super::block_in::{Incoming, decode_block, length};
use super::super::byte_reader::ByteReader;
use super::super::raw_message::decode_message;
use super::super::sql::error::SqlError;
use super::{Answer, Session};

/// Bytes of a TAOS_FIELD: 65 of the name, the type, two of padding, four of the size.
const FIELD: usize = 72;
const FIELD_NAME: usize = 65;

impl Session {
    /// A binary message that is neither a query nor a fetch; `None` when its action is not known.
    pub(super) fn binary_write(&mut self, message: &[u8]) -> Option<Answer> {
        let mut reader = ByteReader::new(message);
        let (req_id, id, action) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let name = match action {
            3 => "write_raw",
            4 => "write_raw_block",
            5 => "write_raw_block_with_fields",
            _ if !self.connected => return None,
            _ => return self.binary_bind(action, req_id, id, reader.rest()),
        };
        if self.server.engine.version.is_2x() {
            return None;
        }
        if !self.connected {
            return Some(self.error(name, req_id, 0xffff, "server not connected"));
        }
        let body = reader.rest();
        Some(self.with_fault("/ws/write", name, req_id, |session| {
            let done = match action {
                3 => session.write_message(body),
                _ => session.write_block(body, action == 5),
            };
            match done {
                Ok(()) => session.reply(name, req_id, serde_json::json!({})),
                Err(error) => session.error(name, req_id, error.code & 0xffff, &error.message),
            }
        }))
    }

    /// `u32 length | u16 type | message`.
    fn write_message(&self, body: &[u8]) -> Result<(), SqlError> {
        let mut reader = ByteReader::new(body);
        let mut read = || {
            let (length, kind) = (reader.size()?, reader.u16()?);
            decode_message(kind, reader.take(length)?)
        };
        let message = read().ok_or_else(SqlError::parameters)?;
        self.server.engine.apply(self.session_database()?, message)
    }

    /// `i32 rows | u16 length | table | block`, and the names of its columns behind it.
    fn write_block(&self, body: &[u8], with_fields: bool) -> Result<(), SqlError> {
        let (table, block, names) = read_block(body, with_fields).ok_or_else(SqlError::parameters)?;
        self.server.engine.write_block(self.session_database()?, &table, block, names.as_deref()).map(|_| ())
    }

    pub(super) fn session_database(&self) -> Result<&str, SqlError> {
        self.database.as_deref().ok_or_else(SqlError::no_current_database)
    }
}

type Block = (String, Incoming, Option<Vec<String>>);

fn read_block(body: &[u8], with_fields: bool) -> Option<Block> {
    let mut reader = ByteReader::new(body);
    let _rows = reader.i32()?;
    let name = usize::from(reader.u16()?);
    let table = String::from_utf8(reader.take(name)?.to_vec()).ok()?;
    let block = reader.rest();
    let incoming = decode_block(block)?;
    if !with_fields {
        return Some((table, incoming, None));
    }
    reader.take(length(block)?)?;
    let names = incoming.columns.iter().map(|_| {
        let field = reader.take(FIELD)?.get(..FIELD_NAME)?;
        String::from_utf8(field.split(|b| *b == 0).next()?.to_vec()).ok()
    });
    let names = names.collect::<Option<Vec<_>>>()?;
    Some((table, incoming, Some(names)))
}
