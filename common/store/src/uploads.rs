//! Uploads in parts that were begun and never ended. The library cannot list them: the requests are ours, over URLs that it
//! signs. Of files: what a killed writer left.

use crate::client::{Client, Store};
use crate::file;
use crate::location::Location;
use chrono::{DateTime, Utc};
use fault::{Error, Kind, Result};
use net::http::{Method, Request};
use net::retry::{self, Outcome, Verdict};
use object_store::multipart::MultipartStore as _;
use object_store::signer::{SignedUrlOptions, Signer as _};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A begun upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    pub key: String,
    /// The server's name for it; of a file, its temporary path.
    pub id: String,
    pub begun: DateTime<Utc>,
    /// Bytes, where they are known without asking again.
    pub size: Option<u64>,
}

/// A part that is there.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) etag: String,
    pub(crate) size: u64,
}

/// How long a signed URL is good.
const SIGNED: Duration = Duration::from_secs(3600);
/// A page of a listing is never larger.
const LARGEST_PAGE: usize = 16 << 20;

impl Client {
    /// Every upload below a prefix that was begun and not ended. Of files: only those that no living process writes.
    pub fn uploads(&self, prefix: &str, mut each: impl FnMut(Begun) -> Result<()>) -> Result<()> {
        if let Store::File = self.store {
            return self.left_files(prefix, &mut each);
        }
        let (mut key, mut id) = (String::new(), String::new());
        loop {
            let mut query = vec![("uploads".to_owned(), String::new()), ("prefix".to_owned(), prefix.to_owned())];
            if !key.is_empty() {
                query.push(("key-marker".to_owned(), key));
                query.push(("upload-id-marker".to_owned(), id));
            }
            let page: UploadsPage = self.page(&self.at(""), query)?;
            for upload in page.uploads {
                each(Begun { key: upload.key, id: upload.id, begun: upload.begun, size: None })?;
            }
            match page.next_key {
                Some(next) if page.truncated && !next.is_empty() => {
                    (key, id) = (next, page.next_id.unwrap_or_default())
                }
                _ => return Ok(()),
            }
        }
    }

    /// The parts of an upload that are there, by number.
    pub(crate) fn parts(&self, key: &str, id: &str) -> Result<BTreeMap<u64, Part>> {
        let mut parts = BTreeMap::new();
        let mut after = 0;
        loop {
            let mut query = vec![("uploadId".to_owned(), id.to_owned())];
            if after > 0 {
                query.push(("part-number-marker".to_owned(), after.to_string()));
            }
            let page: PartsPage = self.page(&self.at(key), query)?;
            for part in page.parts {
                parts.insert(part.number, Part { etag: part.etag, size: part.size });
            }
            match page.next {
                Some(next) if page.truncated && next > after => after = next,
                _ => return Ok(parts),
            }
        }
    }

    /// Ends an upload without an object. One that is gone already is as good.
    pub fn abort_upload(&self, key: &str, id: &str) -> Result<()> {
        let location = self.at(key);
        let Store::S3(s3) = &self.store else {
            return match std::fs::remove_file(id) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(file::failed(&location, "cannot remove", error))
                }
                _ => Ok(()),
            };
        };
        let path = location.path()?;
        let id = id.to_owned();
        // Missing is done.
        self.ask(&location, 0, |_| s3.abort_multipart(&path, &id)).map(drop)
    }

    fn left_files(&self, prefix: &str, each: &mut dyn FnMut(Begun) -> Result<()>) -> Result<()> {
        let location = self.at(prefix);
        let path = location.file();
        if !path.is_dir() {
            return Ok(());
        }
        let fail = |error| file::failed(&location, "cannot list", error);
        for left in file::leftovers(&path, None).map_err(fail)? {
            let key = left.path.to_string_lossy().trim_start_matches('/').to_owned();
            let id = left.path.to_string_lossy().into_owned();
            each(Begun { key, id, begun: left.modified, size: Some(left.size) })?;
        }
        for folder in file::level(&location.folder())?.0 {
            self.left_files(&folder, each)?;
        }
        Ok(())
    }

    /// One page of XML. The location's empty key is the bucket itself.
    fn page<T: serde::de::DeserializeOwned>(&self, location: &Location, query: Vec<(String, String)>) -> Result<T> {
        let Store::S3(s3) = &self.store else { return Err(self.missing(location)) };
        let path = location.path()?;
        let side = self.options.side;
        let done = retry::run(
            self.options.policy,
            &|| self.options.stop.is_raised(),
            |error, wait| (self.options.retried)(error, wait),
            |_| {
                let options = SignedUrlOptions::new().with_query(query.clone());
                let started = Instant::now();
                let signed = s3.signed_url_opts(Method::GET, &path, SIGNED, &options);
                let url = match net::wait(
                    signed,
                    self.options.timeout,
                    || started,
                    &self.options.stop,
                    "waiting for credentials",
                ) {
                    Ok(Ok(url)) => url,
                    Ok(Err(error)) => return crate::verdict::verdict(&error, &location.to_string(), side),
                    Err(failure) => return Verdict::Fatal(failure.context(location).error(side)),
                };
                let text = url.as_str();
                let at = text.find("://").and_then(|at| text.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
                let (base, rest) = text.split_at(at.unwrap_or(text.len()));
                self.fetch(location, base, rest)
            },
        );
        let bytes = match done? {
            Outcome::Done(bytes) => bytes,
            Outcome::Split(error) | Outcome::Reject(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&bytes);
        quick_xml::de::from_str(&text).map_err(|error| {
            let said = fault::excerpt(&bytes);
            Error::new(side.kind(), format!("{location}: the reply is not what was asked for ({error}): {said}"))
        })
    }

    /// The text of a GET.
    fn fetch(&self, location: &Location, base: &str, path: &str) -> Verdict<Vec<u8>> {
        let side = self.options.side;
        let mut options = net::http::Options::new(side);
        options.timeout = self.options.timeout;
        options.connect_timeout = self.options.timeout;
        options.tls = self.options.tls.clone();
        options.stop = self.options.stop.clone();
        let client = match net::http::Client::new(base, options) {
            Ok(client) => client,
            Err(error) => return Verdict::Fatal(error),
        };
        let read = client.send(Request::get(path)).and_then(|reply| {
            let (status, after) = (reply.status, reply.retry_after());
            reply.bytes(LARGEST_PAGE).map(|bytes| (status, after, bytes))
        });
        match read {
            Ok((200..=299, _, bytes)) => Verdict::Done(bytes),
            Ok((status, after, bytes)) => {
                let text = format!("{location}: cannot list uploads: {status}: {}", fault::excerpt(&bytes));
                match status {
                    408 | 429 | 500.. => Verdict::Retry { after, error: Error::new(side.kind(), text) },
                    _ => Verdict::Fatal(Error::new(Kind::Refused, text)),
                }
            }
            Err(failure) if failure.what().transient() => {
                Verdict::Retry { after: None, error: failure.context(location).error(side) }
            }
            Err(failure) => Verdict::Fatal(failure.context(location).error(side)),
        }
    }
}

#[derive(Deserialize)]
struct UploadsPage {
    #[serde(rename = "IsTruncated", default)]
    truncated: bool,
    #[serde(rename = "NextKeyMarker")]
    next_key: Option<String>,
    #[serde(rename = "NextUploadIdMarker")]
    next_id: Option<String>,
    #[serde(rename = "Upload", default)]
    uploads: Vec<UploadItem>,
}

#[derive(Deserialize)]
struct UploadItem {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "UploadId")]
    id: String,
    #[serde(rename = "Initiated")]
    begun: DateTime<Utc>,
}

#[derive(Deserialize)]
struct PartsPage {
    #[serde(rename = "IsTruncated", default)]
    truncated: bool,
    #[serde(rename = "NextPartNumberMarker")]
    next: Option<u64>,
    #[serde(rename = "Part", default)]
    parts: Vec<PartItem>,
}

#[derive(Deserialize)]
struct PartItem {
    #[serde(rename = "PartNumber")]
    number: u64,
    #[serde(rename = "ETag")]
    etag: String,
    #[serde(rename = "Size")]
    size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Bucket>b</Bucket><NextKeyMarker>k&amp;2</NextKeyMarker><IsTruncated>true</IsTruncated>
            <Upload><Key>k&amp;1</Key><UploadId>u1</UploadId><Initiator><ID>x</ID></Initiator><Initiated>2026-11-21T23:52:23.000Z</Initiated></Upload>
            <Upload><Key>k2</Key><UploadId>u2</UploadId><Initiated>2026-11-21T23:52:24.000Z</Initiated></Upload>
            </ListMultipartUploadsResult>"#;
        let page: UploadsPage = quick_xml::de::from_str(text).unwrap();
        assert_eq!((page.truncated, page.next_key.as_deref(), page.uploads.len()), (true, Some("k&2"), 2));
        assert_eq!((page.uploads[0].key.as_str(), page.uploads[1].id.as_str()), ("k&1", "u2"));
        let text = r#"<ListPartsResult><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>false</IsTruncated>
            <Part><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag><Size>5242880</Size></Part></ListPartsResult>"#;
        let page: PartsPage = quick_xml::de::from_str(text).unwrap();
        assert_eq!((page.parts[0].etag.as_str(), page.parts[0].size, page.next), ("\"abc\"", 5_242_880, Some(2)));
        let none: UploadsPage = quick_xml::de::from_str("<ListMultipartUploadsResult/>").unwrap();
        assert!(none.uploads.is_empty() && !none.truncated);
    }
}
