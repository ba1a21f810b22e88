//! Version numbers, and what depends on them.

/// A version such as `3.3.1.0.alpha`: four numbers to compare by, and the text that is reported.
#[derive(Debug, Clone)]
pub struct Version {
    numbers: [u32; 4],
    text: String,
}

impl Version {
    /// Reads the first four numeric parts; suffixes (`.alpha`, `-community`) only stay in the text.
    pub fn parse(text: &str) -> Option<Version> {
        let mut numbers = [0; 4];
        let mut seen = 0;
        for part in text.split(['.', '-']).take(4) {
            match part.parse() {
                Ok(n) => numbers[seen] = n,
                Err(_) => break,
            }
            seen += 1;
        }
        (seen >= 2 && (2..=3).contains(&numbers[0])).then(|| Version { numbers, text: text.to_string() })
    }

    /// The text as given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True from `[major, minor, patch, build]` on.
    pub fn at_least(&self, other: [u32; 4]) -> bool {
        self.numbers >= other
    }

    /// TDengine 2.x: other JSON, other blocks, other catalog.
    pub fn is_2x(&self) -> bool {
        self.numbers[0] == 2
    }
}

/// Binary query and `fetch_raw_block` on `/ws` (dossier tdengine 0).
pub const BINARY_QUERY: [u32; 4] = [3, 3, 2, 0];
/// `stmt2` on `/ws` (dossier tdengine 0; adapter 3.3.2 did not have it, as recorded).
pub const STMT2: [u32; 4] = [3, 3, 3, 0];
/// Tag columns of unsorted results share one value by repeated offsets; 3.3.1 copied it into every row (recorded).
pub const SHARED_TAGS: [u32; 4] = [3, 3, 6, 0];
/// The reply to `conn` carries `version`; adapter 3.3.2 did not (recorded).
pub const CONN_VERSION: [u32; 4] = [3, 3, 5, 0];
/// `table_name_key` of schemaless writes (dossier tdengine 6.4); adapter 3.3.2 did not look at it (recorded).
pub const TABLE_NAME_KEY: [u32; 4] = [3, 3, 3, 0];
/// `enable_batch_meta` in subscriptions; 3.3.1 refuses it (recorded).
pub const BATCH_META: [u32; 4] = [3, 3, 3, 0];
/// A poll that names another message than the last one gets the last one again (dossier tdengine 3.1).
pub const POLL_REPEATS: [u32; 4] = [3, 3, 6, 0];
/// `conn_tz` (dossier tdengine 0).
pub const CONN_TZ: [u32; 4] = [3, 3, 5, 0];
/// DECIMAL columns; replies to queries carry precisions and scales.
pub const DECIMAL: [u32; 4] = [3, 3, 6, 0];
/// BLOB columns.
pub const BLOB: [u32; 4] = [3, 3, 7, 0];
/// REST writes NaN and Inf as null; before, the JSON ends there (dossier tdengine 1.5).
pub const NAN_AS_NULL: [u32; 4] = [3, 3, 8, 4];
/// Bearer tokens.
pub const BEARER: [u32; 4] = [3, 4, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_four_numbers_and_keeps_the_text() {
        let v = Version::parse("3.3.1.0.alpha").unwrap();
        assert_eq!(v.text(), "3.3.1.0.alpha");
        assert!(v.at_least([3, 3, 1, 0]) && !v.at_least(BINARY_QUERY));
        assert!(Version::parse("3.3.10.1").unwrap().at_least(NAN_AS_NULL));
        assert!(Version::parse("2.6.0.0-community").unwrap().is_2x());
        assert!(Version::parse("three").is_none() && Version::parse("4.0").is_none());
    }
}
