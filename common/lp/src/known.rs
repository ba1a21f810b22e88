//! What was met before and is met again: almost every line of a stream is of a series and has field keys that an earlier
//! line had, often in the order of then.
//!
//! The rule that makes it safe to trust bytes that were met: parser and splitter read from left to right, so a line that
//! begins with the measurement and tags of a good line and the space after them is good up to there, and means the same.

use crate::lines::series_ends;
use crate::{Dialect, server};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use memchr::memchr;
use std::hash::BuildHasher as _;

/// A field key with its `=`, to be compared with what stands in a line.
#[derive(Clone, Debug)]
pub struct Key {
    head: u128,
    mask: u128,
    /// What follows the first sixteen bytes.
    tail: Box<[u8]>,
    len: usize,
}

const HEAD: usize = 16;

impl Key {
    /// None if the key, as it stands in lines, has anything in it that needs a closer look.
    pub fn new(key: &[u8]) -> Option<Key> {
        let odd = |b: &u8| matches!(b, b'\\' | b',' | b'=' | b' ' | b'\n' | b'\t' | 0);
        if key.is_empty() || key.iter().any(odd) {
            return None;
        }
        let bytes = [key, b"="].concat();
        let (head, tail) = bytes.split_at(bytes.len().min(HEAD));
        let (mut first, mut mask) = ([0; HEAD], [0; HEAD]);
        for ((to, mask), from) in first.iter_mut().zip(&mut mask).zip(head) {
            (*to, *mask) = (*from, 0xff);
        }
        let (head, mask) = (u128::from_le_bytes(first), u128::from_le_bytes(mask));
        Some(Key { head, mask, tail: tail.into(), len: bytes.len() })
    }

    /// Bytes of the key and its `=`.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it stands at `at`. False near the end of the buffer, where sixteen bytes cannot be looked at.
    #[inline]
    pub fn stands_at(&self, buf: &[u8], at: usize) -> bool {
        buf.get(at..).is_some_and(|rest| self.begins(rest))
    }

    /// Whether `rest` begins with it. False for less than sixteen bytes.
    #[inline]
    pub fn begins(&self, rest: &[u8]) -> bool {
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else { return false };
        u128::from_le_bytes(*head) & self.mask == self.head && (self.tail.is_empty() || rest.starts_with(&self.tail))
    }

    /// Whether it is this key.
    pub fn is(&self, key: &[u8]) -> bool {
        key.len() + 1 == self.len && {
            let (head, tail) = key.split_at(key.len().min(HEAD));
            let mut first = self.head.to_le_bytes();
            if let Some(equals) = first.get_mut(key.len()) {
                *equals = 0;
            }
            let tail_is = self.tail.strip_suffix(b"=").unwrap_or_default() == tail;
            first.get(..head.len()) == Some(head) && tail_is
        }
    }
}

/// Series by the bytes of their measurement and tags, as written, numbered from 0 in the order in which they were learnt.
/// Bounded by its user, who watches [`Names::bytes`] and calls [`Names::clear`].
#[derive(Debug, Default)]
pub struct Names {
    /// The names, a space after each.
    text: Vec<u8>,
    entries: Vec<Entry>,
    index: HashTable<u32>,
    /// The series of the line before.
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    from: u32,
    to: u32,
    /// The series that came after this one the last time: devices report in turns, or one after the other.
    next: u32,
    hash: u64,
}

/// What one series costs besides its bytes.
const ENTRY: usize = std::mem::size_of::<Entry>() + 8;

impl Names {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None yet?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory that they take, roughly.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.entries.len() * ENTRY
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.index.clear();
        self.last = 0;
    }

    /// Measurement and tags of a series.
    #[inline]
    pub fn name(&self, number: u32) -> &[u8] {
        self.with_space(number).and_then(|name| name.strip_suffix(b" ")).unwrap_or_default()
    }

    /// [`hash`] of its name.
    #[inline]
    pub fn hash(&self, number: u32) -> u64 {
        self.entries.get(number as usize).map_or(0, |entry| entry.hash)
    }

    #[inline]
    fn with_space(&self, number: u32) -> Option<&[u8]> {
        let entry = self.entries.get(number as usize)?;
        self.text.get(entry.from as usize..entry.to as usize)
    }

    /// The series of the line with which `rest` begins, and where its fields begin, if it is known.
    #[inline]
    pub fn find(&mut self, rest: &[u8]) -> Option<(u32, usize)> {
        let guess = self.entries.get(self.last as usize)?.next;
        if let Some(name) = self.with_space(guess)
            && begins(rest, name)
        {
            let end = name.len();
            self.last = guess;
            return Some((guess, end));
        }
        self.search(rest)
    }

    #[inline(never)]
    fn search(&mut self, rest: &[u8]) -> Option<(u32, usize)> {
        // An escaped space has a backslash before it. Where backslashes stand in pairs that may be a mistake: then no name
        // is found, or the right one.
        let mut end = 0;
        loop {
            end += memchr(b' ', rest.get(end..)?)?;
            if end == 0 || rest.get(end - 1) != Some(&b'\\') {
                break;
            }
            end += 1;
        }
        let number = self.number(rest.get(..end)?)?;
        self.follows(number);
        Some((number, end + 1))
    }

    fn follows(&mut self, number: u32) {
        if let Some(last) = self.entries.get_mut(self.last as usize) {
            last.next = number;
        }
        self.last = number;
    }

    /// The number of a series.
    pub fn number(&self, name: &[u8]) -> Option<u32> {
        let same = |number: &u32| self.with_space(*number).and_then(|known| known.strip_suffix(b" ")) == Some(name);
        self.index.find(hash(name), same).copied()
    }

    /// Takes in a series that is not known yet: measurement and tags of a good line. None if there is no room for it.
    pub fn learn(&mut self, name: &[u8]) -> Option<u32> {
        let (number, from) = (u32::try_from(self.entries.len()).ok()?, u32::try_from(self.text.len()).ok()?);
        let to = u32::try_from(self.text.len() + name.len() + 1).ok()?;
        self.text.extend_from_slice(name);
        self.text.push(b' ');
        let hash = hash(name);
        self.entries.push(Entry { from, to, next: number, hash });
        let Names { entries, index, .. } = self;
        index.insert_unique(hash, number, |number| entries.get(*number as usize).map_or(0, |entry| entry.hash));
        self.follows(number);
        Some(number)
    }
}

/// As `rest.starts_with(name)`, without a call: names are short, and compared for every line.
#[inline]
fn begins(rest: &[u8], name: &[u8]) -> bool {
    let Some(head) = rest.get(..name.len()) else { return false };
    let (Some(a), Some(b)) = (head.last_chunk::<HEAD>(), name.last_chunk::<HEAD>()) else { return head == name };
    let ((heads, _), (names, _)) = (head.as_chunks::<HEAD>(), name.as_chunks::<HEAD>());
    a == b && heads.iter().zip(names).all(|(a, b)| a == b)
}

/// A hash of measurement and tags; the same in every thread of a process, and nowhere else.
pub fn hash(series: &[u8]) -> u64 {
    FixedState::default().hash_one(series)
}

/// Whether every reader of the dialect, the splitters included, sees a series end where this one, which was parsed as
/// good, ends: then what follows it can be read without looking at it again.
pub fn ends_for_all(series: &[u8], dialect: Dialect) -> bool {
    memchr(b'\\', series).is_none() || (series_ends(series, dialect) && server::series_ends(series))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    #[test]
    fn series_are_found_in_any_order() {
        let mut names = Names::default();
        let known = ["m", "m,t=a", "m,t=a\\ b", "m,t=a\\ ", "long,tag=0123456789012345678901234567890123456789"];
        for name in known {
            assert_eq!(names.find(format!("{name} f=1").as_bytes()), None);
            assert_eq!(names.number(name.as_bytes()), None);
            names.learn(name.as_bytes()).unwrap();
        }
        for order in [[0, 1, 2, 3, 4], [4, 2, 0, 1, 3], [1, 1, 1, 3, 3]] {
            for _ in 0..2 {
                for i in order {
                    let rest = format!("{} f=1", known[i]);
                    assert_eq!(names.find(rest.as_bytes()), Some((i as u32, known[i].len() + 1)), "{rest}");
                    assert_eq!(names.name(i as u32), known[i].as_bytes());
                }
            }
        }
        for other in ["", " ", "m", "m,t=a", "m,t=aa f=1", "m,t=a\\ bf=1", "m,t=a\\"] {
            assert_eq!(names.find(other.as_bytes()), None, "{other}");
        }
        names.clear();
        assert_eq!((names.find(b"m f=1"), names.len(), names.bytes()), (None, 0, 0));
    }

    proptest! {
        #[test]
        fn names_are_compared_whole(name in "[ab]{0,50}", other in "[ab]{0,50}", flip in 0usize..50) {
            let mut near = name.clone().into_bytes();
            if let Some(byte) = near.get_mut(flip) {
                *byte ^= 3;
            }
            for rest in [name.as_bytes(), other.as_bytes(), &near, format!("{name}{other}").as_bytes()] {
                prop_assert_eq!(begins(rest, name.as_bytes()), rest.starts_with(name.as_bytes()));
            }
        }

        #[test]
        fn a_key_is_found_where_it_stands(key in "[a-c\"]{1,20}", other in "[a-c\"]{1,20}", before in "[a-c=]{0,3}", after in "[a-c=]{0,20}") {
            let found = Key::new(key.as_bytes()).unwrap();
            prop_assert_eq!(found.len(), key.len() + 1);
            prop_assert_eq!(found.is(other.as_bytes()), key == other);
            prop_assert!(found.is(key.as_bytes()));
            for at in [&key, &other] {
                let line = format!("{before}{at}={after}");
                let stands = line[before.len()..].starts_with(&format!("{key}="));
                let room = line.len() >= before.len() + 16;
                prop_assert_eq!(found.stands_at(line.as_bytes(), before.len()), stands && room);
            }
        }
    }

    #[test]
    fn odd_keys_are_none() {
        for key in ["", "a b", "a=b", "a,b", "a\\", "a\tb", "a\nb", "a\0"] {
            assert!(Key::new(key.as_bytes()).is_none(), "{key:?}");
        }
    }
}
