//! What we send for a load: paths and headers (dossier starrocks 1.1, 1.3).

use fault::{Error, Result};
use rows::bulk::Separators;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Delimited text.
    Csv(Separators),
    /// An object a line.
    Json,
    /// The Arrow stream format (servers from 4.2 on).
    Arrow,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    #[default]
    None,
    Gzip,
    Zstd,
}

/// A partial update of rows that are there (tables with a primary key).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    Row,
    Column,
    Auto,
}

/// Merge commit: the server makes one transaction of many small loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The server waits so long for more, in milliseconds.
    pub interval: u32,
    /// Loads that are merged at the same time.
    pub parallel: u32,
}

/// What is the same for all loads of a run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub database: String,
    pub table: String,
    /// Names in the order of the cells, and derived columns (`c = expression`).
    pub columns: Vec<String>,
    /// Seconds that the server gives a load.
    pub timeout: u32,
    pub partial: Option<Partial>,
    pub merge: Option<Merge>,
    /// A row replaces another only if this column says that it is newer.
    pub merge_condition: Option<String>,
    /// The group of compute nodes (shared-data clusters).
    pub warehouse: Option<String>,
    /// Further headers as the user has them (`name`, `value`).
    pub more: Vec<(String, String)>,
}

/// Headers of a request.
pub type Headers = Vec<(String, String)>;

/// Headers that are ours to set: a user's own would undo what the tool promises.
const OURS: [&str; 14] = [
    "label",
    "format",
    "columns",
    "column_separator",
    "row_delimiter",
    "strict_mode",
    "max_filter_ratio",
    "compression",
    "content-encoding",
    "authorization",
    "expect",
    "enclose",
    "escape",
    "transaction_type",
];

/// `name:value` of a user, as a header. Exit 2 for what is no header, or one of ours.
pub fn header(text: &str) -> Result<(String, String)> {
    let bad = || Error::usage(format!("'{text}' is no header: write NAME:VALUE"));
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return Err(bad());
    }
    if OURS.contains(&name.as_str()) {
        return Err(Error::usage(format!("the header '{name}' cannot be given: the tool sets it")));
    }
    Ok((name, value))
}

impl Settings {
    /// `/api/DB/TABLE/_stream_load`.
    pub fn path(&self) -> String {
        format!("/api/{}/{}/_stream_load", percent(&self.database), percent(&self.table))
    }

    /// Headers of a load. `label` is left out where the server gives its own (merge commit, unless it is sent `alone`).
    pub fn headers(&self, label: &str, form: Form, packing: Packing, alone: bool) -> Headers {
        let mut headers = self.common(form, packing);
        match self.merge.filter(|_| !alone) {
            None => set(&mut headers, "label", label),
            Some(merge) => {
                set(&mut headers, "enable_merge_commit", "true");
                set(&mut headers, "merge_commit_async", "false");
                set(&mut headers, "merge_commit_interval_ms", merge.interval.to_string());
                set(&mut headers, "merge_commit_parallel", merge.parallel.to_string());
            }
        }
        headers
    }

    /// Headers of a part of a transaction.
    pub fn transaction_headers(&self, label: &str, form: Form, packing: Packing) -> Headers {
        let mut headers = self.common(form, packing);
        headers.extend(self.names(label));
        headers
    }

    /// Headers that say which transaction is meant.
    pub fn names(&self, label: &str) -> Headers {
        let mut headers = Headers::new();
        set(&mut headers, "label", label);
        set(&mut headers, "db", &self.database);
        set(&mut headers, "table", &self.table);
        if let Some(warehouse) = &self.warehouse {
            set(&mut headers, "warehouse", warehouse);
        }
        headers
    }

    fn common(&self, form: Form, packing: Packing) -> Headers {
        let mut headers = Headers::new();
        match form {
            Form::Csv(Separators { column, row }) => {
                set(&mut headers, "format", "csv");
                set(&mut headers, "column_separator", escape(column));
                set(&mut headers, "row_delimiter", escape(row));
            }
            Form::Json => {
                set(&mut headers, "format", "json");
                set(&mut headers, "ignore_json_size", "true");
            }
            Form::Arrow => set(&mut headers, "format", "arrow"),
        }
        match packing {
            Packing::None => {}
            Packing::Gzip => set(&mut headers, "compression", "gzip"),
            Packing::Zstd => set(&mut headers, "compression", "zstd"),
        }
        if !self.columns.is_empty() {
            set(&mut headers, "columns", self.columns.join(","));
        }
        // Bad values would become NULL in silence, and bad rows be left out.
        set(&mut headers, "strict_mode", "true");
        set(&mut headers, "max_filter_ratio", "0");
        // Expressions in the columns depend on it.
        set(&mut headers, "timezone", "UTC");
        set(&mut headers, "timeout", self.timeout.to_string());
        if let Some(partial) = self.partial {
            set(&mut headers, "partial_update", "true");
            let mode = match partial {
                Partial::Row => "row",
                Partial::Column => "column",
                Partial::Auto => "auto",
            };
            set(&mut headers, "partial_update_mode", mode);
        }
        if let Some(column) = &self.merge_condition {
            set(&mut headers, "merge_condition", column);
        }
        if let Some(warehouse) = &self.warehouse {
            set(&mut headers, "warehouse", warehouse);
        }
        for (name, value) in &self.more {
            headers.retain(|(other, _)| other != name);
            set(&mut headers, name, value);
        }
        headers
    }
}

/// The path of `get_load_state`.
pub fn state_path(database: &str) -> String {
    format!("/api/{}/get_load_state", percent(database))
}

/// A column's name as the server's parser takes it, whatever it is spelled like.
pub fn quoted(column: &str) -> String {
    if column == "__op" { column.to_owned() } else { format!("`{}`", column.replace('`', "``")) }
}

fn set(headers: &mut Headers, name: &str, value: impl Into<String>) {
    headers.push((name.to_owned(), value.into()));
}

/// Bytes that no header can hold are written `\x01`.
fn escape(byte: u8) -> String {
    if (33..127).contains(&byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
}

/// Percent-encodes everything but unreserved characters: the server decodes what stands in the path.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
        headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_load_is_strict_and_says_what_it_is() {
        let settings = Settings {
            database: "d b".into(),
            table: "t/é".into(),
            columns: vec![quoted("ts"), quoted("a`b"), quoted("__op")],
            timeout: 600,
            partial: Some(Partial::Column),
            more: vec![header("Load_Mem_Limit: 1000").unwrap()],
            ..Settings::default()
        };
        assert_eq!(settings.path(), "/api/d%20b/t%2F%C3%A9/_stream_load");
        let csv = settings.headers("L", Form::Csv(Separators { column: 1, row: b'|' }), Packing::Gzip, false);
        for (name, text) in [
            ("label", "L"),
            ("format", "csv"),
            ("column_separator", "\\x01"),
            ("row_delimiter", "|"),
            ("columns", "`ts`,`a``b`,__op"),
            ("strict_mode", "true"),
            ("max_filter_ratio", "0"),
            ("timezone", "UTC"),
            ("compression", "gzip"),
            ("partial_update_mode", "column"),
            ("load_mem_limit", "1000"),
        ] {
            assert_eq!(value(&csv, name), Some(text), "{name}");
        }
        let merged = Settings { merge: Some(Merge { interval: 100, parallel: 2 }), ..settings.clone() };
        let alone = merged.headers("L", Form::Json, Packing::None, true);
        assert_eq!((value(&alone, "label"), value(&alone, "enable_merge_commit")), (Some("L"), None));
        let merged = merged.headers("L", Form::Json, Packing::None, false);
        assert_eq!((value(&merged, "label"), value(&merged, "enable_merge_commit")), (None, Some("true")));
        let part = settings.transaction_headers("L", Form::Arrow, Packing::None);
        assert_eq!(
            (value(&part, "db"), value(&part, "format"), value(&part, "label")),
            (Some("d b"), Some("arrow"), Some("L"))
        );
    }

    #[test]
    fn headers_of_a_user_cannot_undo_a_promise() {
        for bad in ["strict_mode:false", "Max_Filter_Ratio: 1", "label:x", "nothing", ":x", "a b:c"] {
            assert_eq!(header(bad).unwrap_err().kind(), fault::Kind::Usage, "{bad}");
        }
    }
}
