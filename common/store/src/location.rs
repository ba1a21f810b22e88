//! URLs of objects: `s3://bucket/key`, `oss://bucket/key`, `file:///path`.
//!
//! A key is taken as it stands, without percent-decoding: what a listing prints is what a command takes. One that ends with
//! a slash, or is empty, names everything below it.

use fault::{Error, Result};
use object_store::path::Path;
use std::fmt;
use std::path::PathBuf;

/// The kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Amazon S3 and what speaks like it (MinIO, Ceph, R2, …).
    S3,
    /// Alibaba Cloud OSS, through its S3 interface.
    Oss,
    /// A folder of this machine.
    File,
}

impl Scheme {
    /// As in URLs: `s3`, `oss`, `file`.
    pub fn word(self) -> &'static str {
        match self {
            Scheme::S3 => "s3",
            Scheme::Oss => "oss",
            Scheme::File => "file",
        }
    }
}

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub scheme: Scheme,
    /// Empty for files.
    pub bucket: String,
    /// Without a leading slash; of a file, its path below `/`.
    pub key: String,
}

impl Location {
    /// Parses a URL. `s3a://` and `s3n://` are `s3://`. Exit 2 for anything else, and for `user:password@`: keys come from the
    /// environment.
    pub fn parse(text: &str) -> Result<Location> {
        let known = "expected s3://BUCKET/KEY, oss://BUCKET/KEY or file:///PATH";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::usage(format!("'{text}' is no URL: {known}")));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3a" | "s3n" => Scheme::S3,
            "oss" => Scheme::Oss,
            "file" => Scheme::File,
            _ => return Err(Error::usage(format!("unknown scheme {scheme}://: {known}"))),
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let location = Location { scheme, bucket: bucket.to_owned(), key: key.to_owned() };
        if scheme == Scheme::File {
            if !matches!(bucket, "" | "localhost") || !rest.contains('/') {
                return Err(Error::usage(format!("'{text}' is no absolute path: a file is file:///PATH")));
            }
            let location = Location { bucket: String::new(), ..location };
            location.path()?;
            return Ok(location);
        }
        if bucket.contains('@') {
            return Err(Error::usage(format!(
                "the {}:// URL holds a user or a password: keys are taken from the environment",
                scheme.word()
            )));
        }
        if bucket.is_empty() || !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            return Err(Error::usage(format!("'{bucket}' is no name of a bucket: {known}")));
        }
        location.path()?;
        Ok(location)
    }

    /// Does it name what is below it, rather than one object?
    pub fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// Is it a whole bucket, or the root of a file system?
    pub fn is_whole(&self) -> bool {
        self.key.is_empty()
    }

    /// What is called `name` below this; `name` may have several parts.
    pub fn child(&self, name: &str) -> Location {
        let slash = if self.is_folder() { "" } else { "/" };
        self.with_key(format!("{}{slash}{name}", self.key))
    }

    /// Another object of the same bucket.
    pub fn with_key(&self, key: impl Into<String>) -> Location {
        Location { key: key.into(), ..self.clone() }
    }

    /// The same, as a folder: with a slash at its end.
    pub fn folder(&self) -> Location {
        if self.is_folder() { self.clone() } else { self.with_key(format!("{}/", self.key)) }
    }

    /// The last part of the key, empty for a folder.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// The path on this machine.
    pub fn file(&self) -> PathBuf {
        PathBuf::from(format!("/{}", self.key))
    }

    /// For the library. Exit 2 for a key that it does not take: empty parts, `.` and `..`, control characters.
    pub(crate) fn path(&self) -> Result<Path> {
        Path::parse(&self.key).map_err(|error| Error::caused(fault::Kind::Usage, format!("bad key in {self}"), error))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme.word(), self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_bucket_and_a_key() {
        for (text, scheme, bucket, key, shown) in [
            ("s3://b/p/k.csv", Scheme::S3, "b", "p/k.csv", "s3://b/p/k.csv"),
            ("s3a://b/p/", Scheme::S3, "b", "p/", "s3://b/p/"),
            ("s3://b", Scheme::S3, "b", "", "s3://b/"),
            ("oss://b.c-1/a b%20c?d#e", Scheme::Oss, "b.c-1", "a b%20c?d#e", "oss://b.c-1/a b%20c?d#e"),
            ("file:///tmp/x", Scheme::File, "", "tmp/x", "file:///tmp/x"),
            ("FILE://localhost/", Scheme::File, "", "", "file:///"),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!((location.scheme, location.bucket.as_str(), location.key.as_str()), (scheme, bucket, key));
            assert_eq!(location.to_string(), shown);
            assert_eq!(Location::parse(&location.to_string()).unwrap(), location);
        }
        for text in [
            "",
            "x",
            "/tmp/x",
            "http://b/k",
            "s3:///k",
            "s3://k:s@b/k",
            "file://tmp",
            "file://h/x",
            "s3://b/a//b",
            "s3://b/../k",
        ] {
            assert_eq!(Location::parse(text).unwrap_err().kind(), fault::Kind::Usage, "{text}");
        }
    }

    #[test]
    fn folders_and_children() {
        let folder = Location::parse("s3://b/p").unwrap().folder();
        assert_eq!((folder.to_string().as_str(), folder.is_folder(), folder.is_whole()), ("s3://b/p/", true, false));
        assert_eq!(folder.child("a/b.csv").to_string(), "s3://b/p/a/b.csv");
        assert_eq!(Location::parse("s3://b/p").unwrap().child("x").key, "p/x");
        assert_eq!(Location::parse("s3://b/").unwrap().child("x").key, "x");
        assert_eq!((folder.child("a/b").name(), folder.name()), ("b", ""));
        assert!(Location::parse("s3://b/").unwrap().is_whole());
    }
}
