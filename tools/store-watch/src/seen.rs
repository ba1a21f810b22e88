//! What earlier looks have found: 24 bytes in memory for an object, a line in the state file.

use cli::output::Output;
use fault::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use store::Object;

/// A line of the state file.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    size: u64,
    modified: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

/// The last look, and what was told since.
pub struct Seen {
    /// A hash of the version by a hash of the key.
    objects: HashMap<u128, u64>,
    hashes: [RandomState; 2],
    state: Option<PathBuf>,
}

/// A look: what it finds takes the place of what was there when it ends.
pub struct Pass<'a> {
    seen: &'a mut Seen,
    found: HashMap<u128, u64>,
    state: Option<BufWriter<Output>>,
}

impl Seen {
    /// Reads the state file, if it is there. Exit 3 for a file of something else.
    pub fn open(state: Option<&Path>) -> Result<Seen> {
        let hashes = [RandomState::new(), RandomState::new()];
        let mut seen = Seen { objects: HashMap::new(), hashes, state: state.map(Path::to_owned) };
        let Some(path) = state else { return Ok(seen) };
        let name = path.display();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(seen),
            Err(error) => return Err(Error::io(format!("cannot open {name}"), error)),
        };
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|error| Error::io(format!("cannot read {name}"), error))?;
            let line: Line = serde_json::from_str(&line).map_err(|error| {
                Error::caused(Kind::Malformed, format!("{name}:{}: no state of store-watch", number + 1), error)
            })?;
            let (key, version) = (seen.key(&line.key), seen.version(&line));
            seen.objects.insert(key, version);
        }
        Ok(seen)
    }

    /// Begins a look. The new state file is created at once, under a temporary name.
    pub fn pass(&mut self) -> Result<Pass<'_>> {
        let state =
            self.state.as_deref().map(Output::file).transpose()?.map(|file| BufWriter::with_capacity(1 << 16, file));
        Ok(Pass { seen: self, found: HashMap::new(), state })
    }

    fn key(&self, key: &str) -> u128 {
        u128::from(self.hashes[0].hash_one(key)) << 64 | u128::from(self.hashes[1].hash_one(key))
    }

    fn version(&self, line: &Line) -> u64 {
        self.hashes[0].hash_one((line.size, &line.modified, &line.etag))
    }
}

impl Pass<'_> {
    /// Was this version of the object never told of?
    pub fn is_new(&mut self, object: &Object) -> Result<bool> {
        let line = Line {
            key: object.key.clone(),
            size: object.size,
            modified: object.modified.to_rfc3339(),
            etag: object.etag.clone(),
        };
        let (key, version) = (self.seen.key(&line.key), self.seen.version(&line));
        self.found.insert(key, version);
        if let (Some(state), Some(path)) = (&mut self.state, &self.seen.state) {
            serde_json::to_writer(&mut *state, &line)
                .map_err(std::io::Error::from)
                .and_then(|()| state.write_all(b"\n"))
                .map_err(|error| Error::io(format!("cannot write {}", path.display()), error))?;
        }
        // At once, not at the end: a listing that breaks, and begins anew, shall not tell of it again.
        Ok(self.seen.objects.insert(key, version) != Some(version))
    }

    /// The look is complete, and its events are out.
    pub fn finish(self) -> Result<()> {
        self.seen.objects = self.found;
        match self.state {
            Some(state) => state
                .into_inner()
                .map_err(|error| Error::io("cannot write the state file", error.into_error()))?
                .finish(),
            None => Ok(()),
        }
    }
}
