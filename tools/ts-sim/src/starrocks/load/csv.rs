//! StarRocks's own CSV, which is not RFC 4180 (dossier starrocks 1.8; read in csv_reader.cpp and csv_scanner.cpp).
//!
//! Without `enclose` and `escape` a record is cut at the row delimiter, then at the column separator, whatever the
//! bytes. With one of them a state machine reads the body: enclosed fields may hold separators, a doubled enclose byte
//! stands for one, the escape byte takes the next byte as it is.

use memchr::memmem;

/// How a body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub column_separator: Vec<u8>,
    pub row_delimiter: Vec<u8>,
    pub skip_header: u64,
    pub trim_space: bool,
    pub enclose: Option<u8>,
    pub escape: Option<u8>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            column_separator: b"\t".to_vec(),
            row_delimiter: b"\n".to_vec(),
            skip_header: 0,
            trim_space: false,
            enclose: None,
            escape: None,
        }
    }
}

/// Reads records from a body.
pub struct Csv<'a> {
    options: &'a Options,
    body: &'a [u8],
    at: usize,
    /// A last record without delimiter counts.
    whole: bool,
    fields: Vec<Field>,
    /// Text of fields that are not in the body as they are.
    made: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    made: bool,
}

/// One record; its fields are without enclosing bytes and escapes.
pub struct Record<'r> {
    /// The bytes in the body, without the row delimiter.
    pub raw: &'r [u8],
    body: &'r [u8],
    made: &'r [u8],
    fields: &'r [Field],
}

impl<'r> Record<'r> {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True for a record without fields, which is never given out.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A field's text; an enclosed `\N` looks like a plain one.
    pub fn get(&self, at: usize) -> Option<&'r [u8]> {
        let field = self.fields.get(at)?;
        let text = if field.made { self.made } else { self.body };
        text.get(field.start..field.end)
    }
}

impl<'a> Csv<'a> {
    /// Records of `body`. Unless it is `whole` a last record without row delimiter is left for later: see
    /// [`Csv::consumed`].
    pub fn new(body: &'a [u8], options: &'a Options, whole: bool) -> Csv<'a> {
        Csv { options, body, at: 0, whole, fields: Vec::new(), made: Vec::new() }
    }

    /// Bytes that have been read.
    pub fn consumed(&self) -> usize {
        self.at
    }

    /// Passes over a record (a header), blank or not; false when there is none.
    pub fn skip(&mut self) -> bool {
        self.record().is_some()
    }

    /// The next record that is not blank.
    pub fn next_record(&mut self) -> Option<Record<'_>> {
        loop {
            let (start, end) = self.record()?;
            // "always skip blank rows"
            if start == end {
                continue;
            }
            let raw = self.body.get(start..end)?;
            if self.options.enclose.is_none() && self.options.escape.is_none() {
                self.split(start, end);
            }
            return Some(Record { raw, body: self.body, made: &self.made, fields: &self.fields });
        }
    }

    /// Where the next record is, without delimiter.
    fn record(&mut self) -> Option<(usize, usize)> {
        if self.at >= self.body.len() {
            return None;
        }
        if self.options.enclose.is_some() || self.options.escape.is_some() {
            return self.machine();
        }
        let start = self.at;
        let rest = self.body.get(start..)?;
        match find(rest, &self.options.row_delimiter) {
            Some(len) => {
                self.at = start + len + self.options.row_delimiter.len();
                Some((start, start + len))
            }
            None if self.whole => {
                self.at = self.body.len();
                Some((start, self.body.len()))
            }
            None => None,
        }
    }

    fn split(&mut self, start: usize, end: usize) {
        self.fields.clear();
        let separator = &self.options.column_separator;
        let record = self.body.get(start..end).unwrap_or_default();
        let mut from = 0;
        let mut field = |from: usize, to: usize, trim: bool| {
            let (mut from, mut to) = (from, to);
            if trim {
                while from < to && record.get(from) == Some(&b' ') {
                    from += 1;
                }
                while to > from && record.get(to - 1) == Some(&b' ') {
                    to -= 1;
                }
            }
            self.fields.push(Field { start: start + from, end: start + to, made: false });
        };
        if let [byte] = separator.as_slice() {
            for at in memchr::memchr_iter(*byte, record) {
                field(from, at, self.options.trim_space);
                from = at + 1;
            }
        } else {
            for at in memmem::find_iter(record, separator) {
                field(from, at, self.options.trim_space);
                from = at + separator.len();
            }
        }
        field(from, record.len(), self.options.trim_space);
    }

    /// One record with `enclose` or `escape`: fields and all.
    fn machine(&mut self) -> Option<(usize, usize)> {
        self.fields.clear();
        self.made.clear();
        let (start, mut at) = (self.at, self.at);
        let Options { column_separator, row_delimiter, trim_space, enclose, escape, .. } = self.options;
        let body = self.body;
        let starts = |at: usize, what: &[u8]| body.get(at..).is_some_and(|rest| rest.starts_with(what));
        loop {
            // the beginning of a field
            let from = self.made.len();
            if *trim_space {
                while body.get(at) == Some(&b' ') {
                    at += 1;
                }
            }
            let mut enclosed = false;
            if enclose.is_some() && body.get(at) == enclose.as_ref() && !starts(at, row_delimiter) {
                enclosed = true;
                at += 1;
                loop {
                    match body.get(at) {
                        None => break,
                        Some(byte) if Some(byte) == escape.as_ref() && at + 1 < body.len() => {
                            self.made.extend(body.get(at + 1));
                            at += 2;
                        }
                        Some(byte) if Some(byte) == enclose.as_ref() => {
                            at += 1;
                            if body.get(at) != enclose.as_ref() {
                                break;
                            }
                            self.made.push(*byte);
                            at += 1;
                        }
                        Some(byte) => {
                            self.made.push(*byte);
                            at += 1;
                        }
                    }
                }
            }
            // what is left up to a separator belongs to the field, also behind a closing byte
            let end = loop {
                if starts(at, row_delimiter) {
                    break Some((at, row_delimiter.len()));
                }
                if starts(at, column_separator) {
                    break None;
                }
                match body.get(at) {
                    None if self.whole => break Some((at, 0)),
                    // the record goes on in bytes that have not come yet
                    None => return None,
                    Some(byte) if Some(byte) == escape.as_ref() && at + 1 < body.len() => {
                        self.made.extend(body.get(at + 1));
                        at += 2;
                    }
                    Some(byte) => {
                        self.made.push(*byte);
                        at += 1;
                    }
                }
            };
            let mut to = self.made.len();
            if *trim_space && !enclosed {
                while to > from && self.made.get(to - 1) == Some(&b' ') {
                    to -= 1;
                }
            }
            self.fields.push(Field { start: from, end: to, made: true });
            match end {
                Some((end, delimiter)) => {
                    self.at = end + delimiter;
                    return Some((start, end));
                }
                None => at += column_separator.len(),
            }
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    match what {
        [byte] => memchr::memchr(*byte, text),
        _ => memmem::find(text, what),
    }
}

/// Reason to filter a record with the wrong number of fields, in the server's words.
pub fn count_mismatch(expected: usize, found: usize, options: &Options) -> String {
    format!(
        "Target column count: {expected} doesn't match source value column count: {found}. Column separator: {}, Row delimiter: {}",
        spelled(&options.column_separator),
        spelled(&options.row_delimiter)
    )
}

/// A separator as the server prints it.
fn spelled(text: &[u8]) -> String {
    let mut out = "'".to_owned();
    for byte in text {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("0x{byte:x}")),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(body: &str, options: &Options) -> Vec<Vec<String>> {
        let mut csv = Csv::new(body.as_bytes(), options, true);
        let mut rows = Vec::new();
        while let Some(record) = csv.next_record() {
            let text = |at| String::from_utf8_lossy(record.get(at).unwrap()).into_owned();
            rows.push((0..record.len()).map(text).collect());
        }
        assert_eq!(csv.consumed(), body.len());
        rows
    }

    fn comma() -> Options {
        Options { column_separator: b",".to_vec(), ..Options::default() }
    }

    #[test]
    fn plain_records_are_cut_at_every_separator() {
        assert_eq!(rows("a\tb\n\n\n\"c\td\"\n", &Options::default()), [vec!["a", "b"], vec!["\"c", "d\""]]);
        // a last record without delimiter, a trailing separator, a carriage return that was not declared
        assert_eq!(rows("1,2,\n3,4\r\n5,6", &comma()), [vec!["1", "2", ""], vec!["3", "4\r"], vec!["5", "6"]]);
        let wide =
            Options { column_separator: b"||".to_vec(), row_delimiter: b"\x02\n".to_vec(), ..Options::default() };
        assert_eq!(rows("a|b||c\x02\nd\n||\x02\n", &wide), [vec!["a|b", "c"], vec!["d\n", ""]]);
        let trimmed = Options { trim_space: true, ..comma() };
        assert_eq!(rows("  a b ,\tc ,   \n", &trimmed), [vec!["a b", "\tc", ""]]);
    }

    #[test]
    fn enclosed_fields_hold_separators_and_doubled_bytes() {
        let enclosed = Options { enclose: Some(b'"'), ..comma() };
        let body = "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n\"\",x\"y,\"\\N\"\n";
        assert_eq!(rows(body, &enclosed), [vec!["a,b", "say \"x\"", "two\nlines"], vec!["", "x\"y", "\\N"]]);
        let trimmed = Options { trim_space: true, ..enclosed };
        assert_eq!(rows("  \" a \" , b \n", &trimmed), [vec![" a  ", "b"]]);
    }

    #[test]
    fn an_escape_turns_null_into_a_letter() {
        let escaped = Options { escape: Some(b'\\'), ..comma() };
        assert_eq!(rows("\\N,a\\,b,c\\\\\n", &escaped), [vec!["N", "a,b", "c\\"]]);
        let both = Options { enclose: Some(b'\''), ..escaped };
        assert_eq!(rows("'it\\'s','\\N'\n", &both), [vec!["it's", "N"]]);
    }

    #[test]
    fn an_unfinished_record_waits_for_the_rest() {
        for options in [comma(), Options { enclose: Some(b'"'), ..comma() }] {
            let mut csv = Csv::new(b"1,2\n3,", &options, false);
            assert_eq!(csv.next_record().map(|record| record.len()), Some(2));
            assert!(csv.next_record().is_none());
            assert_eq!(csv.consumed(), 4);
        }
    }

    #[test]
    fn the_servers_words() {
        let options = Options { column_separator: b"\x01".to_vec(), ..Options::default() };
        assert_eq!(
            count_mismatch(3, 2, &options),
            "Target column count: 3 doesn't match source value column count: 2. Column separator: '0x1', Row delimiter: '\\n'"
        );
    }
}
