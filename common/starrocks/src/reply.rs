//! What comes back from a load, a call of a transaction, and a question for a state: JSON whose keys are spelled in two
//! ways (dossier starrocks 1.1, 1.5, 2).

use serde_json::{Map, Value};

/// A reply, whatever it is to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// `Success`, `Publish Timeout`, `Label Already Exists`, `Fail`; `OK` and others for transactions.
    pub status: String,
    pub message: String,
    /// `RUNNING` or `FINISHED`, where the label is known already.
    pub existing: Option<String>,
    pub total: Option<u64>,
    pub loaded: Option<u64>,
    pub filtered: Option<u64>,
    pub unselected: Option<u64>,
    /// Where the rows that were left out are listed.
    pub error_url: Option<String>,
    /// `get_load_state`: the state of the label.
    pub state: Option<String>,
    /// The same: why it failed.
    pub reason: Option<String>,
}

impl Reply {
    /// Takes a body apart; `None` if it is no object with a status.
    pub fn parse(body: &[u8]) -> Option<Reply> {
        let map: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let find = |names: &[&str]| {
            map.iter().find(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name))).map(|(_, value)| value)
        };
        let text = |names: &[&str]| match find(names)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let number = |name: &str| match find(&[name])? {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let filled = |names: &[&str]| text(names).filter(|text| !text.is_empty());
        Some(Reply {
            status: text(&["status"])?,
            message: text(&["message", "msg"]).unwrap_or_default(),
            existing: filled(&["ExistingJobStatus"]),
            total: number("NumberTotalRows"),
            loaded: number("NumberLoadedRows"),
            filtered: number("NumberFilteredRows"),
            unselected: number("NumberUnselectedRows"),
            error_url: filled(&["ErrorURL"]),
            state: filled(&["state"]),
            reason: filled(&["reason"]),
        })
    }

    /// Is this the status? In any case of its letters.
    pub fn is(&self, status: &str) -> bool {
        self.status.eq_ignore_ascii_case(status)
    }
}

/// A row that the server left out, as its log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    pub reason: String,
    /// The row as we sent it, without its separator.
    pub row: String,
}

/// The rows of an error log: `Error: REASON. Row: TEXT` each (`Reason: …`, in older servers `src line: [TEXT]`).
pub fn logged(text: &str) -> Vec<Logged> {
    text.split('\n').filter_map(|line| one(line.trim_end_matches('\r'))).collect()
}

fn one(line: &str) -> Option<Logged> {
    let line = line.trim_start();
    let rest = line.strip_prefix("Error: ").or_else(|| line.strip_prefix("Reason: "))?;
    let (reason, row) =
        rest.split_once(". Row: ").or_else(|| rest.split_once(" Row: ")).or_else(|| rest.split_once(". src line: "))?;
    let row = row.strip_prefix('[').and_then(|row| row.trim_end_matches(';').strip_suffix(']')).unwrap_or(row);
    Some(Logged { reason: reason.to_owned(), row: row.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        let reply = Reply::parse(
            br#"{"TxnId":1,"Label":"l","Status":"Success","Message":"OK","NumberTotalRows":3,"NumberLoadedRows":3,
                "NumberFilteredRows":0,"NumberUnselectedRows":0,"ErrorURL":""}"#,
        )
        .unwrap();
        assert_eq!(
            (reply.status.as_str(), reply.total, reply.loaded, &reply.error_url),
            ("Success", Some(3), Some(3), &None)
        );
        let front = Reply::parse(br#"{"status":"FAILED","msg":"There is no 100-continue header"}"#).unwrap();
        assert!(front.is("failed") && front.message.contains("100-continue"));
        let state = Reply::parse(br#"{"state":"VISIBLE","reason":null,"status":"OK","msg":"Success"}"#).unwrap();
        assert_eq!((state.state.as_deref(), state.reason), (Some("VISIBLE"), None));
        for body in ["", "[]", "{}", "<html>", "{\"Status\":null}"] {
            assert_eq!(Reply::parse(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn logs_name_rows() {
        let text = "Error: Value count does not match column count: expected = 3, actual = 2. Row: a\u{1}b\n\
            Reason: column(v) value is incorrect while strict mode is true. src line: [x\u{1}y];\nnoise\n";
        let rows: Vec<(String, String)> = logged(text).into_iter().map(|row| (row.reason, row.row)).collect();
        assert_eq!(rows[0].1, "a\u{1}b");
        assert_eq!(
            rows[1],
            ("column(v) value is incorrect while strict mode is true".to_owned(), "x\u{1}y".to_owned())
        );
        assert_eq!(rows.len(), 2);
    }
}
