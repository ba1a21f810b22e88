//! `INSERT INTO FILES(…) SELECT …` (dossier starrocks 3.6): returns when the files are there.

use super::files_out::{Format, Out};
use super::storage::Place;
use super::{Answer, Refusal, Session, query};
use crate::starrocks::sql::select::Select;
use crate::starrocks::version::Version;

/// Bytes of a file unless told otherwise: 1 GB.
const FILE: u64 = 1 << 30;

/// Runs it; the rows are counted in the answer.
pub fn run(session: &Session, properties: &[(String, String)], select: &Select) -> Result<Answer, Refusal> {
    let get = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let version = session.server.version;
    if version < Version(3, 2, 0) {
        return Err("Getting syntax error. Detail message: INSERT INTO FILES needs 3.2".into());
    }
    let bytes = |name: &str, default: &str| unescaped(get(name).unwrap_or(default));
    let format = match get("format").ok_or("The property format is not set")? {
        "parquet" => {
            // Early versions want to be told (dossier starrocks 3.6).
            let compression = match get("compression") {
                None if version < Version(3, 3, 0) => return Err("compression is a mandatory property.".into()),
                given => given.unwrap_or("snappy"),
            };
            Format::parquet(compression)?
        }
        "csv" if version >= Version(3, 3, 0) => Format::Csv {
            separator: bytes("csv.column_separator", "\t"),
            delimiter: bytes("csv.row_delimiter", "\n"),
            header: get("csv.include_header") == Some("true"),
        },
        other => return Err(format!("Unsupported format {other} for table functions FILES").into()),
    };
    let path = get("path").ok_or("path is a mandatory property.")?;
    let place = Place::open(path, properties)?;
    // A path that ends in a slash is a folder, others begin the files' names ([memory]).
    let stem = if place.is_folder() { place.and("data_") } else { place };
    let single = get("single") == Some("true");
    let most = match get("target_max_file_size") {
        Some(text) => text.parse().map_err(|_| "target_max_file_size should be a positive integer")?,
        None => FILE,
    };
    let most = if single { u64::MAX } else { most };
    let Answer::Rows { columns, source } = query::run(session, select)? else { return Ok(Answer::done()) };
    let id = session.query_id();
    let (mut files, mut affected) = (0u64, 0u64);
    let mut out: Option<Out> = None;
    source.each(|row| {
        if out.is_none() {
            let name = format!("{id}_0_{files}.{}", format.extension());
            out = Some(Out::create(stem.and(&name), &columns, &format)?);
            files += 1;
        }
        if let Some(file) = &mut out {
            file.row(row)?;
        }
        affected += 1;
        if out.as_ref().is_some_and(|file| file.bytes() >= most)
            && let Some(full) = out.take()
        {
            full.finish()?;
        }
        Ok(())
    })?;
    if let Some(last) = out {
        last.finish()?;
    }
    Ok(Answer::Done { affected, info: String::new() })
}

/// Separators may be written `\x01` or `\t` (after SQL took one backslash away).
pub fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code =
            after.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        (out, rest) = match (first, after.first(), code) {
            (b'\\', Some(b'x'), Some(byte)) => (with(out, byte), &after[3..]),
            (b'\\', Some(b't'), _) => (with(out, b'\t'), &after[1..]),
            (b'\\', Some(b'n'), _) => (with(out, b'\n'), &after[1..]),
            (byte, ..) => (with(out, *byte), after),
        };
    }
    out
}

fn with(mut out: Vec<u8>, byte: u8) -> Vec<u8> {
    out.push(byte);
    out
}
