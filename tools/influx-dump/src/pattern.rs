//! Names, globs and regular expressions for measurements.

use fault::{Error, Result};
use globset::{Glob, GlobMatcher};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// What `--measurement` says.
#[derive(Debug)]
pub struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Glob(GlobMatcher),
    /// On bytes, so that `.` and classes are ASCII's and names of any script pass.
    Regex(Box<Regex>),
}

impl Pattern {
    /// `/RE/` is a regular expression, as in InfluxQL; anything else a glob, or a name as it is. Exit 2.
    pub fn parse(text: &str) -> Result<Pattern> {
        let bad = |why: String| Error::usage(format!("--measurement {text}: {why}"));
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).filter(|inner| !inner.is_empty());
        let kind = match inner {
            Some(inner) => {
                let config = syntax::Config::new().unicode(false).utf8(false);
                Kind::Regex(Box::new(Regex::builder().syntax(config).build(inner).map_err(|e| bad(e.to_string()))?))
            }
            None => Kind::Glob(Glob::new(text).map_err(|e| bad(e.kind().to_string()))?.compile_matcher()),
        };
        Ok(Pattern { text: text.to_owned(), kind })
    }

    /// Does it mean this measurement?
    pub fn matches(&self, name: &str) -> bool {
        name == self.text
            || match &self.kind {
                Kind::Glob(glob) => glob.is_match(name),
                Kind::Regex(regex) => regex.is_match(name.as_bytes()),
            }
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_globs_and_regular_expressions() {
        for (pattern, name, expected) in [
            ("cpu", "cpu", true),
            ("cpu", "cpu2", false),
            ("cpu*", "cpu2", true),
            ("[x]", "[x]", true),
            ("/^cpu[0-9]+$/", "cpu12", true),
            ("/^cpu[0-9]+$/", "cpu", false),
            ("/pu/", "cpu", true),
            ("/^.+$/", "温度", true),
            ("/", "/", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        assert!(Pattern::parse("/(/").is_err() && Pattern::parse("[x").is_err());
    }
}
