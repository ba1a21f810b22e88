//! Writing an object from a stream: in one request where it is small, else in parts, several of them on their way at once.
//!
//! The object appears under its name only when all of it is there. An upload that fails or is stopped is aborted; one whose
//! process was killed stays with the server, which keeps (and bills) its parts: `resume` finds it, asks for the MD5 of each
//! part and sends only those that differ.

use crate::client::{Client, Put, Store, attributes, is_ours};
use crate::content::etag_of;
use crate::file::Unfinished;
use crate::location::{Location, Scheme};
use crate::object::{bare, note};
use crate::uploads::Part;
use crate::verdict::Refusal;
use bytes::Bytes;
use fault::{Error, Kind, Result};
use md5::{Digest as _, Md5};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::{PutMultipartOptions, PutPayload};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use xxhash_rust::xxh3::Xxh3Default;

/// S3's limits: no smaller parts but the last, and no more of them.
pub const SMALLEST_PART: u64 = 5 << 20;
const MOST_PARTS: u64 = 10_000;

/// What is to be written, and how.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    /// What is read, for messages.
    pub name: String,
    /// Whose failure it is when reading fails, or gives something else than was announced.
    pub reading: Option<Kind>,
    /// Bytes, where they are known.
    pub size: Option<u64>,
    /// xxh3-128, where it is known before: it is then written beside the object, and what was read must have it.
    pub digest: Option<String>,
    /// Only if there is no object of that name yet. Atomic for what fits into one part; else looked at before and after.
    pub create: bool,
    /// Go on with an upload of this key that was interrupted.
    pub resume: bool,
    /// Metadata besides ours.
    pub notes: BTreeMap<String, String>,
}

/// What has been written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub size: u64,
    /// xxh3-128 of all bytes.
    pub digest: String,
    pub etag: Option<String>,
    /// Parts that were there already.
    pub resumed: u64,
}

impl Client {
    /// Writes all that `reader` gives.
    ///
    /// # Errors
    /// Exit 6: it exists (with `create`), no permission, no such bucket. Exit 7: reading or a local disk. Else the options' side.
    pub fn upload(&self, key: &str, reader: &mut dyn Read, what: &Upload) -> Result<Written> {
        let mut source = Source { reader, what, hash: Xxh3Default::new(), size: 0 };
        if let Store::File = self.store {
            return self.upload_file(&self.at(key), &mut source, what);
        }
        // Known sizes choose parts that are few enough; streams have to be content with what was asked for.
        let least = what.size.map_or(0, |size| size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        let mut part_bytes = usize::try_from(least).unwrap_or(usize::MAX).max(self.options.part_bytes);
        let small = what.size.is_some_and(|size| size <= part_bytes as u64);
        let begun = if what.resume && !small { self.begun(key, &mut part_bytes)? } else { None };
        let first = source.part(part_bytes)?;
        let second = if first.len() < part_bytes { Vec::new() } else { source.part(part_bytes)? };
        let mut notes = what.notes.clone();
        notes.insert(note::WRITER.to_owned(), format!("{:016x}", rand::random::<u64>()));
        if second.is_empty() && begun.is_none() {
            let (size, digest) = source.end()?;
            notes.insert(note::DIGEST.to_owned(), digest.clone());
            (self.options.moving)(size)?;
            let etag = self.put(key, Bytes::from(first), &Put { create: what.create, notes })?;
            return Ok(Written { size, digest, etag, resumed: 0 });
        }
        if what.create && self.look(key)?.is_some() {
            return Err(exists(&self.at(key)));
        }
        notes.insert(note::PART.to_owned(), part_bytes.to_string());
        if let Some(digest) = &what.digest {
            notes.insert(note::DIGEST.to_owned(), digest.clone());
        }
        let continued = begun.is_some();
        let (first, second) = (Bytes::from(first), Bytes::from(second));
        let (id, there, proof) = match begun {
            Some((id, there)) => (id, there, 0),
            // Its digest is not known yet, and afterwards nothing can be written beside it any more.
            None if what.digest.is_none() && self.at(key).scheme == Scheme::S3 => {
                self.begin_proved(key, &mut notes, &first)?
            }
            None => (self.begin(key, &notes)?, BTreeMap::new(), 0),
        };
        let sent = self.send(key, &id, &there, [first, second], &mut source, part_bytes);
        let sent = sent.and_then(|(parts, resumed)| {
            let (size, digest) = source.end()?;
            if what.create && self.look(key)?.is_some() {
                return Err(exists(&self.at(key)));
            }
            Ok((parts, resumed, size, digest))
        });
        let (parts, resumed, size, digest) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // While a signal is being obeyed there is time for one request.
                let _ = self.once().abort_upload(key, &id);
                return Err(error);
            }
        };
        let etag = self.complete(key, &id, parts, size, &notes, continued)?;
        Ok(Written { size, digest, etag, resumed: resumed.saturating_sub(proof) })
    }

    fn upload_file(&self, target: &Location, source: &mut Source<'_>, what: &Upload) -> Result<Written> {
        if what.create && self.look(&target.key)?.is_some() {
            return Err(exists(target));
        }
        let mut file = Unfinished::create(target)?;
        loop {
            let bytes = source.part(1 << 20)?;
            if bytes.is_empty() {
                break;
            }
            (self.options.moving)(bytes.len() as u64)?;
            file.write(&bytes)?;
        }
        let (size, digest) = source.end()?;
        let object = file.finish(what.create)?;
        Ok(Written { size, digest, etag: object.etag, resumed: 0 })
    }

    /// The newest interrupted upload of this key and its parts by number. Its size of parts is taken over, if it is not larger.
    fn begun(&self, key: &str, part_bytes: &mut usize) -> Result<Option<(String, BTreeMap<u64, Part>)>> {
        let mut found = Vec::new();
        self.uploads(key, |upload| {
            if upload.key == key {
                found.push(upload);
            }
            Ok(())
        })?;
        let Some(newest) = found.into_iter().max_by_key(|upload| upload.begun) else { return Ok(None) };
        let parts = self.parts(key, &newest.id)?;
        let largest = parts.values().map(|part| part.size).max().unwrap_or(0);
        if largest > *part_bytes as u64 || largest < SMALLEST_PART {
            // Its parts would take more memory than was allowed, or there is none that says how large they are.
            self.abort_upload(key, &newest.id)?;
            return Ok(None);
        }
        *part_bytes = usize::try_from(largest).unwrap_or(*part_bytes);
        Ok(Some((newest.id, parts)))
    }

    /// Begins an upload and sends its first part: is its ETag its MD5? Then that of the object will say whether all of it is
    /// as it was, and so it is noted. Else another one is begun. Gives the upload, the parts that are there, and their number.
    fn begin_proved(
        &self,
        key: &str,
        notes: &mut BTreeMap<String, String>,
        first: &Bytes,
    ) -> Result<(String, BTreeMap<u64, Part>, u64)> {
        notes.insert(note::ETAG.to_owned(), note::MD5.to_owned());
        let id = self.begin(key, notes)?;
        let sent =
            self.put_part(key, &id, 1, first.clone()).inspect_err(|_| drop(self.once().abort_upload(key, &id)))?;
        let part = Part { etag: sent.content_id, size: first.len() as u64 };
        if part.is(first) {
            return Ok((id, BTreeMap::from([(1, part)]), 1));
        }
        notes.remove(note::ETAG);
        self.abort_upload(key, &id)?;
        Ok((self.begin(key, notes)?, BTreeMap::new(), 0))
    }

    fn begin(&self, key: &str, notes: &BTreeMap<String, String>) -> Result<String> {
        let location = self.at(key);
        let Store::S3(s3) = &self.store else { return Ok(String::new()) };
        let path = location.path()?;
        let options = PutMultipartOptions { attributes: attributes(notes), ..PutMultipartOptions::default() };
        let begun = self.ask(&location, 0, |_| s3.create_multipart_opts(&path, options.clone()))?;
        begun.map_err(|_| self.missing(&location))
    }

    /// Sends the parts, as many at once as allowed. Gives their ids and how many were there already.
    fn send(
        &self,
        key: &str,
        id: &str,
        there: &BTreeMap<u64, Part>,
        first: [Bytes; 2],
        source: &mut Source<'_>,
        part_bytes: usize,
    ) -> Result<(Vec<PartId>, u64)> {
        let done: Mutex<Done> = Mutex::default();
        let (give, take) = sync_channel::<(u64, Bytes)>(0);
        let take = Mutex::new(take);
        let workers = self.options.parts.max(1);
        let read = std::thread::scope(|scope| {
            // The queue ends with the reader, and with the last worker.
            let give = give;
            for _ in 0..workers {
                let (take, done) = (&take, &done);
                scope.spawn(move || self.work(key, id, there, take, done));
            }
            let mut number = 0;
            let mut next = |bytes: Bytes| -> Result<bool> {
                number += 1;
                if number > MOST_PARTS {
                    return Err(Error::usage(format!(
                        "{}: more than {MOST_PARTS} parts of {part_bytes} bytes: give a larger --part-size",
                        self.at(key)
                    )));
                }
                // Workers take nothing any more once one has failed.
                let failed = lock(&done).error.is_some();
                Ok(!failed && give.send((number, bytes)).is_ok())
            };
            for bytes in first {
                if bytes.is_empty() || !next(bytes)? {
                    return Ok(());
                }
            }
            loop {
                let bytes = source.part(part_bytes)?;
                if bytes.is_empty() || !next(Bytes::from(bytes))? {
                    return Ok(());
                }
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (read, done.error) {
            (Err(error), _) | (Ok(()), Some(error)) => Err(error),
            (Ok(()), None) => Ok((done.parts.into_values().collect(), done.resumed)),
        }
    }

    /// One worker: part after part, until there are no more or one of them has failed.
    fn work(
        &self,
        key: &str,
        id: &str,
        there: &BTreeMap<u64, Part>,
        take: &Mutex<Receiver<(u64, Bytes)>>,
        done: &Mutex<Done>,
    ) {
        loop {
            let next = lock(take).recv();
            let Ok((number, bytes)) = next else { return };
            if lock(done).error.is_some() {
                // Taken, so that the reader does not wait for ever.
                continue;
            }
            let sent = match there.get(&number).filter(|part| part.is(&bytes)) {
                Some(part) => Ok((PartId { content_id: part.etag.clone() }, 1)),
                None => self.put_part(key, id, number, bytes).map(|part| (part, 0)),
            };
            let mut done = lock(done);
            match sent {
                Ok((part, resumed)) => {
                    done.parts.insert(number, part);
                    done.resumed += resumed;
                }
                Err(error) => done.error = done.error.take().or(Some(error)),
            }
        }
    }

    fn put_part(&self, key: &str, id: &str, number: u64, bytes: Bytes) -> Result<PartId> {
        let location = self.at(key);
        let Store::S3(s3) = &self.store else { return Err(self.missing(&location)) };
        (self.options.moving)(bytes.len() as u64)?;
        let path = location.path()?;
        let index = usize::try_from(number - 1).unwrap_or_default();
        let id = id.to_owned();
        let sent = self
            .ask(&location, bytes.len(), |_| s3.put_part(&path, &id, index, PutPayload::from_bytes(bytes.clone())))?;
        sent.map_err(|_| {
            Error::new(
                self.options.side.kind(),
                format!("{location}: the upload is gone: somebody aborted it; run it again"),
            )
        })
    }

    /// Makes the object of its parts, and looks whether it is the one.
    fn complete(
        &self,
        key: &str,
        id: &str,
        parts: Vec<PartId>,
        size: u64,
        notes: &BTreeMap<String, String>,
        continued: bool,
    ) -> Result<Option<String>> {
        let location = self.at(key);
        let Store::S3(s3) = &self.store else { return Err(self.missing(&location)) };
        let path = location.path()?;
        let id = id.to_owned();
        let proved =
            notes.get(note::ETAG).and_then(|_| etag_of(parts.iter().map(|part| part.content_id.trim_matches('"'))));
        let completed = self.ask(&location, 0, |_| s3.complete_multipart(&path, &id, parts.clone()))?;
        let there = self.head(key)?;
        let side = self.options.side.kind();
        let same_size = there.size == size;
        match completed {
            Ok(_) if !same_size => {
                Err(Error::new(side, format!("{location}: {size} bytes were sent and {} are there", there.size)))
            }
            Ok(_) if continued && there.digest() != notes.get(note::DIGEST).map(String::as_str) => Err(Error::new(
                side,
                format!("{location}: the interrupted upload was one of other content: run it again without --resume"),
            )),
            Ok(_) if !continued && proved.is_some() && there.etag != proved => Err(Error::new(
                side,
                format!(
                    "{location}: its ETag is {}, that of the parts sent is {}: the object is another one, or this store has \
                     ETags of its own kind (then put a file rather than a stream, or raise --part-size)",
                    there.etag.unwrap_or_default(),
                    proved.unwrap_or_default()
                ),
            )),
            Ok(done) => Ok(done.e_tag.as_deref().map(bare)),
            // A reply that was lost: the first attempt has done it.
            Err(Refusal::Missing) if same_size && (continued || is_ours(&there, notes)) => Ok(there.etag),
            Err(_) => {
                Err(Error::new(side, format!("{location}: the upload is gone before it was complete; run it again")))
            }
        }
    }

    /// One attempt, and not stopped by the signal that made it necessary.
    fn once(&self) -> Client {
        let mut client = self.clone();
        client.options.policy.retries = 0;
        client.options.stop = net::Stop::default();
        client.options.timeout = client.options.timeout.min(std::time::Duration::from_secs(5));
        client
    }
}

/// Parts that are sent, by number.
#[derive(Default)]
struct Done {
    parts: BTreeMap<u64, PartId>,
    resumed: u64,
    error: Option<Error>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn exists(location: &Location) -> Error {
    Error::new(Kind::Refused, format!("{location}: it exists already"))
}

impl Part {
    /// Are these its bytes?
    fn is(&self, bytes: &[u8]) -> bool {
        self.size == bytes.len() as u64 && bare(&self.etag) == hex::encode(Md5::digest(bytes))
    }
}

/// What is read, with its digest.
struct Source<'a> {
    reader: &'a mut dyn Read,
    what: &'a Upload,
    hash: Xxh3Default,
    size: u64,
}

impl Source<'_> {
    /// The next bytes, as many as wanted or up to the end.
    fn part(&mut self, wanted: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // The last piece, and all of a small object, should not take a whole part's memory.
        let left = self.what.size.map_or(wanted as u64, |size| size.saturating_sub(self.size).min(wanted as u64) + 1);
        bytes.reserve_exact(usize::try_from(left).unwrap_or(wanted).min(wanted));
        let read = (&mut self.reader).take(wanted as u64).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(Error::io(format!("cannot read {}", self.what.name), error)))?;
        self.hash.update(&bytes);
        self.size += bytes.len() as u64;
        Ok(bytes)
    }

    fn failed(&self, error: Error) -> Error {
        match self.what.reading {
            Some(kind) if error.kind() == Kind::LocalIo => error.with_kind(kind),
            _ => error,
        }
    }

    /// Size and digest; both as announced.
    fn end(&self) -> Result<(u64, String)> {
        let digest = format!("{:032x}", self.hash.digest128());
        let kind = self.what.reading.unwrap_or(Kind::LocalIo);
        match (self.what.size, &self.what.digest) {
            (Some(size), _) if size != self.size => Err(Error::new(
                kind,
                format!("{}: {} bytes were read, {size} were expected", self.what.name, self.size),
            )),
            (_, Some(expected)) if *expected != digest => Err(Error::new(
                kind,
                format!("{}: xxh3 {digest} was read, {expected} was expected: changed or damaged", self.what.name),
            )),
            _ => Ok((self.size, digest)),
        }
    }
}

/// The digest of all that a reader gives, and its size.
pub fn digest_of(reader: &mut dyn Read) -> std::io::Result<(u64, String)> {
    let (mut hash, mut size, mut buffer) = (Xxh3Default::new(), 0, vec![0; 1 << 20]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((size, format!("{:032x}", hash.digest128()))),
            Ok(n) => {
                size += n as u64;
                hash.update(buffer.get(..n).unwrap_or_default());
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
