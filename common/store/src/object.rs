//! What a store says of an object.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Names of the notes (metadata) that we write beside an object.
pub mod note {
    /// xxh3-128 of the content, 32 hexadecimal digits.
    pub const DIGEST: &str = "ts-xxh3";
    /// Rows in it, as the writer said.
    pub const ROWS: &str = "ts-rows";
    /// Size of the parts it was written in: with it the ETag of a multipart upload can be checked.
    pub const PART: &str = "ts-part-bytes";
    /// [`MD5`]: of its parts the ETags were their MD5s, so that of the object is the MD5 of these.
    pub const ETAG: &str = "ts-etag";
    pub const MD5: &str = "md5";
    /// Who wrote it: a random number, to know our own object again after a lost reply.
    pub const WRITER: &str = "ts-writer";
    /// The ETag of the object it was copied from.
    pub const SOURCE: &str = "ts-source-etag";
}

/// An object, as a listing or a look at it gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key in its bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// As the server gives it, without quotes. Only of an object that was written at once is it an MD5.
    pub etag: Option<String>,
    /// Metadata. Empty in listings, and for files.
    pub notes: BTreeMap<String, String>,
    /// Encrypted with a key of somebody's: its ETag is then no MD5. Not known of listings.
    pub sealed: bool,
}

impl Object {
    /// The digest that was written beside it.
    pub fn digest(&self) -> Option<&str> {
        self.notes.get(note::DIGEST).map(String::as_str)
    }

    /// The rows that were written beside it.
    pub fn rows(&self) -> Option<u64> {
        self.notes.get(note::ROWS)?.parse().ok()
    }

    /// `2026-11-21T23:52:23Z`.
    pub fn time(&self) -> String {
        rfc3339(self.modified)
    }

    /// As a line of JSON: `{"url","size","modified","etag","xxh3","rows"}`; what is not known is left out.
    pub fn json(&self, url: &str) -> Value {
        let mut map = Map::new();
        map.insert("url".into(), url.into());
        map.insert("size".into(), self.size.into());
        map.insert("modified".into(), self.time().into());
        if let Some(etag) = &self.etag {
            map.insert("etag".into(), etag.as_str().into());
        }
        if let Some(digest) = self.digest() {
            map.insert("xxh3".into(), digest.into());
        }
        if let Some(rows) = self.rows() {
            map.insert("rows".into(), rows.into());
        }
        Value::Object(map)
    }
}

/// `2026-11-21T23:52:23Z`.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Without the quotes that HTTP puts around it.
pub(crate) fn bare(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}
