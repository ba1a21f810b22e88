//! Where files of the cluster are: on the backend's own machine (`file://`), or in a bucket (`s3://`, `s3a://`).

mod bucket;
mod http;

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::eval::like;
use bucket::Bucket;

/// A file, a folder, or the beginning of a name.
#[derive(Debug, Clone)]
pub struct Place {
    /// `None`: this machine.
    bucket: Option<Arc<Bucket>>,
    /// An absolute path, or a key.
    path: String,
}

impl Place {
    /// By its URL; `properties` say how a bucket is reached (dossier starrocks 4.4).
    pub fn open(url: &str, properties: &[(String, String)]) -> Result<Place, String> {
        if let Some(path) = url.strip_prefix("file://").filter(|path| path.starts_with('/')) {
            return Ok(Place { bucket: None, path: path.to_string() });
        }
        match url.split_once("://") {
            Some(("s3" | "s3a" | "s3n", rest)) if !rest.starts_with('/') => {
                let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
                Ok(Place { bucket: Some(Arc::new(Bucket::open(name, properties)?)), path: key.to_string() })
            }
            _ => Err(format!("the simulator reaches file:///absolute/paths, s3:// and s3a:// only, not {url}")),
        }
    }

    /// The same with something behind it.
    pub fn and(&self, more: &str) -> Place {
        Place { bucket: self.bucket.clone(), path: format!("{}{more}", self.path) }
    }

    /// Does it end in a slash?
    pub fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }

    /// Folder (with its slash) and name.
    pub fn split(&self) -> (Place, String) {
        let (folder, name) = self.path.rsplit_once('/').map_or(("", &self.path[..]), |(folder, name)| (folder, name));
        let folder = if folder.is_empty() && self.bucket.is_some() { String::new() } else { format!("{folder}/") };
        (Place { bucket: self.bucket.clone(), path: folder }, name.to_string())
    }

    /// For messages.
    pub fn shown(&self) -> String {
        match &self.bucket {
            Some(bucket) => format!("s3://{}/{}", bucket.name, self.path),
            None => self.path.clone(),
        }
    }

    /// A file to write to, with the folders above it. What goes into a bucket is collected first: [`Place::keep`] sends it.
    pub fn create(&self) -> Result<File, String> {
        if self.bucket.is_some() {
            return nameless();
        }
        let path = Path::new(&self.path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(path));
        made.map_err(|e| format!("cannot write {}: {e}", self.path))
    }

    /// The file that was created is complete.
    pub fn keep(&self, mut file: File) -> Result<(), String> {
        match &self.bucket {
            Some(bucket) => {
                file.seek(SeekFrom::Start(0)).map_err(|e| format!("cannot read a temporary file: {e}"))?;
                bucket.put(&self.path, file)
            }
            None => Ok(()),
        }
    }

    /// Gives the file another name.
    pub fn rename(&self, to: &Place) -> Result<(), String> {
        match &self.bucket {
            Some(bucket) => bucket.rename(&self.path, &to.path),
            None => std::fs::rename(&self.path, &to.path).map_err(|e| format!("cannot rename {}: {e}", self.path)),
        }
    }

    /// Removes a folder that is empty; in a bucket there are none.
    pub fn remove_folder(&self) -> Result<(), String> {
        match &self.bucket {
            Some(_) => Ok(()),
            None => std::fs::remove_dir(&self.path).map_err(|e| format!("cannot remove {}: {e}", self.path)),
        }
    }

    /// A file to read from.
    pub fn read(&self) -> Result<File, String> {
        match &self.bucket {
            Some(bucket) => {
                let mut file = nameless()?;
                bucket.get(&self.path, &mut file)?;
                file.seek(SeekFrom::Start(0)).map_err(|e| format!("cannot read a temporary file: {e}"))?;
                Ok(file)
            }
            None => File::open(&self.path).map_err(|e| format!("cannot read {}: {e}", self.path)),
        }
    }

    /// The files that are meant, with their sizes, by name; the last part of the path may have `*`.
    pub fn matching(&self) -> Result<Vec<(Place, u64)>, String> {
        let (folder, name) = self.split();
        let mut found = match &self.bucket {
            Some(bucket) => bucket.list(&folder.path)?,
            None => listed(Path::new(&folder.path), &name)?,
        };
        let pattern = name.replace('_', "\\_").replace('*', "%");
        found.retain(|(there, _)| match name.contains('*') {
            true => like(pattern.as_bytes(), there.as_bytes()),
            false => *there == name,
        });
        found.sort();
        Ok(found.into_iter().map(|(name, size)| (folder.and(&name), size)).collect())
    }
}

/// Names and sizes of the files of a folder. One that is not there holds nothing, unless all of it is asked for.
fn listed(folder: &Path, wanted: &str) -> Result<Vec<(String, u64)>, String> {
    let entries = match std::fs::read_dir(folder) {
        Err(_) if !wanted.contains('*') => return Ok(Vec::new()),
        entries => entries.map_err(|e| format!("cannot list {}: {e}", folder.display()))?,
    };
    let files = entries.flatten().filter_map(|entry| {
        let meta = std::fs::metadata(entry.path()).ok().filter(|meta| meta.is_file())?;
        Some((entry.file_name().to_string_lossy().into_owned(), meta.len()))
    });
    Ok(files.collect())
}

/// A file that goes with its last handle.
fn nameless() -> Result<File, String> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf = std::env::temp_dir().join(format!("ts-sim-{}-{number}", std::process::id()));
    let made = File::options().read(true).write(true).create_new(true).open(&path);
    let file = made.map_err(|e| format!("cannot create {}: {e}", path.display()))?;
    std::fs::remove_file(&path).map_err(|e| format!("cannot remove {}: {e}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_put_together_and_taken_apart() {
        let place = Place::open("file:///a/b/part_", &[]).unwrap();
        let (folder, name) = place.split();
        assert_eq!((folder.shown().as_str(), name.as_str(), folder.is_folder()), ("/a/b/", "part_", true));
        assert_eq!(folder.and("x").and("y").shown(), "/a/b/xy");
        for url in ["file://a", "/a", "oss://b/k", "hdfs://h/x", "s3:///k"] {
            assert!(Place::open(url, &[]).is_err(), "{url}");
        }
    }

    #[test]
    fn a_bucket_wants_an_endpoint_in_clear_and_a_key() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| (format!("aws.s3.{k}"), v.to_string())).collect()
        };
        let key = [("access_key", "a"), ("secret_key", "very-secret"), ("endpoint", "http://127.0.0.1:1")];
        let place = Place::open("s3a://bucket/x/y", &pairs(&key)).unwrap();
        assert_eq!(place.shown(), "s3://bucket/x/y");
        let top = Place::open("s3://bucket/y", &pairs(&key)).unwrap().split();
        assert_eq!((top.0.shown().as_str(), top.1.as_str()), ("s3://bucket/", "y"));
        for missing in 0..2 {
            assert!(Place::open("s3://b/k", &pairs(&key[missing..=missing])).is_err());
        }
        let secure = Place::open("s3://b/k", &pairs(&[key[0], key[1], ("endpoint", "https://h")])).unwrap_err();
        assert!(secure.contains("http") && !secure.contains("very-secret"), "{secure}");
    }
}
