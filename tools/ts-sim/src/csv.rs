//! Reads CSV records. Unlike most parsers it tells `""` (empty text) from nothing (NULL).

use std::io::BufRead;

/// Records of a CSV stream, LF or CRLF.
pub struct Csv<R> {
    input: R,
    line: Vec<u8>,
    text: Vec<u8>,
    cells: Vec<Cell>,
    /// Number of the line that the last record began on, from 1.
    pub at: u64,
    lines: u64,
}

#[derive(Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    quoted: bool,
}

/// The last record read.
pub struct Record<'a> {
    text: &'a [u8],
    cells: &'a [Cell],
}

impl<'a> Record<'a> {
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// The text of a cell; `None` when it is empty and not quoted.
    pub fn get(&self, at: usize) -> Option<&'a [u8]> {
        let cell = self.cells.get(at)?;
        (cell.quoted || cell.end > cell.start).then(|| &self.text[cell.start..cell.end])
    }

    /// The whole record, cells one after the other.
    pub fn first_byte(&self) -> Option<u8> {
        self.text.first().copied()
    }
}

impl<R: BufRead> Csv<R> {
    pub fn new(input: R) -> Csv<R> {
        Csv { input, line: Vec::new(), text: Vec::new(), cells: Vec::new(), at: 0, lines: 0 }
    }

    /// The next record; `None` at the end. A quote that is not closed is an error.
    pub fn next(&mut self) -> std::io::Result<Option<Record<'_>>> {
        self.text.clear();
        self.cells.clear();
        if !self.read_line()? {
            return Ok(None);
        }
        self.at = self.lines;
        if memchr::memchr(b'"', &self.line).is_none() {
            self.plain();
        } else {
            self.quoted()?;
        }
        Ok(Some(Record { text: &self.text, cells: &self.cells }))
    }

    fn read_line(&mut self) -> std::io::Result<bool> {
        self.line.clear();
        let read = self.input.read_until(b'\n', &mut self.line)?;
        self.lines += 1;
        Ok(read > 0)
    }

    fn plain(&mut self) {
        let end = self.line.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
        self.text.extend_from_slice(&self.line[..end]);
        let mut start = 0;
        for comma in memchr::memchr_iter(b',', &self.text) {
            self.cells.push(Cell { start, end: comma, quoted: false });
            start = comma + 1;
        }
        self.cells.push(Cell { start, end: self.text.len(), quoted: false });
    }

    fn quoted(&mut self) -> std::io::Result<()> {
        let mut at = 0;
        let mut start = 0;
        let mut quoted = false;
        loop {
            match self.line.get(at).copied() {
                Some(b'"') if self.text.len() == start && !quoted => {
                    quoted = true;
                    at = self.inside(at + 1)?;
                    continue;
                }
                Some(b',') => {
                    self.cells.push(Cell { start, end: self.text.len(), quoted });
                    start = self.text.len();
                    quoted = false;
                }
                None | Some(b'\n') => {
                    self.cells.push(Cell { start, end: self.text.len(), quoted });
                    return Ok(());
                }
                Some(b'\r') if self.line.get(at + 1) == Some(&b'\n') => {}
                Some(byte) => self.text.push(byte),
            }
            at += 1;
        }
    }

    /// From behind an opening quote to behind the closing one, over as many lines as it takes.
    fn inside(&mut self, mut at: usize) -> std::io::Result<usize> {
        loop {
            match self.line.get(at).copied() {
                Some(b'"') if self.line.get(at + 1) == Some(&b'"') => {
                    self.text.push(b'"');
                    at += 2;
                }
                Some(b'"') => return Ok(at + 1),
                Some(byte) => {
                    self.text.push(byte);
                    at += 1;
                }
                None => {
                    if !self.read_line()? {
                        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a quote is not closed"));
                    }
                    at = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_not_null_and_lines_may_be_inside_quotes() {
        let input = "a,,\"\"\r\n\"x,\"\"y\"\"\nz\",1,\n";
        let mut csv = Csv::new(input.as_bytes());
        let record = csv.next().unwrap().unwrap();
        assert_eq!(
            (record.len(), record.get(0), record.get(1), record.get(2)),
            (3, Some(&b"a"[..]), None, Some(&b""[..]))
        );
        let record = csv.next().unwrap().unwrap();
        assert_eq!((record.get(0), record.get(1), record.get(2)), (Some(&b"x,\"y\"\nz"[..]), Some(&b"1"[..]), None));
        assert!(csv.next().unwrap().is_none());
        assert!(Csv::new(&b"\"open\n"[..]).next().is_err());
    }
}
