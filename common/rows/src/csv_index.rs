//! Where the rows and cells of a block of CSV end: found 64 bytes at a time, before anything looks at a cell.
//!
//! [`Index::scan`] gives exactly what [`split`] would find row by row (the property tests hold it to that), but all at
//! once: the position of every delimiter and line end outside of quotes. With the number of columns known, the cells of
//! row `r` are then plain arithmetic, and each is one slice:
//!
//! ```text
//! index.scan(bytes, b',');
//! for row in index.rows() {
//!     if row.ends.len() != columns { /* ragged, blank or bad: split() says what it is */ }
//!     let mut start = row.start;
//!     for &end in row.ends {
//!         let cell = cell(bytes, start, end as usize);   // or bytes[start..end] where index.has_quotes() is false
//!         start = end as usize + 1;
//!     }
//! }
//! /* bytes[index.len()..] is the beginning of a row: read more, or at the end of the input leave it to split() */
//! ```
//!
//! How it works: a byte comparison makes a 64-bit mask of each of delimiter, LF and quote. A running xor over the bits
//! of the quote mask tells what is within quotes. This is right only as long as every quote opens or closes a whole cell,
//! so the neighbours of each quote are checked, as masks too; a row that breaks the rule (`5"`, text behind a closing
//! quote) is left to [`split`] alone, and the masks go on behind it.
//!
//! The masks are those of [`crate::csv_masks`].

#[cfg(target_arch = "x86_64")]
use crate::csv_masks::has_avx2;
#[cfg(any(test, not(target_arch = "x86_64")))]
use crate::csv_masks::words;
use crate::csv_masks::{Detail, Engine, Look};
use crate::csv_split::{Cell, Form, Split, split};

/// Rows and cells of a block. Made once and used for every block: its memory is recycled.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Of the first `used`, each is the position of the byte behind a cell (delimiter or LF), or, before the first cell of
    /// the block and for a bad row, of the byte before the next cell; the rest is room.
    bounds: Vec<u32>,
    used: usize,
    rows: Vec<Span>,
    len: usize,
    seen: Seen,
    /// Where `split` puts the cells of a row that the masks do not understand.
    scratch: Vec<Cell>,
}

/// A row's part of `bounds`, and where the row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u32,
    to: u32,
    end: u32,
}

/// A row of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// Where it begins.
    pub start: usize,
    /// Where the next one begins: behind its LF.
    pub end: usize,
    /// The position before its first cell (`start - 1`, which wraps for the first row), then the position behind each of
    /// its cells: cell `n` is between `bounds[n] + 1` and `bounds[n + 1]`. Only one of these for a bad row.
    pub bounds: &'a [u32],
    /// The position behind each of its cells: of a delimiter, or of its LF (a CR before that LF is within the last
    /// range, see [`cell`]). A bad row, with text behind a closing quote, has none. A blank line has one.
    pub ends: &'a [u32],
}

/// What kinds of bytes a block holds, as far as it was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    quotes: bool,
    returns: bool,
    high: bool,
}

impl Index {
    /// Finds the rows of `bytes`, which begin where a row begins and of which at most 4 GiB are looked at. What was found
    /// in the block before is forgotten.
    pub fn scan(&mut self, bytes: &[u8], delimiter: u8) {
        self.scan_with(Engine::best(), bytes, delimiter);
    }

    /// As [`Index::scan`], with the masks of this engine.
    pub fn scan_with(&mut self, engine: Engine, bytes: &[u8], delimiter: u8) {
        let bytes = bytes.get(..u32::MAX as usize - 64).unwrap_or(bytes);
        (self.used, self.len, self.seen) = (1, 0, Seen::default());
        self.rows.clear();
        self.bounds.resize(self.bounds.len().max(64), 0);
        if let Some(before) = self.bounds.first_mut() {
            *before = u32::MAX;
        }
        while let Some(odd) = self.scan_from(engine, bytes, delimiter) {
            self.odd_row(bytes, delimiter);
            // A row that goes on behind these bytes.
            if self.len <= odd {
                break;
            }
        }
    }

    /// Rows, in order.
    #[inline]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> + Clone {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let bounds = self.bounds.get(row.from as usize..row.to as usize).unwrap_or_default();
            let ends = bounds.get(1..).unwrap_or_default();
            let found = Row { start, end: row.end as usize, bounds, ends };
            start = row.end as usize;
            found
        })
    }

    /// The row of this number, and the place of its cells in [`Index::ends`].
    #[inline]
    pub fn row(&self, number: usize) -> Option<(Row<'_>, usize)> {
        let row = self.rows.get(number)?;
        let before = number.checked_sub(1).and_then(|before| self.rows.get(before));
        let bounds = self.bounds.get(row.from as usize..row.to as usize).unwrap_or_default();
        let ends = bounds.get(1..).unwrap_or_default();
        let start = before.map_or(0, |before| before.end as usize);
        Some((Row { start, end: row.end as usize, bounds, ends }, row.from as usize + 1))
    }

    /// The positions behind all cells: those of rows that follow one another follow one another, unless a bad row is
    /// between. Row by row in [`Index::rows`].
    #[inline]
    pub fn ends(&self) -> &[u32] {
        self.bounds.get(..self.used).unwrap_or_default()
    }

    /// Bytes of the rows, line ends included. What is behind them is no whole row.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A quote is somewhere in the block. Without one every cell is bare.
    pub fn has_quotes(&self) -> bool {
        self.seen.quotes
    }

    /// A CR is somewhere in the block. Without one no line ends in CR LF.
    pub fn has_returns(&self) -> bool {
        self.seen.returns
    }

    /// No byte above 0x7f is in the block, so that all its text is valid UTF-8.
    pub fn is_ascii(&self) -> bool {
        !self.seen.high
    }

    /// Goes on behind the rows that were found. Gives the start of the row at which a quote stands where the masks do not
    /// allow for it; `None` at the end of the bytes.
    fn scan_from(&mut self, engine: Engine, bytes: &[u8], delimiter: u8) -> Option<usize> {
        match engine {
            #[cfg(any(test, not(target_arch = "x86_64")))]
            Engine::Portable => self.walk(bytes, |chunk| words::look(chunk, delimiter), words::detail),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2 if has_avx2() => {
                // SAFETY: the features that the function is compiled for are there, as `has_avx2` has just said.
                unsafe { x86::walk_avx2(self, bytes, delimiter) }
            }
            #[cfg(target_arch = "x86_64")]
            Engine::Sse2 | Engine::Avx2 => {
                // SAFETY: SSE2 is part of x86-64.
                unsafe { x86::walk_sse2(self, bytes, delimiter) }
            }
        }
    }

    #[inline(always)]
    fn walk(
        &mut self,
        bytes: &[u8],
        look: impl Fn(&[u8; 64]) -> Look,
        detail: impl Fn(&[u8; 64]) -> Detail,
    ) -> Option<usize> {
        let mut quoting = Quoting::at_row_start();
        let mut places = Places {
            bounds: std::mem::take(&mut self.bounds),
            used: self.used,
            rows: std::mem::take(&mut self.rows),
            first: self.used as u32 - 1,
            seen: self.seen,
        };
        let (chunks, rest) = bytes.get(self.len..).unwrap_or_default().as_chunks::<64>();
        let (mut at, mut broken) = (self.len, None);
        for chunk in chunks {
            broken = places.step(at, chunk, &mut quoting, &look, &detail);
            if broken.is_some() {
                break;
            }
            at += 64;
        }
        if broken.is_none() && !rest.is_empty() {
            // Zeros behind the end: no delimiter is one.
            let mut padded = [0; 64];
            padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            broken = places.step(at, &padded, &mut quoting, &look, &detail);
        }
        (self.bounds, self.rows, self.seen) = (places.bounds, places.rows, places.seen);
        // Cells of a row that has no end here are none.
        (self.used, self.len) = self.rows.last().map_or((1, 0), |row| (row.to as usize, row.end as usize));
        broken.map(|()| self.len)
    }

    /// One row as `split` sees it.
    #[cold]
    fn odd_row(&mut self, bytes: &[u8], delimiter: u8) {
        let start = self.len;
        let rest = bytes.get(start..).unwrap_or_default();
        let found = split(rest, delimiter, false, &mut self.scratch);
        let (len, cells) = match found {
            Split::Row { len, .. } => (len, self.scratch.as_slice()),
            Split::Bad { len, .. } => (len, &[][..]),
            Split::More | Split::OpenQuote => return,
        };
        self.bounds.truncate(self.used);
        // Behind a cell stands its delimiter, and before that its closing quote. The last ends at the LF.
        self.bounds.extend(cells.iter().take(cells.len().saturating_sub(1)).map(|cell| {
            let quote = usize::from(cell.form != Form::Bare);
            (start + cell.end + quote) as u32
        }));
        self.bounds.push((start + len - 1) as u32);
        let to = self.bounds.len();
        let from = if cells.is_empty() { to - 1 } else { self.used - 1 };
        self.rows.push(Span { from: from as u32, to: to as u32, end: (start + len) as u32 });
        let row = rest.get(..len).unwrap_or_default();
        self.seen.quotes = true;
        self.seen.returns |= row.contains(&b'\r');
        self.seen.high |= !row.is_ascii();
        (self.used, self.len) = (to, start + len);
    }
}

/// What is found as it is found.
struct Places {
    bounds: Vec<u32>,
    used: usize,
    rows: Vec<Span>,
    /// Where the bounds of the next row begin.
    first: u32,
    seen: Seen,
}

impl Places {
    /// The 64 bytes at `at`. Gives something if a quote breaks the rule.
    #[inline(always)]
    fn step(
        &mut self,
        at: usize,
        chunk: &[u8; 64],
        quoting: &mut Quoting,
        look: &impl Fn(&[u8; 64]) -> Look,
        detail: &impl Fn(&[u8; 64]) -> Detail,
    ) -> Option<()> {
        let (mut found, mut broken) = (look(chunk), None);
        // Most blocks hold no quote: then nothing is to be checked either.
        if found.other != 0 || quoting.needed() {
            let detail = detail(chunk);
            self.seen.note(&detail);
            if detail.quotes != 0 || quoting.needed() {
                broken = quoting.apply(&mut found, &detail);
            } else {
                quoting.skip(&found);
            }
        } else {
            quoting.skip(&found);
        }
        self.put(at as u32, found);
        broken
    }

    /// Appends the positions of 64 bytes from `base` on.
    #[inline(always)]
    fn put(&mut self, base: u32, found: Look) {
        let from = self.used;
        if self.bounds.len() < from + 64 {
            self.grow();
        }
        let count = found.separators.count_ones() as usize;
        if let Some(room) = self.bounds.get_mut(from..).and_then(|room| room.first_chunk_mut::<64>()) {
            // Eight at a time without a look at how many there are: what is too much is written over.
            let mut left = found.separators;
            let mut next = || {
                let position = base.wrapping_add(left.trailing_zeros());
                left &= left.wrapping_sub(1);
                position
            };
            for slot in &mut room[..8] {
                *slot = next();
            }
            if count > 8 {
                for slot in &mut room[8..16] {
                    *slot = next();
                }
                if count > 16 {
                    for slot in &mut room[16..] {
                        *slot = next();
                    }
                }
            }
        }
        let mut left = found.line_ends;
        while left != 0 {
            let before = found.separators & (left ^ left.wrapping_sub(1));
            let to = from as u32 + before.count_ones();
            self.rows.push(Span { from: self.first, to, end: base + left.trailing_zeros() + 1 });
            self.first = to - 1;
            left &= left.wrapping_sub(1);
        }
        self.used = from + count;
    }

    #[cold]
    fn grow(&mut self) {
        self.bounds.resize((self.used + 64).max(self.bounds.len() * 2), 0);
    }
}

impl Seen {
    #[inline(always)]
    fn note(&mut self, detail: &Detail) {
        self.quotes |= detail.quotes != 0;
        self.returns |= detail.returns != 0;
        self.high |= detail.high != 0;
    }
}

/// A cell of a row that [`Index`] found, between `start` and the position behind it: without quotes and without the CR of a
/// line end.
#[inline]
pub(crate) fn cell(bytes: &[u8], start: usize, end: usize) -> Cell {
    if bytes.get(start) != Some(&b'"') {
        let returns = bytes.get(end) == Some(&b'\n') && end > start && bytes.get(end - 1) == Some(&b'\r');
        return Cell { start, end: end - usize::from(returns), form: Form::Bare };
    }
    let mut end = end.max(start + 1);
    while end > start + 1 && bytes.get(end - 1) != Some(&b'"') {
        end -= 1;
    }
    let (start, end) = (start + 1, end.saturating_sub(1).max(start + 1));
    let escaped = memchr::memchr(b'"', bytes.get(start..end).unwrap_or_default()).is_some();
    Cell { start, end, form: if escaped { Form::Escaped } else { Form::Quoted } }
}

/// What the bytes before say about quotes: each field is the lowest bit of a mask.
#[derive(Clone, Copy, Debug)]
struct Quoting {
    /// All ones within quotes.
    inside: u64,
    /// The byte before allows for an opening quote: the start of a row or cell, or a quote that closed.
    may_open: u64,
    /// The byte before is a quote that closed: a separator, a quote or CR LF must follow.
    closed: u64,
    /// The two bytes before are a quote that closed and a CR: an LF must follow.
    returned: u64,
}

impl Quoting {
    fn at_row_start() -> Quoting {
        Quoting { inside: 0, may_open: 1, closed: 0, returned: 0 }
    }

    /// Must bytes without a quote be looked at?
    #[inline(always)]
    fn needed(&self) -> bool {
        self.inside | self.closed | self.returned != 0
    }

    /// Over 64 bytes without a quote, none of which is within quotes.
    #[inline(always)]
    fn skip(&mut self, found: &Look) {
        self.may_open = found.separators >> 63;
    }

    /// Takes what is within quotes out of the masks, and everything from the first bit on at which a quote breaks the
    /// rule.
    #[inline(always)]
    fn apply(&mut self, found: &mut Look, detail: &Detail) -> Option<()> {
        let inside = running_xor(detail.quotes) ^ self.inside;
        let (opening, closing) = (detail.quotes & inside, detail.quotes & !inside);
        found.separators &= !inside;
        found.line_ends &= !inside;
        let separators = found.separators;
        let behind_closing = closing << 1 | self.closed;
        let returns = detail.returns & behind_closing;
        let behind_return = returns << 1 | self.returned;
        let bad = (opening & !((separators | closing) << 1 | self.may_open))
            | (behind_closing & !(separators | opening | detail.returns))
            | (behind_return & !found.line_ends);
        self.inside = ((inside as i64) >> 63) as u64;
        self.may_open = (separators | closing) >> 63;
        self.closed = closing >> 63;
        self.returned = returns >> 63;
        if bad == 0 {
            return None;
        }
        let sure = (1u64 << bad.trailing_zeros()) - 1;
        found.separators &= sure;
        found.line_ends &= sure;
        Some(())
    }
}

/// Each bit: the xor of itself and all below.
#[inline(always)]
fn running_xor(bits: u64) -> u64 {
    let mut x = bits;
    for step in [1, 2, 4, 8, 16, 32] {
        x ^= x << step;
    }
    x
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Index;
    use crate::csv_masks::{avx2, sse2};

    #[target_feature(enable = "sse2")]
    pub(super) fn walk_sse2(index: &mut Index, bytes: &[u8], delimiter: u8) -> Option<usize> {
        index.walk(bytes, |chunk| sse2::look(chunk, delimiter), |chunk| sse2::detail(chunk))
    }

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    pub(super) fn walk_avx2(index: &mut Index, bytes: &[u8], delimiter: u8) -> Option<usize> {
        index.walk(bytes, |chunk| avx2::look(chunk, delimiter), |chunk| avx2::detail(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn engines() -> Vec<Engine> {
        let mut engines = vec![Engine::Portable, Engine::best()];
        #[cfg(target_arch = "x86_64")]
        engines.push(Engine::Sse2);
        engines
    }

    /// Rows by `split`: start, end and cells; no cells for a bad one.
    fn by_split(bytes: &[u8], delimiter: u8) -> (Vec<(usize, usize, Vec<Cell>)>, usize) {
        let (mut rows, mut at, mut cells) = (Vec::new(), 0, Vec::new());
        while at < bytes.len() {
            let len = match split(&bytes[at..], delimiter, false, &mut cells) {
                Split::Row { len, .. } => len,
                Split::Bad { len, .. } => {
                    cells.clear();
                    len
                }
                Split::More | Split::OpenQuote => break,
            };
            let shifted = cells.iter().map(|c| Cell { start: at + c.start, end: at + c.end, form: c.form });
            rows.push((at, at + len, shifted.collect()));
            at += len;
        }
        (rows, at)
    }

    /// What `bounds` say and what `ends` say is the same.
    fn consistent(index: &Index) -> bool {
        index.rows().filter(|row| !row.ends.is_empty()).all(|row| {
            row.bounds.first() == Some(&(row.start as u32).wrapping_sub(1)) && row.bounds.get(1..) == Some(row.ends)
        })
    }

    fn by_index(index: &Index, bytes: &[u8]) -> Vec<(usize, usize, Vec<Cell>)> {
        let cells = |row: Row<'_>| {
            let mut start = row.start;
            let mut cells = Vec::new();
            for end in row.ends {
                cells.push(cell(bytes, start, *end as usize));
                start = *end as usize + 1;
            }
            cells
        };
        index.rows().map(|row| (row.start, row.end, cells(row))).collect()
    }

    fn agree(index: &mut Index, bytes: &[u8], delimiter: u8) -> std::result::Result<(), TestCaseError> {
        let (expected, len) = by_split(bytes, delimiter);
        for engine in engines() {
            index.scan_with(engine, bytes, delimiter);
            prop_assert_eq!(&by_index(index, bytes), &expected, "{:?} {}", engine, bytes.escape_ascii());
            prop_assert_eq!(index.len(), len);
            prop_assert!(consistent(index));
            let whole = &bytes[..len];
            prop_assert!(index.has_quotes() || !whole.contains(&b'"'));
            prop_assert!(index.has_returns() || !whole.contains(&b'\r'));
            prop_assert!(!index.is_ascii() || whole.is_ascii());
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 10 } else { 1000 }, failure_persistence: None, ..ProptestConfig::default() })]

        /// Well-formed and broken rows alike: the same rows and cells as one at a time, from every engine, with memory
        /// that held another block before.
        #[test]
        fn the_same_rows_as_one_at_a_time(
            rows in testkit::proptest::collection::vec("([a-c\u{e9}]{0,30}|\"([a,\r\n]|\"\"){0,9}\"|[a\"\r,]{0,6})(,([a-c]{0,5}|\"([b,\r\n]|\"\"){0,80}\"|[a\"\r]{0,4})){0,5}(\n|\r\n)", 0..12),
            tail in "[a,\"\r\n]{0,12}",
            delimiter in prop::sample::select(&b",;\x01"[..]),
        ) {
            let mut text = rows.concat() + &tail;
            if delimiter != b',' {
                text = text.replace(',', &(delimiter as char).to_string());
            }
            let mut index = Index::default();
            index.scan(b"x,\"y\",z\n1,2\n", b',');
            agree(&mut index, text.as_bytes(), delimiter)?;
        }

        #[test]
        fn the_same_rows_in_noise(text in "[a,\"\r\n]{0,300}", bytes in testkit::proptest::collection::vec(prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), Just(b'\x0b'), Just(b'-'), Just(0x8a), any::<u8>()], 0..300)) {
            let mut index = Index::default();
            agree(&mut index, text.as_bytes(), b',')?;
            agree(&mut index, &bytes, b',')?;
        }
    }

    #[test]
    fn a_chunk_may_be_all_separators_or_one_cell() {
        let mut index = Index::default();
        for text in
            [",".repeat(200) + "\n", "\n".repeat(200), "x".repeat(500) + "\n", format!("\"{}\"\n", "\n,".repeat(99))]
        {
            agree(&mut index, text.as_bytes(), b',').unwrap();
            assert_eq!(index.len(), text.len());
        }
    }
}
