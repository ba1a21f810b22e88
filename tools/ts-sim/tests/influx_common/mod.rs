//! A simulator inside the test, and an HTTP client that sends exactly the bytes it is told to.

#![allow(dead_code, reason = "every test target uses a part of it")]
use clap::Parser;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use ts_sim::args::InfluxArgs;
use ts_sim::faults::Faults;
use ts_sim::influx::server::Server;
use ts_sim::listen::Listener;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: InfluxArgs,
}

/// A running server; it ends with its runtime.
pub struct Running {
    pub address: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts `ts-sim influx ARGS` after `adjust`.
pub fn start(args: &[&str], adjust: impl FnOnce(&mut Server)) -> Running {
    let line = Line::parse_from(["ts-sim"].iter().chain(args));
    let mut server = ts_sim::influx::build(&line.args).unwrap();
    adjust(&mut server);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(Listener::open(&line.args.common)).unwrap();
    let address = listener.url().trim_start_matches("http://").to_string();
    let faults = Faults::parse(&line.args.common.fault).unwrap();
    runtime.spawn(ts_sim::influx::server::run(Arc::new(server), faults, listener));
    Running { address, runtime: Some(runtime) }
}

/// A reply; `complete` is false when the connection ended too early.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub complete: bool,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).next()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request on a connection of its own. `chunked` cuts the body into two chunks.
pub fn send(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
    chunked: bool,
) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut wire = Vec::new();
    if chunked {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        for half in [&body[..body.len() / 2], &body[body.len() / 2..]].into_iter().filter(|h| !h.is_empty()) {
            wire.extend_from_slice(format!("{:x}\r\n", half.len()).as_bytes());
            wire.extend_from_slice(half);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
    } else {
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        wire.extend_from_slice(body);
    }
    // a server that refuses early may close while we still send: the reply is what counts
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&wire));
    let mut all = Vec::new();
    let orderly = stream.read_to_end(&mut all).is_ok();
    read(&all, orderly)
}

fn read(all: &[u8], orderly: bool) -> Reply {
    let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") else { return Reply::default() };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut reply = Reply { status, head, body: Vec::new(), complete: false };
    let rest = &all[end + 4..];
    if reply.header("transfer-encoding") == Some("chunked") {
        let mut at = 0;
        while let Some(line) = rest[at..].windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[at..at + line]).unwrap().trim(), 16).unwrap();
            let from = at + line + 2;
            if size == 0 {
                reply.complete = orderly;
                break;
            }
            reply.body.extend_from_slice(&rest[from.min(rest.len())..(from + size).min(rest.len())]);
            at = (from + size + 2).min(rest.len());
        }
    } else {
        let size = reply.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(rest.len());
        reply.complete = orderly && rest.len() >= size;
        reply.body = rest.to_vec();
    }
    reply
}

/// GET with parameters.
pub fn get(address: &str, path: &str, params: &[(&str, &str)], headers: &[(String, String)]) -> Reply {
    let query: Vec<String> = params.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect();
    send(address, "GET", &format!("{path}?{}", query.join("&")), headers, b"", false)
}

pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
