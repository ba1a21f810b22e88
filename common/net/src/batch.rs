//! A batch: whole lines (rows) in one buffer, and where each of them ends. Workers send it, or parts of it.

use crate::Bytes;
use std::sync::{Mutex, PoisonError};

/// Lines being collected.
#[derive(Debug, Default)]
pub struct Builder {
    body: Vec<u8>,
    ends: Vec<u32>,
}

/// Lines that will not change any more. Parts of it share its bytes.
#[derive(Clone, Debug)]
pub struct Batch {
    body: Bytes,
    ends: Vec<u32>,
}

/// Memory of batches that were delivered, for those to come.
#[derive(Debug, Default)]
pub struct Spares(Mutex<Vec<Builder>>);

impl Spares {
    /// An empty builder, with room if there is any.
    pub fn take(&self) -> Builder {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes the memory of a batch back, if nobody else holds its bytes.
    pub fn put(&self, batch: Batch) {
        let Batch { mut body, mut ends } = batch;
        // Emptied first: what it holds would be moved else.
        body.truncate(0);
        if !body.is_unique() {
            return;
        }
        let body = Vec::from(body);
        ends.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Builder { body, ends });
    }
}

/// Some lines of a batch: ranges of line numbers, in order, not empty, not touching each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part(Vec<(usize, usize)>);

impl Builder {
    /// Adds a line (given without its line feed).
    #[inline]
    pub fn push(&mut self, line: &[u8]) {
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
        // The limits on batches keep this far below 4 GiB (see `args`).
        self.ends.push(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
    }

    /// Where the next row is appended by hand; [`Builder::end`] ends it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    /// What stands in the buffer behind the last row is a row.
    pub fn end(&mut self) {
        self.ends.push(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
    }

    /// Takes back what was appended behind the last row.
    pub fn undo(&mut self) {
        let end = self.ends.last().map_or(0, |&end| end as usize);
        self.body.truncate(end);
    }

    /// Makes room for a batch of so many bytes at once: growing step by step takes twice the memory.
    pub fn reserve(&mut self, bytes: usize) {
        self.body.reserve_exact(bytes.saturating_sub(self.body.len()));
    }

    /// Takes over the lines of another, which is empty then. Only within the limits on batches.
    pub fn append(&mut self, other: &mut Builder) {
        let before = self.body.len() as u32;
        self.body.append(&mut other.body);
        self.ends.extend(other.ends.drain(..).map(|end| before + end));
    }

    /// Lines so far.
    pub fn lines(&self) -> usize {
        self.ends.len()
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The batch; the builder is empty again, and has no memory.
    pub fn finish(&mut self) -> Batch {
        let Builder { body, ends } = std::mem::take(self);
        Batch { body: Bytes::from(body), ends }
    }

    /// The batch; the builder is empty again, with what memory there is to spare.
    pub fn take(&mut self, spares: &Spares) -> Batch {
        let mut next = spares.take();
        if next.body.capacity() == 0 {
            next.body.reserve_exact(self.body.len() + self.body.len() / 8);
            next.ends.reserve_exact(self.ends.len());
        }
        let Builder { body, ends } = std::mem::replace(self, next);
        Batch { body: Bytes::from(body), ends }
    }
}

impl Batch {
    /// All of it.
    pub fn whole(&self) -> Part {
        Part::all(self.ends.len())
    }

    /// A line without its line feed.
    pub fn line(&self, number: usize) -> &[u8] {
        let (start, end) = (self.start(number), self.start(number + 1));
        self.body.get(start..end.saturating_sub(1)).unwrap_or_default()
    }

    /// All bytes.
    pub fn all(&self) -> Bytes {
        self.body.clone()
    }

    /// The bytes of a part: shared with the batch where the lines stand together.
    pub fn bytes(&self, part: &Part) -> Bytes {
        match part.0[..] {
            [(from, to)] => self.body.slice(self.start(from)..self.start(to)),
            _ => {
                let mut copy = Vec::with_capacity(self.size(part));
                for &(from, to) in &part.0 {
                    copy.extend_from_slice(self.body.get(self.start(from)..self.start(to)).unwrap_or_default());
                }
                Bytes::from(copy)
            }
        }
    }

    /// How many bytes [`Batch::bytes`] gives.
    pub fn size(&self, part: &Part) -> usize {
        part.0.iter().map(|&(from, to)| self.start(to) - self.start(from)).sum()
    }

    /// Where a line starts, which is where the one before it ends.
    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |&end| end as usize)
    }
}

impl Part {
    /// So many lines, all of them.
    pub fn all(lines: usize) -> Part {
        Part(if lines == 0 { Vec::new() } else { vec![(0, lines)] })
    }

    /// Ranges of line numbers: from, and behind the last.
    pub fn ranges(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// No line?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of its lines.
    pub fn lines(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|&(from, to)| from..to)
    }

    /// The first and the second half. The first is never empty if the part is not.
    pub fn halves(&self) -> (Part, Part) {
        let mut left = self.len().div_ceil(2);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for &(from, to) in &self.0 {
            let cut = from + left.min(to - from);
            left -= cut - from;
            if from < cut {
                first.push((from, cut));
            }
            if cut < to {
                second.push((cut, to));
            }
        }
        (Part(first), Part(second))
    }

    /// The part without these lines, which are in ascending order.
    pub fn without(&self, lines: &[usize]) -> Part {
        let mut rest = Vec::new();
        for &(from, to) in &self.0 {
            let mut start = from;
            for &line in lines.iter().filter(|&&line| (from..to).contains(&line)) {
                if start < line {
                    rest.push((start, line));
                }
                start = line + 1;
            }
            if start < to {
                rest.push((start, to));
            }
        }
        Part(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lines: usize) -> Batch {
        let mut builder = Builder::default();
        (0..lines).for_each(|i| builder.push(format!("m f={i}").as_bytes()));
        builder.take(&Spares::default())
    }

    #[test]
    fn builders_are_joined() {
        let (mut a, mut b) = (Builder::default(), Builder::default());
        ["m f=1", "m f=22"].iter().for_each(|line| a.push(line.as_bytes()));
        ["m f=333", "m f=4"].iter().for_each(|line| b.push(line.as_bytes()));
        a.append(&mut b);
        assert_eq!((a.lines(), a.bytes(), b.lines(), b.bytes()), (4, 27, 0, 0));
        let batch = a.take(&Spares::default());
        assert_eq!((batch.line(1), batch.line(2), batch.line(3)), (&b"m f=22"[..], &b"m f=333"[..], &b"m f=4"[..]));
    }

    #[test]
    fn memory_comes_back_unless_someone_holds_it() {
        let spares = Spares::default();
        let (first, second) = (batch(100), batch(50));
        let (place, room) = (first.body.as_ptr(), first.body.len());
        let held = second.bytes(&second.whole());
        spares.put(second);
        spares.put(first);
        let (again, fresh) = (spares.take(), spares.take());
        assert_eq!((again.body.as_ptr(), again.lines(), again.bytes()), (place, 0, 0));
        assert!(again.body.capacity() >= room && again.ends.capacity() >= 100);
        assert_eq!((fresh.body.capacity(), held.len() > 50 * 5), (0, true));
    }

    #[test]
    fn halves_and_gaps_keep_every_line_once() {
        let batch = batch(10);
        let part = batch.whole().without(&[0, 3, 9]);
        assert_eq!(part, Part(vec![(1, 3), (4, 9)]));
        assert_eq!(batch.bytes(&part), "m f=1\nm f=2\nm f=4\nm f=5\nm f=6\nm f=7\nm f=8\n");
        assert_eq!(batch.size(&part), batch.bytes(&part).len());
        let (a, b) = part.halves();
        assert_eq!((a, b), (Part(vec![(1, 3), (4, 6)]), Part(vec![(6, 9)])));
        let (one, none) = batch.whole().without(&[0, 1, 2, 3, 4, 5, 6, 7, 8]).halves();
        assert_eq!((one.len(), none.is_empty()), (1, true));
        assert_eq!(batch.line(7), b"m f=7");
    }
}
