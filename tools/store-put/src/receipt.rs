//! Receipts: what was written, a line of JSON for each object.

use cli::Run;
use fault::{Error, Result};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use store::queue::Event;
use store::{Entry, Location};

/// What is known of an object that was written.
#[derive(Debug)]
pub struct Receipt {
    pub url: String,
    pub size: u64,
    pub xxh3: Option<String>,
    pub etag: Option<String>,
    pub rows: Option<u64>,
}

impl Receipt {
    /// One line.
    pub fn line(&self) -> String {
        let mut value = json!({ "url": self.url, "size": self.size });
        for (key, text) in [("xxh3", &self.xxh3), ("etag", &self.etag)] {
            if let (Some(map), Some(text)) = (value.as_object_mut(), text) {
                map.insert(key.to_owned(), text.as_str().into());
            }
        }
        if let (Some(map), Some(rows)) = (value.as_object_mut(), self.rows) {
            map.insert("rows".to_owned(), rows.into());
        }
        format!("{value}\n")
    }

    /// The event of its creation.
    pub fn event(&self, location: &Location) -> Event {
        Event {
            url: self.url.clone(),
            bucket: location.bucket.clone(),
            key: location.key.clone(),
            size: Some(self.size),
            etag: self.etag.clone(),
            sequencer: None,
        }
    }

    fn parse(line: &str) -> Option<Receipt> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Receipt {
            url: text("url")?,
            size: value.get("size")?.as_u64()?,
            xxh3: text("xxh3"),
            etag: text("etag"),
            rows: value.get("rows").and_then(Value::as_u64),
        })
    }

    /// As an entry of the manifest of this folder. Exit 2 for an object of another one.
    pub fn entry(self, folder: &Location) -> Result<Entry> {
        let location = Location::parse(&self.url)?;
        let name = location
            .key
            .strip_prefix(&folder.key)
            .filter(|_| (location.scheme, &location.bucket) == (folder.scheme, &folder.bucket));
        let name = name.ok_or_else(|| Error::usage(format!("{} is not below {folder}", self.url)))?.to_owned();
        Ok(Entry { name, size: self.size, xxh3: self.xxh3, rows: self.rows, etag: self.etag })
    }
}

/// The receipts of these files. Exit 3 for a line that is none.
pub fn read(files: &[PathBuf], run: &Run) -> Result<Vec<Receipt>> {
    let mut receipts = Vec::new();
    for file in files {
        let input = cli::input::open(file, run)?;
        for (number, line) in BufReader::new(input.reader).lines().enumerate() {
            let line = line.map_err(|error| Error::io(format!("cannot read {}", input.name), error))?;
            if line.trim().is_empty() {
                continue;
            }
            let receipt = Receipt::parse(&line)
                .ok_or_else(|| Error::malformed(format!("{}:{}: no receipt of store-put", input.name, number + 1)))?;
            receipts.push(receipt);
        }
    }
    Ok(receipts)
}

/// A name for this run, to know its own manifest again after a lost reply.
pub fn writer() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_nanos(), std::process::id())
}
