//! What the TDengine tests share: the recordings, a bare WebSocket, REST with the default account.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::Sim;
use testkit::http::Reply;
use tungstenite::{Message, WebSocket};

pub const AUTH: &str = "Authorization: Basic cm9vdDp0YW9zZGF0YQ==";

/// A recorded file.
pub fn wire(path: &str) -> PathBuf {
    testkit::testdata("wire/tdengine").join(path)
}

/// `POST /rest/sql` with the default account.
pub fn post(sim: &Sim, sql: &str) -> Reply {
    testkit::http::post(&sim.host, "/rest/sql", &[AUTH], sql.as_bytes())
}

/// The JSON of a reply with status 200.
pub fn rest(sim: &Sim, sql: &str) -> Value {
    let reply = post(sim, sql);
    assert_eq!(reply.status, 200, "{sql}");
    serde_json::from_slice(&reply.body)
        .unwrap_or_else(|e| panic!("{sql}: {e}: {}", String::from_utf8_lossy(&reply.body)))
}

/// The rows of a statement that must succeed.
pub fn rows(sim: &Sim, sql: &str) -> Value {
    let reply = rest(sim, sql);
    assert_eq!(reply["code"], 0, "{sql}: {reply}");
    reply["data"].clone()
}

/// A file in a fresh directory, which must be kept.
pub fn file(text: &str) -> (testkit::tempfile::TempDir, String) {
    let directory = testkit::temp_dir();
    let path = directory.path().join("data");
    std::fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    (directory, path)
}

/// A WebSocket.
pub struct Ws(pub WebSocket<TcpStream>);

impl Ws {
    pub fn open(sim: &Sim, path: &str) -> Ws {
        let stream = TcpStream::connect(&sim.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{}{path}", sim.host), stream).unwrap();
        Ws(socket)
    }

    /// Opens and logs in.
    pub fn connected(sim: &Sim) -> Ws {
        let mut ws = Ws::open(sim, "/ws");
        let reply = ws.ask(json!({"action": "conn", "args": {"req_id": 1, "user": "root", "password": "taosdata"}}));
        assert_eq!(reply["code"], 0, "{reply}");
        ws
    }

    /// One text message and its answer.
    pub fn ask(&mut self, request: Value) -> Value {
        self.0.send(Message::text(request.to_string())).unwrap();
        self.json()
    }

    pub fn json(&mut self) -> Value {
        match self.next().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected text, got {other:?}"),
        }
    }

    pub fn next(&mut self) -> tungstenite::Result<Message> {
        loop {
            match self.0.read()? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Ok(message),
            }
        }
    }

    pub fn query(&mut self, sql: &str) -> Value {
        self.ask(json!({"action": "query", "args": {"req_id": 2, "sql": sql}}))
    }

    /// `fetch_raw_block`: code, whether the result has ended, the block.
    pub fn fetch(&mut self, id: u64) -> tungstenite::Result<(u32, bool, Vec<u8>)> {
        let mut request = 3_u64.to_le_bytes().to_vec();
        request.extend_from_slice(&id.to_le_bytes());
        request.extend_from_slice(&7_u64.to_le_bytes());
        request.extend_from_slice(&1_u16.to_le_bytes());
        self.0.send(Message::binary(request))?;
        let reply = self.next()?.into_data();
        let code = u32::from_le_bytes(reply[34..38].try_into().unwrap());
        let message = u32::from_le_bytes(reply[38..42].try_into().unwrap()) as usize;
        let finished = reply[50 + message] == 1;
        let block = if finished { Vec::new() } else { reply[55 + message..].to_vec() };
        Ok((code, finished, block))
    }

    /// The rows of every block of a result.
    pub fn drain(&mut self, id: u64) -> Vec<usize> {
        let mut sizes = Vec::new();
        loop {
            let (code, finished, block) = self.fetch(id).unwrap();
            assert_eq!(code, 0);
            if finished {
                return sizes;
            }
            assert_eq!(block.len(), i32::from_le_bytes(block[4..8].try_into().unwrap()) as usize);
            sizes.push(i32::from_le_bytes(block[8..12].try_into().unwrap()) as usize);
        }
    }
}
