//! How our own work fares: a file to which every worker appends a line of JSON with `secs` and `exit`.

use fault::{Error, Result};
use serde::Deserialize;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// So much of the file is read in one look; the rest in the next ones.
const MOST: u64 = 4 << 20;

#[derive(Deserialize)]
struct Line {
    secs: f64,
    exit: i32,
}

/// The file, and how far it was read.
pub struct Timings {
    path: PathBuf,
    at: u64,
}

/// What came since the last look.
#[derive(Debug, Default, PartialEq)]
pub struct Ended {
    pub count: u64,
    pub failed: u64,
    pub p95: Option<f64>,
}

impl Timings {
    /// What is in the file already is of the past.
    pub fn new(path: PathBuf) -> Timings {
        let at = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        Timings { path, at }
    }

    /// What was appended since the last look. A file that is not there yet says nothing; one that has become shorter is new.
    pub fn look(&mut self) -> Result<Ended> {
        let fail = |error| Error::io(format!("cannot read {}", self.path.display()), error);
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Ended::default()),
            Err(error) => return Err(fail(error)),
        };
        if file.metadata().map_err(fail)?.len() < self.at {
            self.at = 0;
        }
        file.seek(SeekFrom::Start(self.at)).map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).map_err(fail)?;
        // A line that is still written is read next time.
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.at += end as u64;
        Ok(ended(bytes.get(..end).unwrap_or_default()))
    }
}

/// 0 and 8 are no failures, a signal that ended our own run neither.
fn ended(bytes: &[u8]) -> Ended {
    let mut seconds = Vec::new();
    let mut failed = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
        match line.exit {
            0 | 8 if line.secs.is_finite() => seconds.push(line.secs),
            130 | 143 => {}
            _ => failed += 1,
        }
    }
    seconds.sort_by(f64::total_cmp);
    let place = (seconds.len() * 95).div_ceil(100).saturating_sub(1);
    Ended { count: seconds.len() as u64, failed, p95: seconds.get(place).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_what_is_new_and_whole_is_read() {
        let dir = testkit::temp_dir();
        let path = dir.path().join("timings");
        std::fs::write(&path, "{\"secs\":1,\"exit\":0}\n").unwrap();
        let mut timings = Timings::new(path.clone());
        assert_eq!(timings.look().unwrap(), Ended::default());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        for secs in 1..=20 {
            writeln!(file, "{{\"secs\":{secs}.0,\"exit\":0,\"url\":\"x\"}}").unwrap();
        }
        write!(file, "no json\n{{\"secs\":1,\"exit\":5}}\n{{\"secs\":1,\"exit\":143}}\n{{\"secs\":7").unwrap();
        assert_eq!(timings.look().unwrap(), Ended { count: 20, failed: 1, p95: Some(19.0) });
        writeln!(file, ",\"exit\":8}}").unwrap();
        assert_eq!(timings.look().unwrap(), Ended { count: 1, failed: 0, p95: Some(7.0) });
        std::fs::write(&path, "{\"secs\":3,\"exit\":0}\n").unwrap();
        assert_eq!(timings.look().unwrap().p95, Some(3.0));
    }
}
