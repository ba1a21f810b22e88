//! What we send over WebSocket (2.1, 2.2).

use fault::Secret;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A number for one request: never 0 (the adapter would make its own), different between runs, so that a request can
/// be found in the logs of adapter and server.
pub fn req_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    // 24 bits of time, 12 of the process, 24 of counter: below 2^60, positive as an i64.
    ((seconds & 0xff_ffff) << 36) | ((u64::from(std::process::id()) & 0xfff) << 24) | (n & 0xff_ffff) | 1 << 59
}

/// Who we are.
#[derive(Clone, Debug, Default)]
pub struct Login {
    pub user: String,
    pub password: Option<Secret>,
    pub bearer: Option<Secret>,
    pub database: Option<String>,
    pub timezone: Option<String>,
}

/// A text action.
pub fn action(name: &str, args: Value) -> String {
    json!({ "action": name, "args": args }).to_string()
}

/// `conn`: must come first, once. `mode` is never sent: it would switch on BI mode, which changes results.
pub fn conn(id: u64, login: &Login) -> String {
    let mut args = Map::new();
    args.insert("req_id".into(), id.into());
    args.insert("user".into(), login.user.as_str().into());
    let optional = [
        ("password", login.password.as_ref().map(Secret::expose)),
        ("bearer_token", login.bearer.as_ref().map(Secret::expose)),
        ("db", login.database.as_deref()),
        ("tz", login.timezone.as_deref()),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            args.insert(key.into(), value.into());
        }
    }
    args.insert("app".into(), "tsferry".into());
    action("conn", Value::Object(args))
}

/// `query` as text.
pub fn query(id: u64, sql: &str) -> String {
    action("query", json!({ "req_id": id, "sql": sql }))
}

/// `fetch`, `fetch_block` or `free_result` of a result.
pub fn of_result(name: &str, id: u64, result: u64) -> String {
    action(name, json!({ "req_id": id, "id": result }))
}

/// Binary action 6: `u64 req_id | u64 0 | u64 6 | u16 1 | u32 length | sql`.
pub fn binary_query(id: u64, sql: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(30 + sql.len());
    for word in [id, 0, 6] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&(sql.len() as u32).to_le_bytes());
    out.extend_from_slice(sql.as_bytes());
    out
}

/// Binary action 7: `u64 req_id | u64 result | u64 7 | u16 1`.
pub fn fetch_raw_block(id: u64, result: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(26);
    for word in [id, result, 7] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&1u16.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_differ_and_are_positive() {
        let (a, b) = (req_id(), req_id());
        assert!(a != b && a > 0 && i64::try_from(a).is_ok());
    }

    #[test]
    fn the_login_sends_only_what_there_is() {
        let text = conn(5, &Login { user: "root".into(), password: Some(Secret::new("p")), ..Login::default() });
        assert_eq!(text, r#"{"action":"conn","args":{"req_id":5,"user":"root","password":"p","app":"tsferry"}}"#);
    }
}
