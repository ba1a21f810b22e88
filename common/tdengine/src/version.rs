//! Server versions: `3.3.6.0`, `3.3.1.0.alpha`, `2.6.0.12-community`.

use std::fmt;

/// The first four numbers of a version; missing ones are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 4]);

impl Version {
    /// Binary queries and `fetch_raw_block` on `/ws` (2.2).
    pub const BINARY_QUERY: Version = Version([3, 3, 2, 0]);
    /// The connection's own time zone, by REST's `conn_tz` (1.1).
    pub const CONN_TZ: Version = Version([3, 3, 5, 0]);

    /// Parses leniently: suffixes are ignored. `None` for a text that does not begin with a number.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.trim().trim_start_matches("ver-").trim_start_matches('v');
        let mut parts = [0; 4];
        let mut found = false;
        for (slot, part) in parts.iter_mut().zip(text.split('.')) {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            match part[..digits].parse() {
                Ok(number) => *slot = number,
                Err(_) => break,
            }
            found = true;
            if digits < part.len() {
                break;
            }
        }
        found.then_some(Version(parts))
    }

    /// The generation: 2 or 3.
    pub fn major(self) -> u32 {
        self.0[0]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a}.{b}.{c}.{d}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert_eq!(Version::parse("3.3.1.0.alpha"), Some(Version([3, 3, 1, 0])));
        assert_eq!(Version::parse("2.6.0.12-community"), Some(Version([2, 6, 0, 12])));
        assert_eq!(Version::parse("3.3"), Some(Version([3, 3, 0, 0])));
        assert_eq!(Version::parse("community"), None);
        assert!(Version::parse("3.3.10.0") > Some(Version::BINARY_QUERY));
        assert!(Version::parse("3.3.1.9") < Some(Version::BINARY_QUERY));
    }
}
