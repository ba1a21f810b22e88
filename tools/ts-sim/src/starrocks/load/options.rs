//! The headers of a load (dossier starrocks 1.3), checked in the server's order and words.

use std::time::Duration;

use hyper::HeaderMap;

use super::unpack::Packing;
use super::{csv, json, separator};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
    Arrow,
}

/// What a load is told by its headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub format: Format,
    pub packing: Packing,
    pub csv: csv::Options,
    pub json: json::Options,
    pub columns: Option<String>,
    pub condition: Option<String>,
    pub partitions: Vec<String>,
    pub strict: bool,
    pub partial: bool,
    pub merge_condition: Option<String>,
    pub max_filter_ratio: f64,
    pub timeout: Option<Duration>,
}

/// Largest JSON body without `ignore_json_size` (`streaming_load_max_batch_size_mb`).
const JSON_MOST: u64 = 100 << 20;

/// A header's text; bytes that are not UTF-8 are replaced, as no header that matters has any.
pub fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|text| !text.is_empty())
}

fn flag(headers: &HeaderMap, name: &str, what: &str) -> Result<bool, String> {
    match text(headers, name) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(format!("Invalid {what} format. Must be bool type")),
    }
}

/// Seconds of a header like `timeout`.
pub fn seconds(headers: &HeaderMap, name: &str) -> Result<Option<Duration>, String> {
    match text(headers, name).map(|text| text.parse::<u32>()) {
        None => Ok(None),
        Some(Ok(seconds)) => Ok(Some(Duration::from_secs(seconds.into()))),
        Some(Err(_)) => Err("Invalid timeout format".into()),
    }
}

impl Options {
    /// Reads the headers; `version` is (major, minor): Arrow needs 4.2, compressed JSON 3.2.
    pub fn read(headers: &HeaderMap, version: (u32, u32)) -> Result<Options, String> {
        let length: u64 = text(headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let (format, mut packing) = match text(headers, "format").map(|f| f.to_ascii_lowercase()).as_deref() {
            None | Some("csv") => (Format::Csv, Packing::None),
            Some("json") => (Format::Json, Packing::None),
            Some("arrow") if version >= (4, 2) => (Format::Arrow, Packing::None),
            Some("gzip") => (Format::Csv, Packing::Gzip),
            Some("deflate") => (Format::Csv, Packing::Deflate),
            Some("zstd") => (Format::Csv, Packing::Zstd),
            Some("lz4") => (Format::Csv, Packing::Lz4Frame),
            Some(other) => return Err(format!("unknown data format, format={other}")),
        };
        let ignore_size = text(headers, "ignore_json_size").is_some_and(|t| t.eq_ignore_ascii_case("true"));
        if format == Format::Json && !ignore_size && length > JSON_MOST {
            return Err(format!(
                "The size of this batch exceed the max size [{JSON_MOST}]  of json type data  data [ {length} ]. Set ignore_json_size to skip the check, although it may lead huge memory consuming."
            ));
        }
        let timeout = seconds(headers, "timeout")?;
        let bytes = |name: &str, default: &[u8]| match headers.get(name).filter(|value| !value.is_empty()) {
            None => Ok(default.to_vec()),
            Some(value) => separator::parse(value.as_bytes()),
        };
        let one = |name: &str| headers.get(name).and_then(|value| value.as_bytes().first().copied());
        let skip_header = match text(headers, "skip_header").map(|t| t.parse::<i64>()) {
            None => 0,
            Some(Ok(rows)) => u64::try_from(rows).map_err(|_| "skip_header must be equal or greater than 0")?,
            Some(Err(_)) => return Err("Invalid csv load skip_header format".into()),
        };
        // Before 3.0 these headers mean nothing (dossier starrocks 1.8, 5).
        let csv3 = version >= (3, 0);
        let csv = csv::Options {
            column_separator: bytes("column_separator", b"\t")?,
            row_delimiter: bytes("row_delimiter", b"\n")?,
            skip_header: if csv3 { skip_header } else { 0 },
            trim_space: flag(headers, "trim_space", "trim space")? && csv3,
            enclose: one("enclose").filter(|_| csv3),
            escape: one("escape").filter(|_| csv3),
        };
        let json = json::Options {
            strip_outer_array: text(headers, "strip_outer_array").is_some_and(|t| t.eq_ignore_ascii_case("true")),
            root: text(headers, "json_root").map_or(Ok(Vec::new()), |t| json::parse_path(&t))?,
            paths: text(headers, "jsonpaths").map_or(Ok(Vec::new()), |t| json::parse_paths(&t))?,
        };
        let (partitions, temporary) = (text(headers, "partitions"), text(headers, "temporary_partitions"));
        if partitions.is_some() && temporary.is_some() {
            return Err("Can not specify both partitions and temporary partitions".into());
        }
        let list = partitions.or(temporary).unwrap_or_default();
        let partitions = list.split(',').map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect();
        for (name, least) in [("load_mem_limit", 0i64), ("log_rejected_record_num", -1)] {
            match text(headers, name).map(|t| t.parse::<i64>()) {
                None => {}
                Some(Ok(n)) if n >= least => {}
                Some(Ok(_)) => return Err(format!("{name} must be equal or greater than {least}")),
                Some(Err(_)) => return Err(format!("Invalid {} format", name.replace('_', " "))),
            }
        }
        match (text(headers, "content-encoding"), text(headers, "compression")) {
            (Some(_), Some(_)) => {
                return Err("Only one of http header content-encoding and compression can be set".into());
            }
            (Some(name), None) | (None, Some(name)) => {
                if format == Format::Json && version < (3, 2) {
                    return Err(format!("unsupported compression type: {name}"));
                }
                packing = Packing::parse(&name)?;
            }
            (None, None) => {}
        }
        Ok(Options {
            format,
            packing,
            csv,
            json,
            columns: text(headers, "columns"),
            condition: text(headers, "where"),
            partitions,
            strict: flag(headers, "strict_mode", "strict mode")?,
            partial: flag(headers, "partial_update", "partial update flag")?,
            merge_condition: text(headers, "merge_condition"),
            // strtod: what is no number is 0
            max_filter_ratio: text(headers, "max_filter_ratio").and_then(|t| t.trim().parse().ok()).unwrap_or(0.0),
            timeout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<Options, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Options::read(&map, (3, 3))
    }

    #[test]
    fn defaults_are_the_servers() {
        let options = read(&[]).unwrap();
        assert_eq!((options.format, options.packing, options.strict), (Format::Csv, Packing::None, false));
        assert_eq!(options.csv, csv::Options::default());
        assert_eq!((options.max_filter_ratio, options.timeout), (0.0, None));
    }

    #[test]
    fn everything_that_can_be_said() {
        let options = read(&[
            ("column_separator", "\\x01"),
            ("row_delimiter", "\\r\\n"),
            ("enclose", "\"x"),
            ("escape", "\\"),
            ("skip_header", "2"),
            ("trim_space", "TRUE"),
            ("strict_mode", "true"),
            ("max_filter_ratio", "0.25"),
            ("timeout", "30"),
            ("partitions", "p1, p2"),
            ("compression", "lz4_frame"),
        ])
        .unwrap();
        let csv = csv::Options {
            column_separator: vec![1],
            row_delimiter: b"\r\n".to_vec(),
            skip_header: 2,
            trim_space: true,
            enclose: Some(b'"'),
            escape: Some(b'\\'),
        };
        assert_eq!(options.csv, csv);
        assert_eq!((options.strict, options.max_filter_ratio, options.packing), (true, 0.25, Packing::Lz4Frame));
        assert_eq!(
            (options.timeout, options.partitions),
            (Some(Duration::from_secs(30)), vec!["p1".into(), "p2".into()])
        );
    }

    #[test]
    fn mistakes_in_the_servers_words() {
        for (headers, why) in [
            (&[("format", "parquet")][..], "unknown data format, format=parquet"),
            (&[("format", "arrow")], "unknown data format, format=arrow"),
            (&[("format", "json"), ("content-length", "104857601")], "ignore_json_size"),
            (&[("strict_mode", "1")], "Invalid strict mode format. Must be bool type"),
            (&[("skip_header", "-1")], "skip_header must be equal or greater than 0"),
            (&[("timeout", "soon")], "Invalid timeout format"),
            (&[("partitions", "p"), ("temporary_partitions", "q")], "both partitions"),
            (&[("compression", "gzip"), ("content-encoding", "gzip")], "Only one of http header"),
            (&[("compression", "snappy")], "unsupported compression type"),
            (&[("jsonpaths", "[1]")], "Invalid json path"),
            (&[("log_rejected_record_num", "-2")], "equal or greater than -1"),
        ] {
            let error = read(headers).unwrap_err();
            assert!(error.contains(why), "{headers:?}: {error}");
        }
        let mut old = HeaderMap::new();
        old.insert("enclose", "\"".parse().unwrap());
        assert_eq!(Options::read(&old, (2, 5)).unwrap().csv.enclose, None);
    }
}
