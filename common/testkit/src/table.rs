//! A small typed table: what a source is loaded with, and what it must give back. With a CSV reader and a line-protocol
//! writer of its own, so that a bug in ours cannot hide itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Rows in columns, one of which is the time.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in the database.
    pub name: String,
    /// Name and type of each column as the typed CSV header has them; the first is `ts|time`.
    pub columns: Vec<(String, String)>,
    /// Cells in the order of the columns; `None` is NULL. Times are RFC 3339 with milliseconds.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Milliseconds of 2024-01-01T00:00:00Z, where every table begins.
const START: i64 = 1_704_067_200_000;

/// The time of a row, a second apart, as RFC 3339. Rows must be fewer than those of a day.
pub fn time(row: usize) -> String {
    assert!(row < 86_400, "the rows of a table are all on one day");
    format!("2024-01-01T{:02}:{:02}:{:02}.000Z", row / 3600, row / 60 % 60, row % 60)
}

impl Table {
    /// `n` rows of `v = 3 × row` and a tag with as many values as there are `series`.
    pub fn numbers(name: &str, n: usize, series: usize) -> Table {
        let columns = [("ts", "time"), ("dev", "tag"), ("v", "long")];
        let row = |row: usize| vec![Some(time(row)), Some(format!("d{}", row % series)), Some((row * 3).to_string())];
        Table { name: name.to_owned(), columns: own(&columns), rows: (0..n).map(row).collect() }
    }

    /// A column of every one of these types with all of its [`samples`], and a row of nothing but NULL (and `v`).
    pub fn every_type(name: &str, types: &[&str]) -> Table {
        let mut columns = own(&[("ts", "time"), ("dev", "tag"), ("v", "long")]);
        for (number, kind) in types.iter().enumerate() {
            columns.push((format!("c{number}"), (*kind).to_owned()));
        }
        let most = types.iter().map(|kind| samples(kind).len()).max().unwrap_or(0);
        let row = |row: usize| {
            let mut cells = vec![Some(time(row)), Some("d".to_owned()), Some(row.to_string())];
            cells.extend(types.iter().map(|kind| samples(kind).get(row).map(|&text| text.to_owned())));
            cells
        };
        Table { name: name.to_owned(), columns, rows: (0..=most).map(row).collect() }
    }

    /// Texts that break careless quoting, in a field and, where a tag can hold them, in a tag. With a NULL.
    pub fn texts(name: &str) -> Table {
        let columns = own(&[("ts", "time"), ("dev", "tag"), ("v", "long"), ("note", "string")]);
        let mut texts: Vec<Option<&str>> = TEXTS.iter().map(|text| Some(*text)).collect();
        texts.extend([Some(""), None]);
        let tag = |text: &str| {
            if text.contains(['\n', '\r', '\t']) || text.is_empty() { "d".to_owned() } else { text.to_owned() }
        };
        let rows = texts.iter().enumerate().map(|(row, text)| {
            vec![Some(time(row)), Some(tag(text.unwrap_or("d"))), Some(row.to_string()), text.map(str::to_owned)]
        });
        Table { name: name.to_owned(), columns, rows: rows.collect() }
    }

    /// With a column that names a sub-table for each tag, as TDengine has them.
    pub fn with_sub_tables(&self) -> Table {
        let mut table = self.clone();
        table.columns.insert(1, ("tbname".to_owned(), "table".to_owned()));
        let mut known: Vec<Option<String>> = Vec::new();
        for row in &mut table.rows {
            let number = known.iter().position(|tag| *tag == row[1]).unwrap_or(known.len());
            if number == known.len() {
                known.push(row[1].clone());
            }
            row.insert(1, Some(format!("{}_{number}", self.name)));
        }
        table
    }

    /// Only these rows.
    pub fn slice(&self, rows: std::ops::Range<usize>) -> Table {
        Table { rows: self.rows[rows].to_vec(), ..self.clone() }
    }

    /// As typed CSV.
    pub fn to_csv(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, kind)| quoted(&format!("{name}|{kind}"))).collect();
        let mut text = names.join(",") + "\n";
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.as_deref().map(quoted).unwrap_or_default()).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    /// As line protocol for a measurement of the table's name, times in ns.
    pub fn to_lines(&self) -> String {
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let (mut tags, mut fields) = (String::new(), Vec::new());
            for ((name, kind), cell) in self.columns.iter().zip(row) {
                let Some(cell) = cell else { continue };
                match kind.as_str() {
                    "time" => {}
                    "tag" => drop(write!(tags, ",{name}={}", escaped(cell))),
                    "double" | "boolean" => fields.push(format!("{name}={cell}")),
                    "long" => fields.push(format!("{name}={cell}i")),
                    "ulong" => fields.push(format!("{name}={cell}u")),
                    "string" => fields.push(format!("{name}=\"{}\"", cell.replace('\\', "\\\\").replace('"', "\\\""))),
                    other => panic!("line protocol has no {other}"),
                }
            }
            let time = START + number as i64 * 1000;
            assert_eq!(row[0], Some(self::time(number)), "rows are a second apart");
            let _ = writeln!(text, "{}{tags} {} {time}000000", escaped(&self.name), fields.join(","));
        }
        text
    }

    /// Reads typed CSV, with or without an end mark.
    pub fn from_csv(text: &str) -> Table {
        let mut records = records(text).into_iter();
        let header = records.next().unwrap_or_else(|| panic!("no header in '{text}'"));
        let columns = header.into_iter().map(|cell| {
            let cell = cell.expect("a header cell");
            let (name, kind) = cell.rsplit_once('|').unwrap_or_else(|| panic!("'{cell}' is not name|type"));
            (name.to_owned(), kind.to_owned())
        });
        let columns: Vec<_> = columns.collect();
        let mark = |row: &Vec<Option<String>>| row[0].as_deref().is_some_and(|cell| cell.starts_with("#ts-end "));
        let rows: Vec<_> = records.take_while(|row| !mark(row)).collect();
        let wrong = rows.iter().find(|row| row.len() != columns.len());
        assert!(wrong.is_none(), "{} columns, but the row {wrong:?}", columns.len());
        Table { name: String::new(), columns, rows }
    }

    /// Asserts that both hold the same rows, in any order. What is read may have a column with a table's or
    /// measurement's name besides, another name for the time, and tags of an own type.
    #[track_caller]
    pub fn assert_same(&self, read: &Table, what: &str) {
        let found: Vec<usize> = self.columns.iter().map(|(name, kind)| read.position(name, kind)).collect();
        for (number, (name, kind)) in read.columns.iter().enumerate() {
            let extra = kind.starts_with("table") || kind == "measurement";
            assert!(found.contains(&number) || extra, "{what}: the column {name}|{kind} was not there");
        }
        let mut missing: BTreeMap<String, i64> = BTreeMap::new();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(&self.columns).map(|(cell, (_, kind))| canonical(cell, kind)).collect();
            *missing.entry(cells.join(" | ")).or_default() += 1;
        }
        for row in &read.rows {
            let cells = found.iter().zip(&self.columns).map(|(&at, (_, kind))| canonical(&row[at], kind));
            *missing.entry(cells.collect::<Vec<_>>().join(" | ")).or_default() -= 1;
        }
        let wrong = |sign: i64| {
            missing.iter().filter(move |(_, n)| **n * sign > 0).map(|(row, _)| row).take(4).collect::<Vec<_>>()
        };
        let (lost, more) = (wrong(1), wrong(-1));
        let counts = format!("{} rows, {} read", self.rows.len(), read.rows.len());
        assert!(lost.is_empty() && more.is_empty(), "{what}: {counts}\nlost {lost:#?}\ntoo much {more:#?}");
    }

    #[track_caller]
    fn position(&self, name: &str, kind: &str) -> usize {
        let same = |(other, its): &(String, String)| match kind {
            "time" => its == "time",
            "tag" => other == name && its.split(':').next() == Some("tag"),
            _ => other == name && its == kind,
        };
        let position = self.columns.iter().position(same);
        position.unwrap_or_else(|| panic!("no column {name}|{kind}, but {:?}", self.columns))
    }
}

/// Texts with everything that some format quotes.
const TEXTS: [&str; 15] = [
    "plain",
    "grün, 绿, 🜂 and e\u{301}",
    "a \"quoted\" word",
    "comma, and; semicolon",
    "two\nlines",
    "carriage\r\nreturn",
    "tab\there",
    "back\\slash and \\n",
    "equals=and blank ",
    " blank before",
    "NULL",
    "'single' ''twice''",
    "#ts-end rows=1",
    "\u{feff}mark",
    "{\"json\": [1, null]}",
];

/// Values of a type, extremes first.
fn samples(kind: &str) -> &'static [&'static str] {
    match kind {
        "double" => {
            &["0", "-0.1", "1.7976931348623157e308", "-5e-324", "0.30000000000000004", "1e300", "123456789.125"]
        }
        "float" => &["0", "-0.1", "3.4028235e38", "1e-45", "16777216", "0.33333334"],
        "long" => &["0", "9223372036854775807", "-9223372036854775807", "9007199254740993", "-1"],
        "int" => &["0", "2147483647", "-2147483647", "-1"],
        "short" => &["0", "32767", "-32767", "-1"],
        "byte" => &["0", "127", "-127", "-1"],
        "ulong" => &["0", "18446744073709551614", "9223372036854775808"],
        "uint" => &["0", "4294967294", "2147483648"],
        "ushort" => &["0", "65534", "32768"],
        "ubyte" => &["0", "254", "128"],
        "boolean" => &["true", "false"],
        "string" => &["a", "", "ü", "🜂"],
        "timestamp" => &["2024-02-29T12:00:00.001Z", "1969-12-31T23:59:59.999Z", "2262-04-11T00:00:00.000Z"],
        "binary" => &["00", "00ff10", "c3a9"],
        "geometry" => &["0101000000000000000000f03f0000000000000040"],
        "decimal(20,4)" => &["0.0000", "-1234567890123456.7891", "0.0001"],
        "decimal(38,10)" => &["0.0000000000", "1234567890123456789012345678.0123456789", "-0.0000000001"],
        other => panic!("no samples of {other}"),
    }
}

fn own(columns: &[(&str, &str)]) -> Vec<(String, String)> {
    columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

/// A cell that is the same whenever its value is the same.
fn canonical(cell: &Option<String>, kind: &str) -> String {
    let Some(text) = cell else { return "NULL".to_owned() };
    match kind {
        "time" | "timestamp" => {
            let text = text.trim_end_matches('Z');
            let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
            text.to_owned()
        }
        "double" => format!("{:?}", text.parse::<f64>().unwrap_or_else(|_| panic!("'{text}' is no {kind}"))),
        "float" => format!("{:?}", text.parse::<f32>().unwrap_or_else(|_| panic!("'{text}' is no {kind}"))),
        _ => format!("{text:?}"),
    }
}

/// A CSV cell; quoted when it must be, and when it is empty, which is not NULL.
fn quoted(text: &str) -> String {
    if text.is_empty() || text.starts_with('#') || text.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// Measurement and tag values; none of ours ends in a backslash or has a line feed.
fn escaped(text: &str) -> String {
    text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}

/// RFC 4180, with the difference between an empty cell and an empty text in quotes.
fn records(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut records, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut inside, mut was_quoted) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => (inside, was_quoted) = (!inside, true),
            ',' | '\n' if !inside => {
                let text = std::mem::take(&mut cell);
                row.push((was_quoted || !text.is_empty()).then_some(text));
                was_quoted = false;
                if c == '\n' {
                    records.push(std::mem::take(&mut row));
                }
            }
            c => cell.push(c),
        }
    }
    assert!(!inside && cell.is_empty() && row.is_empty(), "the CSV ends in the middle of a row");
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_read_as_it_was_written() {
        for table in
            [Table::texts("t"), Table::numbers("n", 5, 2), Table::every_type("e", &["double", "string", "binary"])]
        {
            let read = Table::from_csv(&table.to_csv());
            assert_eq!((&read.columns, &read.rows), (&table.columns, &table.rows));
            table.assert_same(&read, "itself");
        }
    }

    #[test]
    #[should_panic(expected = "lost")]
    fn a_changed_cell_is_found() {
        let table = Table::numbers("n", 5, 2);
        let mut other = table.clone();
        other.rows[3][2] = None;
        table.assert_same(&other, "a NULL");
    }

    #[test]
    fn lines_are_what_another_parser_reads() {
        let lines = Table::texts("m").to_lines();
        let read: Vec<_> = influxdb_line_protocol::parse_lines(&lines).map(|line| line.expect("a line")).collect();
        assert_eq!(read.len(), Table::texts("m").rows.len());
        for (line, text) in read.iter().zip(TEXTS) {
            let Some((_, influxdb_line_protocol::FieldValue::String(note))) = line.field_set.get(1) else {
                panic!("{line:?}")
            };
            assert_eq!(note.as_str(), text);
        }
        assert_eq!(read[1].timestamp, Some(1_704_067_201_000_000_000));
    }
}
