//! What is read of an object, checked when all of it has come: by the digest that was written beside it; where there is none,
//! by its ETag.
//!
//! The ETag of an object that was written at once is the MD5 of its bytes, of one that came in parts the MD5 of their MD5s, with
//! `-` and their number: but not where the store encrypts with a key of somebody's, and not with every store. So an ETag that
//! fits proves that nothing has changed; one that does not fit proves damage only where the writer has seen that this store's
//! ETags are MD5s ([`note::ETAG`]).

use crate::object::{Object, note};
use fault::{Error, Kind};
use md5::{Digest as _, Md5};
use std::io::{self, Read};
use xxhash_rust::xxh3::Xxh3Default;

/// What the bytes of an object are held against.
pub struct Content {
    xxh3: Xxh3Default,
    md5: Option<Md5s>,
    size: u64,
}

/// What has proved that an object is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    Xxh3,
    Etag,
    /// Nothing more is known.
    Length,
}

/// The MD5 of each part, and theirs.
struct Md5s {
    /// Bytes of a part; 0: there are no parts.
    part: u64,
    left: u64,
    current: Md5,
    all: Md5,
    parts: u64,
}

impl Content {
    /// Nothing yet.
    pub fn of(object: &Object) -> Content {
        let md5 = if object.digest().is_none() { Md5s::of(object) } else { None };
        Content { xxh3: Xxh3Default::new(), md5, size: 0 }
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.xxh3.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// All has come: is it the object? Else what it is instead.
    pub fn check(self, object: &Object) -> Result<Verified, String> {
        if self.size != object.size {
            return Err(format!("{} bytes came, it has {}", self.size, object.size));
        }
        if let Some(expected) = object.digest() {
            let digest = format!("{:032x}", self.xxh3.digest128());
            return match expected == digest {
                true => Ok(Verified::Xxh3),
                false => Err(format!("xxh3 {digest} came, it has {expected}")),
            };
        }
        let (Some(md5), Some(expected)) = (self.md5, object.etag.as_deref()) else { return Ok(Verified::Length) };
        let sure = md5.part > 0 && object.notes.get(note::ETAG).map(String::as_str) == Some(note::MD5);
        let etag = md5.end();
        match etag.eq_ignore_ascii_case(expected) {
            true => Ok(Verified::Etag),
            false if sure => Err(format!("an ETag of {etag} came, it has {expected}")),
            false => Ok(Verified::Length),
        }
    }
}

impl Verified {
    /// For summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Verified::Xxh3 => "xxh3",
            Verified::Etag => "etag",
            Verified::Length => "length",
        }
    }
}

impl Md5s {
    /// `None`: the object's ETag is none that could be computed.
    fn of(object: &Object) -> Option<Md5s> {
        let etag = object.etag.as_deref().filter(|_| !object.sealed)?;
        let (hash, parts) = etag.split_once('-').map_or((etag, None), |(hash, parts)| (hash, Some(parts)));
        if hash.len() != 32 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = match parts {
            None => 0,
            Some(parts) => {
                // A copy may have been put together of other parts.
                let part: u64 = object.notes.get(note::PART)?.parse().ok().filter(|part| *part > 0)?;
                (object.size.div_ceil(part) == parts.parse::<u64>().ok()?).then_some(part)?
            }
        };
        Some(Md5s { part, left: part, current: Md5::new(), all: Md5::new(), parts: 0 })
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while self.part > 0 && bytes.len() as u64 >= self.left {
            let (end, rest) = bytes.split_at(usize::try_from(self.left).unwrap_or(bytes.len()));
            self.current.update(end);
            self.end_part();
            (bytes, self.left) = (rest, self.part);
        }
        self.current.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }

    fn end_part(&mut self) {
        let part = self.current.finalize_reset();
        self.all.update(part);
        self.parts += 1;
    }

    fn end(mut self) -> String {
        if self.part == 0 {
            return hex::encode(self.current.finalize());
        }
        if self.left < self.part {
            self.end_part();
        }
        format!("{}-{}", hex::encode(self.all.finalize()), self.parts)
    }
}

/// The ETag of an object of these parts where ETags are MD5s; `None` if theirs are none.
pub(crate) fn etag_of<'a>(parts: impl Iterator<Item = &'a str>) -> Option<String> {
    let (mut all, mut count) = (Md5::new(), 0);
    for part in parts {
        all.update(hex::decode(part).ok().filter(|bytes| bytes.len() == 16)?);
        count += 1;
    }
    Some(format!("{}-{count}", hex::encode(all.finalize())))
}

/// A reader that ends well only if what came is the object; else with exit 9.
pub struct Checked<R> {
    inner: R,
    object: Object,
    content: Option<Content>,
}

impl<R: Read> Checked<R> {
    /// Of all the object's bytes.
    pub fn new(inner: R, object: &Object) -> Checked<R> {
        Checked { inner, object: object.clone(), content: Some(Content::of(object)) }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        if let (Some(content), Some(bytes)) = (&mut self.content, buffer.get(..got)) {
            content.update(bytes);
        }
        if got == 0 && !buffer.is_empty() {
            let checked = self.content.take().map_or(Ok(Verified::Length), |content| content.check(&self.object));
            checked.map_err(|what| {
                Error::new(Kind::Incomplete, format!("{}: {what}: changed or damaged", self.object.key))
            })?;
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use testkit::proptest::prelude::*;

    fn object(size: usize, etag: &str, part: Option<usize>) -> Object {
        let mut object = Object {
            key: "k".into(),
            size: size as u64,
            modified: DateTime::default(),
            etag: Some(etag.into()),
            notes: Default::default(),
            sealed: false,
        };
        if let Some(part) = part {
            object.notes.insert(note::PART.into(), part.to_string());
        }
        object
    }

    /// By the rule, not by our code for it.
    fn etag(bytes: &[u8], part: usize) -> String {
        let parts: Vec<String> = bytes.chunks(part).map(|part| hex::encode(Md5::digest(part))).collect();
        let all = hex::decode(parts.concat()).unwrap();
        assert_eq!(
            etag_of(parts.iter().map(String::as_str)),
            Some(format!("{}-{}", hex::encode(Md5::digest(&all)), parts.len()))
        );
        format!("{}-{}", hex::encode(Md5::digest(&all)), parts.len())
    }

    fn check(object: &Object, bytes: &[u8], step: usize) -> Result<Verified, String> {
        let mut content = Content::of(object);
        bytes.chunks(step).for_each(|piece| content.update(piece));
        content.check(object)
    }

    proptest! {
        #[test]
        fn an_etag_of_parts_proves_every_byte(size in 1usize..200, part in 1usize..60, step in 1usize..80, at in any::<prop::sample::Index>()) {
            let mut bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let mut object = object(size, &etag(&bytes, part), Some(part));
            prop_assert_eq!(check(&object, &bytes, step), Ok(Verified::Etag));
            object.notes.insert(note::ETAG.into(), note::MD5.into());
            prop_assert_eq!(check(&object, &bytes, step), Ok(Verified::Etag));
            bytes[at.index(size)] ^= 4;
            prop_assert!(check(&object, &bytes, step).is_err());
            // Nobody has said that it is an MD5.
            object.notes.remove(note::ETAG);
            prop_assert_eq!(check(&object, &bytes, step), Ok(Verified::Length));
        }
    }

    #[test]
    fn what_is_no_md5_proves_nothing_and_a_digest_beside_it_comes_first() {
        let bytes = b"content";
        let whole = hex::encode(Md5::digest(bytes));
        assert_eq!(check(&object(7, &whole, None), bytes, 3), Ok(Verified::Etag));
        for (etag, part) in
            [("x", None), (&whole[..31], None), (&format!("{whole}-2"), None), (&format!("{whole}-2"), Some(7))]
        {
            let mut object = object(7, etag, part);
            object.notes.insert(note::ETAG.into(), note::MD5.into());
            assert_eq!(check(&object, bytes, 3), Ok(Verified::Length), "{etag}");
        }
        let mut sealed = object(7, &etag(b"other", 4), Some(4));
        sealed.notes.insert(note::ETAG.into(), note::MD5.into());
        assert!(check(&sealed, bytes, 3).is_err());
        sealed.sealed = true;
        assert_eq!(check(&sealed, bytes, 3), Ok(Verified::Length));
        let mut noted = object(7, &whole, None);
        noted.notes.insert(note::DIGEST.into(), "0".repeat(32));
        assert!(check(&noted, bytes, 3).unwrap_err().contains("xxh3"));
        assert!(check(&noted, b"conten", 3).unwrap_err().contains("6 bytes"));
    }
}
