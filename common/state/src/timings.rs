//! How work fares: a file to which every worker appends a line for what has ended, for who decides how much runs at once.

use fault::{Error, Result};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Appends `{"KEY":"what","secs":1.5,"exit":0}` with one write: lines of several workers never mix. Makes the file.
pub fn note_time(path: &Path, (key, what): (&str, &str), time: Duration, exit: i32) -> Result<()> {
    let secs = (time.as_secs_f64() * 1e3).round() / 1e3;
    let line = json!({key: what, "secs": secs, "exit": exit}).to_string() + "\n";
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| Error::io(format!("cannot write {}", path.display()), error))
}
