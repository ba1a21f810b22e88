//! What the tests of ts-verify share.

use rows::format::{Format, ReadOptions, Source, WriteOptions};
use rows::{Limits, Reader};
use std::io::Cursor;
use std::path::Path;

fn reader(csv: &str, batch: usize) -> Box<dyn Reader> {
    let limits = Limits { rows: batch, ..Limits::default() };
    let source = Source::new("test", Box::new(Cursor::new(csv.as_bytes().to_vec())), None);
    rows::format::open(source, ReadOptions { limits, from: Some(Format::Csv), ..ReadOptions::default() }).unwrap()
}

/// Writes typed CSV as another format, in batches of so many rows.
pub fn convert(csv: &str, to: Format, batch: usize, path: &Path) {
    let mut reader = reader(csv, batch);
    let out = std::fs::File::create(path).unwrap();
    let options = WriteOptions { to, ..WriteOptions::default() };
    let mut writer = rows::format::create(out, |_| Ok(()), reader.schema(), options).unwrap();
    while let Some(batch) = reader.next().unwrap() {
        writer.write(&batch).unwrap();
    }
    writer.finish().unwrap();
}
