//! Cuts CSV into cells without copying, and says which were quoted: the one thing that tells NULL from an empty text.

/// A cell within the row's bytes, quotes excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub start: usize,
    pub end: usize,
    pub form: Form,
}

/// How a cell was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bare,
    Quoted,
    /// Quoted, with `""` inside that stands for `"`.
    Escaped,
}

/// What [`split`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// A row of `len` bytes with its line end, which holds `lines` line ends. `ended`: it has a line end.
    Row { len: usize, lines: u64, ended: bool },
    /// The row goes on behind these bytes.
    More,
    /// The input ends within a quoted cell.
    OpenQuote,
    /// Not a row; the next line begins at `len`.
    Bad { len: usize, lines: u64 },
}

/// Finds the first row of `bytes`; its cells replace those in `cells`. `eof`: nothing comes after `bytes`, which are
/// not empty.
pub(crate) fn split(bytes: &[u8], delimiter: u8, eof: bool, cells: &mut Vec<Cell>) -> Split {
    cells.clear();
    let mut at = 0;
    let mut lines = 0;
    loop {
        if bytes.get(at) != Some(&b'"') {
            match find(bytes, at, delimiter) {
                Some(end) if bytes[end] == delimiter => {
                    cells.push(Cell { start: at, end, form: Form::Bare });
                    at = end + 1;
                }
                Some(end) => {
                    cells.push(Cell { start: at, end: before_cr(bytes, at, end), form: Form::Bare });
                    return Split::Row { len: end + 1, lines: lines + 1, ended: true };
                }
                None if !eof => return Split::More,
                None => {
                    let end = bytes.len();
                    cells.push(Cell { start: at, end: before_cr(bytes, at, end), form: Form::Bare });
                    return Split::Row { len: end, lines, ended: false };
                }
            }
            continue;
        }
        let start = at + 1;
        let mut form = Form::Quoted;
        let mut scan = start;
        let end = loop {
            let Some(found) = memchr::memchr(b'"', bytes.get(scan..).unwrap_or_default()) else {
                return if eof { Split::OpenQuote } else { Split::More };
            };
            let quote = scan + found;
            match bytes.get(quote + 1) {
                Some(b'"') => {
                    form = Form::Escaped;
                    scan = quote + 2;
                }
                None if !eof => return Split::More,
                _ => break quote,
            }
        };
        lines += memchr::memchr_iter(b'\n', &bytes[start..end]).count() as u64;
        cells.push(Cell { start, end, form });
        at = end + 1;
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(byte), _) if *byte == delimiter => at += 1,
            (Some(b'\n'), _) => return Split::Row { len: at + 1, lines: lines + 1, ended: true },
            (Some(b'\r'), Some(b'\n')) => return Split::Row { len: at + 2, lines: lines + 1, ended: true },
            (Some(b'\r'), None) if !eof => return Split::More,
            (Some(b'\r'), None) => return Split::Row { len: at + 1, lines, ended: false },
            (None, _) => return Split::Row { len: at, lines, ended: false },
            _ => {
                return match memchr::memchr(b'\n', &bytes[at..]) {
                    Some(end) => Split::Bad { len: at + end + 1, lines: lines + 1 },
                    None if !eof => Split::More,
                    None => Split::Bad { len: bytes.len(), lines },
                };
            }
        }
    }
}

/// A line end may be CR LF: the CR is no part of the last cell.
fn before_cr(bytes: &[u8], start: usize, end: usize) -> usize {
    if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end }
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The next delimiter or LF from `at` on. Cells are short (about nine bytes in sensor data): eight bytes at a time
/// beat a call of memchr for each; long texts go on with memchr.
#[inline]
fn find(bytes: &[u8], at: usize, delimiter: u8) -> Option<usize> {
    let delimiters = LOW * u64::from(delimiter);
    let ends = LOW * u64::from(b'\n');
    let mut at = at;
    for _ in 0..4 {
        let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        let word = u64::from_le_bytes(*chunk);
        let (a, b) = (word ^ delimiters, word ^ ends);
        // The lowest byte that is flagged is a true hit; only bytes above one may be flagged wrongly.
        let hits = ((a.wrapping_sub(LOW) & !a) | (b.wrapping_sub(LOW) & !b)) & HIGH;
        if hits != 0 {
            return Some(at + (hits.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    memchr::memchr2(delimiter, b'\n', bytes.get(at..)?).map(|found| at + found)
}

/// Appends the text of a cell that has `""` for `"`.
pub(crate) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn texts(bytes: &[u8]) -> (Split, Vec<(String, Form)>) {
        let mut cells = Vec::new();
        let split = split(bytes, b',', true, &mut cells);
        let cells =
            cells.iter().map(|c| (String::from_utf8_lossy(&bytes[c.start..c.end]).into_owned(), c.form)).collect();
        (split, cells)
    }

    #[test]
    fn cells_and_line_ends() {
        let row = |len, lines, ended| Split::Row { len, lines, ended };
        let bare = |text: &str| (text.to_owned(), Form::Bare);
        assert_eq!(texts(b"a,,c\nnext"), (row(5, 1, true), vec![bare("a"), bare(""), bare("c")]));
        assert_eq!(texts(b"a,\r\n"), (row(4, 1, true), vec![bare("a"), bare("")]));
        assert_eq!(texts(b"\n"), (row(1, 1, true), vec![bare("")]));
        assert_eq!(
            texts(b"\"\",\"x\ny\"\r\n"),
            (row(10, 2, true), vec![(String::new(), Form::Quoted), ("x\ny".into(), Form::Quoted)])
        );
        assert_eq!(texts(b"\"a\"\"b\"").1, vec![("a\"\"b".into(), Form::Escaped)]);
        assert_eq!(texts(b"a,\"b").0, Split::OpenQuote);
        assert_eq!(texts(b"\"a\"b,c\nd\n").0, Split::Bad { len: 7, lines: 1 });
        assert_eq!(texts(b"ab\"c,d").1, vec![bare("ab\"c"), bare("d")]);
    }

    proptest! {
        /// Without knowing the end, a prefix of a row asks for more or gives the same row as the whole.
        #[test]
        fn blocks_do_not_matter(text in "[a,\"\r\n]{0,24}", at in any::<testkit::proptest::sample::Index>()) {
            prop_assume!(!text.is_empty());
            let bytes = text.as_bytes();
            let (mut whole, mut part) = (Vec::new(), Vec::new());
            let expected = split(bytes, b',', true, &mut whole);
            match split(&bytes[..at.index(bytes.len() + 1)], b',', false, &mut part) {
                Split::More => {}
                found => {
                    prop_assert_eq!(found, expected);
                    prop_assert_eq!(part, whole);
                }
            }
        }

        #[test]
        fn the_fast_search_is_right(bytes in testkit::proptest::collection::vec(prop_oneof![Just(b','), Just(b'\n'), Just(b'\x0b'), Just(b'-'), any::<u8>()], 0..60)) {
            let expected = bytes.iter().position(|b| matches!(b, b',' | b'\n'));
            prop_assert_eq!(find(&bytes, 0, b','), expected);
        }
    }
}
