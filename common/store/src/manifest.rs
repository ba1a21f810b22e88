//! `_manifest.json`: what belongs to a set of objects, written after all of them. Who reads it knows that they are all there;
//! who writes it with Create semantics knows that nobody else has.

use crate::client::Client;
use crate::location::Location;
use crate::object::Object;
use chrono::{SecondsFormat, Utc};
use fault::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Its name below the folder that it describes.
pub const MANIFEST: &str = "_manifest.json";

/// No manifest is larger: a million entries.
const LARGEST: u64 = 256 << 20;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// When it was written.
    pub created: String,
    /// Sum of the sizes in bytes.
    pub size: u64,
    /// Sum of the rows, if they are known of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// By name.
    pub files: Vec<Entry>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Below the manifest's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// xxh3-128 of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xxh3: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// What a listing has against a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub name: String,
    /// `missing`, `size 5 is not 6`, `xxh3 … is not …`, `not in the manifest`.
    pub what: String,
}

impl Manifest {
    /// Of these entries; two of one name are exit 2.
    pub fn new(files: Vec<Entry>) -> Result<Manifest> {
        let mut by_name = BTreeMap::new();
        for file in files {
            let name = file.name.clone();
            if by_name.insert(name.clone(), file).is_some() {
                return Err(Error::usage(format!("'{name}' is twice in the manifest")));
            }
        }
        let files: Vec<Entry> = by_name.into_values().collect();
        let rows = files.iter().map(|file| file.rows).sum();
        let rows = if files.is_empty() { None } else { rows };
        let created = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        Ok(Manifest { version: 1, created, size: files.iter().map(|file| file.size).sum(), rows, files })
    }

    /// As text.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::caused(fault::Kind::Bug, "cannot write the manifest", error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// From text. Exit 3 for anything else.
    pub fn parse(bytes: &[u8], from: &Location) -> Result<Manifest> {
        let manifest: Manifest = serde_json::from_slice(bytes)
            .map_err(|error| Error::malformed(format!("{from} is no manifest: {error}")))?;
        if manifest.version != 1 {
            return Err(Error::malformed(format!("{from} is a manifest of version {}, not 1", manifest.version)));
        }
        Ok(manifest)
    }

    /// The manifest of a folder. Exit 6 if there is none.
    pub fn read(client: &Client, location: &Location) -> Result<Manifest> {
        let (_, bytes) = client.read_small(&location.key, LARGEST)?;
        Manifest::parse(&bytes, location)
    }

    /// Every difference between the manifest and what is in its folder. With `deep` also the digests: those beside the objects
    /// (a request each); of files, and of what has none beside it, those of the bytes.
    pub fn compare(&self, client: &Client, folder: &Location, deep: bool) -> Result<Vec<Difference>> {
        let mut expected: BTreeMap<&str, &Entry> = self.files.iter().map(|file| (file.name.as_str(), file)).collect();
        let mut found = Vec::new();
        let mut differ = |name: &str, what: String| found.push(Difference { name: name.to_owned(), what });
        client.list(&folder.key, |object| {
            let name = object.key.strip_prefix(&folder.key).unwrap_or(&object.key);
            if name == MANIFEST {
                return Ok(());
            }
            match expected.remove(name) {
                None => differ(name, "not in the manifest".to_owned()),
                Some(entry) if entry.size != object.size => {
                    differ(name, format!("size {} is not {}", object.size, entry.size));
                }
                Some(entry) if deep => {
                    if let Some(wanted) = &entry.xxh3 {
                        let noted = client.digest(&object.key)?;
                        // The same ETag is the same object.
                        let same = noted.is_none() && entry.etag.is_some() && entry.etag == object.etag;
                        let digest = match noted {
                            Some(digest) => digest,
                            None if same => wanted.clone(),
                            None => client.read_digest(&object)?,
                        };
                        if digest != *wanted {
                            differ(name, format!("xxh3 {digest} is not {wanted}"));
                        }
                    }
                }
                Some(_) => {}
            }
            Ok(())
        })?;
        for name in expected.keys() {
            differ(name, "missing".to_owned());
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

impl Client {
    /// The digest of an object: what is written beside it; of a file, of its bytes. `None` if it is not known.
    pub fn digest(&self, key: &str) -> Result<Option<String>> {
        let object = self.head(key)?;
        if self.has_notes() {
            return Ok(object.digest().map(str::to_owned));
        }
        self.read_digest(&object).map(Some)
    }

    /// The digest of an object's bytes.
    pub fn read_digest(&self, object: &Object) -> Result<String> {
        let mut reader = self.reader(object, 0)?;
        let read = crate::digest_of(&mut reader);
        read.map(|(_, digest)| digest)
            .map_err(|error| Error::io(format!("cannot read {}", self.at(&object.key)), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, rows: Option<u64>) -> Entry {
        Entry { name: name.to_owned(), size: 3, xxh3: None, rows, etag: None }
    }

    #[test]
    fn a_manifest_is_sorted_and_adds_up() {
        let manifest = Manifest::new(vec![entry("b", Some(2)), entry("a", Some(5))]).unwrap();
        assert_eq!((manifest.size, manifest.rows, manifest.files[0].name.as_str()), (6, Some(7), "a"));
        let at = Location::parse("s3://b/_manifest.json").unwrap();
        assert_eq!(Manifest::parse(&manifest.to_json().unwrap(), &at).unwrap(), manifest);
        assert_eq!(Manifest::new(vec![entry("b", Some(2)), entry("a", None)]).unwrap().rows, None);
        assert_eq!(Manifest::new(vec![entry("a", None), entry("a", None)]).unwrap_err().kind(), fault::Kind::Usage);
        for bad in ["", "{}", "[]", r#"{"version":2,"created":"","size":0,"files":[]}"#] {
            assert_eq!(Manifest::parse(bad.as_bytes(), &at).unwrap_err().kind(), fault::Kind::Malformed, "{bad}");
        }
    }
}
