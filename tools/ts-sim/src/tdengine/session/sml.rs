//! Schemaless writing on `/ws`: the text action `insert`.

use serde_json::{Map, Value as Json, json};

use super::super::schemaless::{self, Protocol, Request, Written};
use super::super::sql::error::SqlError;
use super::super::version;
use super::{Answer, Session};

impl Session {
    /// `insert {req_id, protocol, precision, ttl, data, table_name_key}`.
    pub(super) fn insert(&mut self, args: &Map<String, Json>, req_id: u64) -> Answer {
        self.with_fault("/ws/insert", "insert", req_id, |session| match session.write_lines(args) {
            Ok(written) => {
                let more = json!({"affected_rows": written.affected, "total_rows": written.total});
                session.reply("insert", req_id, more)
            }
            Err(error) => session.error("insert", req_id, error.code & 0xffff, &error.message),
        })
    }

    fn write_lines(&self, args: &Map<String, Json>) -> Result<Written, SqlError> {
        let number = |name: &str| args.get(name).and_then(Json::as_i64).unwrap_or(0);
        let text = |name: &str| args.get(name).and_then(Json::as_str).unwrap_or_default();
        if number("protocol") == 0 {
            return Err(SqlError::new(0xffff, "schemaless write protocol is null"));
        }
        let database = self.session_database()?;
        let protocol = Protocol::from_number(number("protocol"));
        let named = self.server.adapter.at_least(version::TABLE_NAME_KEY);
        let request = Request {
            database,
            protocol: protocol.ok_or_else(|| SqlError::new(0x3000, "protocol invalidate"))?,
            unit: schemaless::unit(text("precision")),
            ttl: number("ttl") as i32,
            table_name_key: Some(text("table_name_key")).filter(|key| named && !key.is_empty()),
            data: text("data").as_bytes(),
        };
        schemaless::insert(&self.server.engine, &request)
    }
}
