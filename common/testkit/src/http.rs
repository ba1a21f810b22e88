//! A bare HTTP client for reading back what a server holds: std only, nothing of ours, so that it cannot share a bug.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Status, headers and body of a reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; anything else is null.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// `GET` with extra header lines (`"Accept: application/csv"`).
pub fn get(host: &str, path: &str, headers: &[&str]) -> Reply {
    send(host, &format!("GET {path} HTTP/1.1"), headers, b"")
}

/// `POST` with extra header lines.
pub fn post(host: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
    send(host, &format!("POST {path} HTTP/1.1"), headers, body)
}

/// `PUT` with extra header lines. With `Expect: 100-continue` among them the body is sent only when the server asks for it;
/// without a reply (the server hung up) there is `None`.
pub fn put(host: &str, path: &str, headers: &[&str], body: &[u8]) -> Option<Reply> {
    let mut stream = connect(host);
    let first = format!("PUT {path} HTTP/1.1");
    stream.write_all(head(host, &first, headers, body.len()).as_bytes()).expect("the request is sent");
    let mut reply = Vec::new();
    if headers.iter().any(|header| header.eq_ignore_ascii_case("Expect: 100-continue")) {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        while reply.len() < interim.len() {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => reply.push(byte[0]),
                _ => break,
            }
        }
        if reply != interim {
            let _ = stream.read_to_end(&mut reply);
            return (!reply.is_empty()).then(|| parse(&reply));
        }
        reply.clear();
    }
    // A server that hangs up on purpose may do it in the middle of the body.
    let _ = stream.write_all(body);
    let _ = stream.read_to_end(&mut reply);
    (!reply.is_empty()).then(|| parse(&reply))
}

/// Percent-encodes a query parameter.
pub fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => quoted.push(byte as char),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("cannot connect to {host}: {error}"));
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    stream
}

fn head(host: &str, first: &str, headers: &[&str], length: usize) -> String {
    let mut request = format!("{first}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

fn send(host: &str, first: &str, headers: &[&str], body: &[u8]) -> Reply {
    let mut stream = connect(host);
    stream.write_all(head(host, first, headers, body.len()).as_bytes()).expect("the request is sent");
    stream.write_all(body).expect("the body is sent");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("a reply");
    parse(&reply)
}

fn parse(reply: &[u8]) -> Reply {
    let end = reply.windows(4).position(|w| w == b"\r\n\r\n").expect("a header") + 4;
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers: Vec<_> = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let body = &reply[end..];
    let chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked"));
    let body = if chunked { dechunk(body) } else { body.to_vec() };
    Reply { status, headers, body }
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n").expect("a chunk size");
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let size = size.expect("a chunk size");
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}
