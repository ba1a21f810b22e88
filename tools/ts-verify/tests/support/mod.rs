//! What the tests of ts-verify share.

use rows::format::{Format, ReadOptions, Source, WriteOptions};
use rows::{Limits, Reader, Schema};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

fn reader(csv: &str, batch: usize) -> Box<dyn Reader> {
    let limits = Limits { rows: batch, ..Limits::default() };
    let source = Source::new("test", Box::new(Cursor::new(csv.as_bytes().to_vec())), None);
    rows::format::open(source, ReadOptions { limits, from: Some(Format::Csv), ..ReadOptions::default() }).unwrap()
}

/// Writes typed CSV as another format, in batches of so many rows. CSV gets an end mark, line protocol the
/// measurement `m`.
pub fn convert(csv: &str, to: Format, batch: usize, path: &Path) {
    let mut reader = reader(csv, batch);
    let out = std::fs::File::create(path).unwrap();
    let options = WriteOptions { to, end_mark: to == Format::Csv, ..WriteOptions::default() };
    let mut schema = reader.schema();
    if to == Format::Lp {
        schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), rows::role::metadata(Some("m"), None)));
    }
    let mut writer = rows::format::create(out, |_| Ok(()), schema.clone(), options).unwrap();
    while let Some(batch) = reader.next().unwrap() {
        writer.write(&batch.with_schema(schema.clone()).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}
