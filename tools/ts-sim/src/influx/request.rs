//! A received request: parameters decoded, body in memory.

use super::accounts::Credentials;
use bytes::Bytes;

/// One request.
pub struct Request {
    pub method: String,
    pub path: String,
    pub params: Vec<(String, String)>,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// The value of a parameter; an empty one is `Some("")`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of a parameter that is there and not empty.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.param(name).filter(|v| !v.is_empty())
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Who says to send it.
    pub fn credentials(&self) -> Credentials {
        Credentials::read(self.header("authorization"), self.param("u"), self.param("p"))
    }

    /// Adds the parameters of a form in the body.
    pub fn take_form(&mut self) {
        if self.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")) {
            let text = String::from_utf8_lossy(&self.body).into_owned();
            self.params.extend(parameters(&text));
        }
    }
}

/// Decodes `a=b&c=d`.
pub fn parameters(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = [bytes.next(), bytes.next()];
                let digit =
                    |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                match pair.map(digit) {
                    [Some(high), Some(low)] => out.push(high * 16 + low),
                    _ => out.push(b'%'),
                }
            }
            _ => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
