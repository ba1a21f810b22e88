//! A bare HTTP client for reading back what a server holds: std only, nothing of ours, so that it cannot share a bug.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Status and body of a reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// `GET` with extra header lines (`"Accept: application/csv"`).
pub fn get(host: &str, path: &str, headers: &[&str]) -> Reply {
    send(host, &format!("GET {path} HTTP/1.1"), headers, b"")
}

/// `POST` with extra header lines.
pub fn post(host: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
    send(host, &format!("POST {path} HTTP/1.1"), headers, body)
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

fn send(host: &str, first: &str, headers: &[&str], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("cannot connect to {host}: {error}"));
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    let mut request = format!("{first}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    stream.write_all(body).expect("the body is sent");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("a reply");
    parse(&reply)
}

fn parse(reply: &[u8]) -> Reply {
    let end = reply.windows(4).position(|w| w == b"\r\n\r\n").expect("a header") + 4;
    let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    let body = &reply[end..];
    let body = if head.contains("transfer-encoding: chunked") { dechunk(body) } else { body.to_vec() };
    Reply { status, body }
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
