//! The arguments of `subscribe`, all of them texts.

use std::time::Duration;

use serde_json::{Map, Value as Json};

/// Where a group without committed offsets starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    Earliest,
    Latest,
    /// Nowhere.
    None,
}

/// A consumer's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    pub user: String,
    pub password: String,
    pub group: String,
    pub topics: Vec<String>,
    pub reset: Reset,
    pub snapshot: bool,
    pub with_table_name: bool,
    /// Every change of a schema comes as a list.
    pub batch_meta: bool,
    /// How often a poll commits what earlier ones handed out; never when it is `None`.
    pub auto_commit: Option<Duration>,
}

/// Code and text of a refusal.
pub type Refusal = (u32, String);

/// Reads the arguments. `batches`: the server knows `enable_batch_meta`.
pub fn parse(args: &Map<String, Json>, batches: bool) -> Result<Settings, Refusal> {
    let text = |name: &str| args.get(name).and_then(Json::as_str).unwrap_or_default();
    let auto_commit = match text("auto_commit") {
        "" | "0" | "f" | "F" | "false" | "False" | "FALSE" => false,
        "1" | "t" | "T" | "true" | "True" | "TRUE" => true,
        other => return Err((0xffff, format!("strconv.ParseBool: parsing \"{other}\": invalid syntax"))),
    };
    let interval = match text("auto_commit_interval_ms") {
        "" => 5000,
        other => other
            .parse::<i64>()
            .map_err(|_| (0xffff, format!("strconv.ParseInt: parsing \"{other}\": invalid syntax")))?,
    };
    // The misspelt name is the older one.
    let reset = match [text("offset_reset"), text("offset_rest")].into_iter().find(|t| !t.is_empty()) {
        None | Some("latest") => Reset::Latest,
        Some("earliest") => Reset::Earliest,
        Some("none") => Reset::None,
        Some(_) => return Err((0xffff, "fail".into())),
    };
    let batch_meta = match text("enable_batch_meta") {
        "" => false,
        _ if !batches => return Err((0xfffe, "Unknown error 65534".into())),
        other => other != "0",
    };
    let topics = args.get("topics").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    Ok(Settings {
        user: text("user").into(),
        password: text("password").into(),
        group: text("group_id").into(),
        topics: topics.map(str::to_string).collect(),
        reset,
        snapshot: text("snapshot_enable") == "true",
        with_table_name: text("with_table_name") != "false",
        batch_meta,
        auto_commit: auto_commit.then(|| Duration::from_millis(u64::try_from(interval).unwrap_or(0))),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(args: Json) -> Result<Settings, Refusal> {
        parse(args.as_object().unwrap(), true)
    }

    #[test]
    fn settings_have_the_adapters_defaults() {
        let plain = read(json!({"topics": ["a", "b"]})).unwrap();
        assert_eq!((plain.reset, plain.auto_commit, plain.topics.len()), (Reset::Latest, None, 2));
        let full = json!({"offset_rest": "earliest", "auto_commit": "T", "auto_commit_interval_ms": "20", "enable_batch_meta": "1"});
        let full = read(full).unwrap();
        assert_eq!((full.reset, full.auto_commit), (Reset::Earliest, Some(Duration::from_millis(20))));
        assert!(full.batch_meta && !full.snapshot);
        assert_eq!(read(json!({"auto_commit": "yes"})).unwrap_err().0, 0xffff);
        assert_eq!(parse(json!({"enable_batch_meta": "1"}).as_object().unwrap(), false).unwrap_err().0, 0xfffe);
    }
}
