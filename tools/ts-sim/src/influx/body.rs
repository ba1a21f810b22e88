//! Receiving a request's body: size limits, slow reading, gzip and its damages.

use super::flavor::Flavor;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use std::io::Read;
use std::time::Duration;

/// Why there is no body.
pub enum Trouble {
    /// Larger than the limit; the rest has not been read.
    TooLarge,
    /// The client went away.
    Gone,
}

/// Reads the whole body, at most `limit` bytes as they are on the wire and at most `rate` bytes a second.
pub async fn receive(body: &mut Incoming, limit: Option<u64>, rate: Option<u64>) -> Result<Bytes, Trouble> {
    let over = |size: u64| limit.is_some_and(|limit| size > limit);
    if body.size_hint().exact().is_some_and(over) {
        return Err(Trouble::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Trouble::Gone) };
        let Some(data) = frame.data_ref() else { continue };
        whole.extend_from_slice(data);
        if over(whole.len() as u64) {
            return Err(Trouble::TooLarge);
        }
        if let Some(rate) = rate {
            tokio::time::sleep(Duration::from_secs_f64(data.len() as f64 / rate as f64)).await;
        }
    }
    Ok(whole.freeze())
}

/// What is wrong with a compressed body, in Go's words.
#[derive(Debug, PartialEq, Eq)]
pub enum Damage {
    Truncated,
    Checksum,
    Header,
    Corrupt,
    /// Inflates to more than the limit.
    TooLarge,
}

impl Damage {
    /// Go's error text.
    pub fn text(&self) -> &'static str {
        match self {
            Damage::Truncated => "unexpected EOF",
            Damage::Checksum => "gzip: invalid checksum",
            Damage::Header => "gzip: invalid header",
            Damage::Corrupt => "flate: corrupt input before offset 5",
            Damage::TooLarge => "points batch is too large",
        }
    }
}

/// True when this server inflates a body with this `Content-Encoding`; the others take the bytes as they are.
pub fn inflates(flavor: Flavor, encoding: Option<&str>) -> bool {
    match encoding {
        Some("gzip") => true,
        Some("x-gzip") => flavor == Flavor::V29,
        _ => false,
    }
}

/// Inflates gzip, any number of members.
pub fn inflate(body: &[u8], limit: Option<u64>) -> Result<Vec<u8>, Damage> {
    if body.len() < 2 {
        return Err(Damage::Truncated);
    }
    let mut whole = Vec::with_capacity(body.len().saturating_mul(4).min(64 << 20));
    let most = limit.unwrap_or(u64::MAX - 1);
    let read = MultiGzDecoder::new(body).take(most + 1).read_to_end(&mut whole);
    match read {
        Ok(_) if whole.len() as u64 > most => Err(Damage::TooLarge),
        Ok(_) => Ok(whole),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(Damage::Truncated),
        Err(e) => Err(match e.to_string() {
            text if text.contains("checksum") => Damage::Checksum,
            text if text.contains("header") => Damage::Header,
            _ => Damage::Corrupt,
        }),
    }
}
