//! A bucket, or the files of this machine: look, list, read, write, delete. Every request is repeated as the options say.

use crate::file;
use crate::location::{Location, Scheme};
use crate::object::{Object, bare, note};
use crate::options::Options;
use crate::settings::{Account, Settings};
use crate::transport::said;
use crate::verdict::{Refusal, extra_time, refusal, verdict};
use bytes::Bytes;
use fault::{Error, Kind, Result};
use futures_util::StreamExt as _;
use net::retry::{self, Outcome, Verdict};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload,
};
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::time::Instant;

/// A client for one bucket. Cheap to clone; threads share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) store: Store,
    root: Location,
    /// The bucket's server and key; nothing for files.
    account: Option<Account>,
    pub(crate) options: Options,
}

/// What the server can copy without us is the largest object of one request.
pub const LARGEST_COPY: u64 = 5 << 30;

#[derive(Clone, Debug)]
pub(crate) enum Store {
    S3(AmazonS3),
    File,
}

/// How to write an object.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// Only if there is none of that name (`If-None-Match: *`); else exit 6.
    pub create: bool,
    /// Metadata (see [`note`]); files have none.
    pub notes: BTreeMap<String, String>,
}

impl Client {
    /// A client for the location's bucket. Does not connect yet. Exit 2 for bad settings in the environment.
    pub fn open(location: &Location, options: Options) -> Result<Client> {
        let (store, account) = match location.scheme {
            Scheme::File => (Store::File, None),
            scheme => {
                let settings = Settings::from_env(scheme, options.side)?;
                (Store::S3(settings.open(&location.bucket, &options)?), Some(settings.account()))
            }
        };
        Ok(Client { store, root: location.with_key(""), account, options })
    }

    /// The location of a key.
    pub fn at(&self, key: &str) -> Location {
        self.root.with_key(key)
    }

    /// The settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Does it keep metadata beside objects?
    pub fn has_notes(&self) -> bool {
        matches!(self.store, Store::S3(_))
    }

    /// What is known of an object. Exit 6 if there is none.
    pub fn head(&self, key: &str) -> Result<Object> {
        self.look(key)?.ok_or_else(|| Error::new(Kind::Refused, format!("{}: not found", self.at(key))))
    }

    /// What is known of an object; `None` if there is none.
    pub fn look(&self, key: &str) -> Result<Option<Object>> {
        let location = self.at(key);
        let Store::S3(s3) = &self.store else {
            return match file::head(&location) {
                // In an object store a folder is nothing.
                Err(_) if !location.file().exists() || location.file().is_dir() => Ok(None),
                found => found.map(Some),
            };
        };
        let path = location.path()?;
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.ask(&location, 0, |_| s3.get_opts(&path, options.clone()))?;
        Ok(match found {
            Ok(found) => {
                let sealed = said().is_some_and(|said| said.sealed);
                Some(Object { sealed, ..object(&found.meta, &found.attributes) })
            }
            Err(Refusal::Missing | Refusal::Conflict) => None,
        })
    }

    /// Every object below a folder (a key that ends with a slash, or nothing), by key.
    pub fn list(&self, folder: &str, mut each: impl FnMut(Object) -> Result<()>) -> Result<()> {
        let location = self.at(folder);
        let Store::S3(s3) = &self.store else { return file::walk(&location, &mut each, 0) };
        let prefix = location.path()?;
        let mut last: Option<Path> = None;
        let mut backoff = retry::Backoff::new(self.options.policy, None);
        loop {
            let mut pages = match &last {
                None => s3.list(Some(&prefix)),
                Some(last) => s3.list_with_offset(Some(&prefix), last),
            };
            let (error, after) = loop {
                let next = match self.attempt(&location, 0, async { pages.next().await.transpose() }) {
                    Verdict::Done(next) => next,
                    Verdict::Retry { after, error } => break (error, after),
                    Verdict::Fatal(error) | Verdict::Split(error) | Verdict::Reject(error) => return Err(error),
                };
                let Some(meta) = next else { return Ok(()) };
                backoff.reset();
                last = Some(meta.location.clone());
                each(object(&meta, &Attributes::new()))?;
            };
            // From where it was cut.
            let stop = || self.options.stop.is_raised();
            backoff.again(error, after, &stop, |error, wait| (self.options.retried)(error, wait))?;
        }
    }

    /// One level below a folder: the folders in it (with a slash at the end) and the objects.
    pub fn level(&self, folder: &str) -> Result<(Vec<String>, Vec<Object>)> {
        let location = self.at(folder);
        let Store::S3(s3) = &self.store else { return file::level(&location) };
        let prefix = location.path()?;
        match self.ask(&location, 0, |_| s3.list_with_delimiter(Some(&prefix)))? {
            Ok(found) => Ok((
                found.common_prefixes.iter().map(|path| format!("{path}/")).collect(),
                found.objects.iter().map(|meta| object(meta, &Attributes::new())).collect(),
            )),
            Err(_) => Err(self.missing(&location)),
        }
    }

    /// Bytes `range` of an object, whole or not at all, into `into`; with `etag` only of that version (exit 4 or 5 by side if
    /// it is another one by now).
    pub fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        let location = self.at(key);
        if range.is_empty() {
            return Ok(());
        }
        let Store::S3(s3) = &self.store else { return read_file(&location, range, into) };
        let path = location.path()?;
        let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        into.reserve_exact(size);
        let policy = self.options.policy;
        let got = std::cell::RefCell::new(into);
        let done = retry::run(
            policy,
            &|| self.options.stop.is_raised(),
            |error, wait| (self.options.retried)(error, wait),
            |_| {
                let mut got = got.borrow_mut();
                // After a cut only the rest.
                let from = range.start + got.len() as u64;
                let options = GetOptions {
                    range: Some(GetRange::Bounded(from..range.end)),
                    if_match: etag.map(|etag| format!("\"{etag}\"")),
                    ..GetOptions::default()
                };
                let reply = match self.attempt(&location, 0, s3.get_opts(&path, options)) {
                    Verdict::Done(reply) => reply,
                    Verdict::Retry { after, error } => return Verdict::Retry { after, error },
                    Verdict::Fatal(error) | Verdict::Split(error) | Verdict::Reject(error) => {
                        return Verdict::Fatal(error);
                    }
                };
                let mut chunks = reply.into_stream();
                loop {
                    match self.attempt(&location, 0, async { chunks.next().await.transpose() }) {
                        Verdict::Done(Some(chunk)) if got.len() + chunk.len() > size => {
                            let text = format!("{location}: the server sent more than was asked for");
                            return Verdict::Fatal(Error::new(self.options.side.kind(), text));
                        }
                        Verdict::Done(Some(chunk)) => got.extend_from_slice(&chunk),
                        Verdict::Done(None) if got.len() == size => return Verdict::Done(()),
                        Verdict::Done(None) => {
                            let text = format!("{location}: the reply ended after {} of {size} bytes", got.len());
                            return Verdict::Retry { after: None, error: Error::new(self.options.side.kind(), text) };
                        }
                        Verdict::Retry { after, error } => return Verdict::Retry { after, error },
                        Verdict::Fatal(error) | Verdict::Split(error) | Verdict::Reject(error) => {
                            return Verdict::Fatal(error);
                        }
                    }
                }
            },
        );
        match done? {
            Outcome::Done(()) => Ok(()),
            Outcome::Split(error) | Outcome::Reject(error) => Err(error),
        }
    }

    /// A whole small object, at most `cap` bytes (exit 3 for a larger one).
    pub fn read_small(&self, key: &str, cap: u64) -> Result<(Object, Vec<u8>)> {
        let object = self.head(key)?;
        if object.size > cap {
            return Err(Error::malformed(format!("{}: {} bytes, at most {cap}", self.at(key), object.size)));
        }
        let mut bytes = Vec::new();
        self.read(key, 0..object.size, object.etag.as_deref(), &mut bytes)?;
        Ok((object, bytes))
    }

    /// Writes a whole object in one request. Gives the ETag.
    pub fn put(&self, key: &str, bytes: Bytes, how: &Put) -> Result<Option<String>> {
        let location = self.at(key);
        let Store::S3(s3) = &self.store else {
            let mut file = file::Unfinished::create(&location)?;
            file.write(&bytes)?;
            return Ok(file.finish(how.create)?.etag);
        };
        let path = location.path()?;
        let mode = if how.create { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, attributes: attributes(&how.notes), ..PutOptions::default() };
        let mut attempts = 0;
        let written = self.ask(&location, bytes.len(), |attempt| {
            attempts = attempt + 1;
            s3.put_opts(&path, PutPayload::from_bytes(bytes.clone()), options.clone())
        })?;
        match written {
            Ok(written) => Ok(written.e_tag.as_deref().map(bare)),
            Err(Refusal::Missing) => Err(self.missing(&location)),
            // Our own, whose reply was lost?
            Err(Refusal::Conflict) => match self.look(key)? {
                Some(there) if attempts > 1 && is_ours(&there, &how.notes) => Ok(there.etag),
                _ => Err(Error::new(Kind::Refused, format!("{location}: it exists already"))),
            },
        }
    }

    /// Removes objects. What is not there is as good as removed.
    pub fn delete(&self, keys: &[String]) -> Result<()> {
        let Store::S3(s3) = &self.store else {
            return keys.iter().try_for_each(|key| file::delete(&self.at(key)).map(drop));
        };
        let paths = keys.iter().map(|key| self.at(key).path()).collect::<Result<Vec<_>>>()?;
        let location = keys.first().map_or_else(|| self.root.clone(), |key| self.at(key));
        let done = self.ask(&location, 0, |_| {
            let paths: Vec<_> = paths.iter().cloned().map(Ok).collect();
            let mut deleted = s3.delete_stream(futures_util::stream::iter(paths).boxed());
            async move {
                while let Some(one) = deleted.next().await {
                    match one {
                        Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        })?;
        // A 404 of the whole request: the bucket.
        done.map_err(|_| self.missing(&location))
    }

    /// Do both speak to the same bucket with the same key, so that the server can copy by itself?
    pub fn same_store(&self, other: &Client) -> bool {
        let (one, two) = (&self.root, &other.root);
        (one.scheme, &one.bucket, &self.account) == (two.scheme, &two.bucket, &other.account)
    }

    /// Lets the server copy an object of this bucket, metadata and all, and looks whether it has `size` bytes.
    pub fn copy(&self, from: &Location, to: &str, size: u64) -> Result<()> {
        let location = self.at(to);
        let Store::S3(s3) = &self.store else { return Err(self.missing(&location)) };
        let (source, target) = (from.path()?, location.path()?);
        match self.ask(&location, 0, |_| s3.copy_opts(&source, &target, object_store::CopyOptions::new()))? {
            Ok(()) => {}
            Err(_) => return Err(self.missing(from)),
        }
        let there = self.head(to)?;
        match there.size == size {
            true => Ok(()),
            false => Err(Error::new(
                self.options.side.kind(),
                format!("{location}: {} bytes were copied, not {size}", there.size),
            )),
        }
    }

    pub(crate) fn missing(&self, location: &Location) -> Error {
        Error::new(Kind::Refused, format!("{location}: not found: is the bucket's name right?"))
    }

    /// One attempt, with the time limit (and more for `bytes` to be sent).
    pub(crate) fn attempt<T>(
        &self,
        location: &Location,
        bytes: usize,
        future: impl Future<Output = object_store::Result<T>>,
    ) -> Verdict<T> {
        let started = Instant::now();
        let limit = self.options.timeout + extra_time(bytes);
        match net::wait(future, limit, || started, &self.options.stop, "waiting for a reply") {
            Ok(Ok(value)) => Verdict::Done(value),
            Ok(Err(error)) => verdict(&error, &location.to_string(), self.options.side),
            Err(failure) if failure.what().transient() => {
                Verdict::Retry { after: None, error: failure.context(location).error(self.options.side) }
            }
            Err(failure) => Verdict::Fatal(failure.context(location).error(self.options.side)),
        }
    }

    /// Attempts until one succeeds; a refusal that the caller may know what to do with is a value.
    pub(crate) fn ask<T, F: Future<Output = object_store::Result<T>>>(
        &self,
        location: &Location,
        bytes: usize,
        mut make: impl FnMut(u32) -> F,
    ) -> Result<std::result::Result<T, Refusal>> {
        let done = retry::run(
            self.options.policy,
            &|| self.options.stop.is_raised(),
            |error, wait| (self.options.retried)(error, wait),
            |attempt| {
                let future = make(attempt);
                self.attempt(location, bytes, async {
                    match future.await {
                        Ok(value) => Ok(Ok(value)),
                        Err(error) => refusal(&error).map(Err).ok_or(error),
                    }
                })
            },
        );
        match done? {
            Outcome::Done(value) => Ok(value),
            Outcome::Split(error) | Outcome::Reject(error) => Err(error),
        }
    }
}

/// Was it written by whoever has these notes?
pub(crate) fn is_ours(there: &Object, notes: &BTreeMap<String, String>) -> bool {
    notes.get(note::WRITER).is_some_and(|writer| there.notes.get(note::WRITER) == Some(writer))
}

pub(crate) fn attributes(notes: &BTreeMap<String, String>) -> Attributes {
    let pairs = notes.iter().map(|(name, value)| (Attribute::Metadata(name.clone().into()), value.clone()));
    pairs.collect()
}

fn object(meta: &ObjectMeta, attributes: &Attributes) -> Object {
    let notes = attributes.iter().filter_map(|(name, value)| match name {
        Attribute::Metadata(name) => Some((name.to_string(), value.to_string())),
        _ => None,
    });
    Object {
        key: meta.location.to_string(),
        size: meta.size,
        modified: meta.last_modified,
        etag: meta.e_tag.as_deref().map(bare),
        notes: notes.collect(),
        sealed: false,
    }
}

fn read_file(location: &Location, range: Range<u64>, into: &mut Vec<u8>) -> Result<()> {
    let fail = |error| file::failed(location, "cannot read", error);
    let mut file = file::open(location)?;
    file.seek(SeekFrom::Start(range.start)).map_err(fail)?;
    let size = range.end - range.start;
    let got = file.take(size).read_to_end(into).map_err(fail)?;
    if got as u64 != size {
        return Err(Error::new(Kind::LocalIo, format!("{location}: it became shorter while it was read")));
    }
    Ok(())
}
