//! A password or token that cannot be printed by accident.

use std::fmt;

/// A secret. `Debug` and `Display` show `***`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret. A trailing line end (files written by editors and `echo` have one) is cut.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        while text.ends_with(['\n', '\r']) {
            text.pop();
        }
        Secret(text)
    }

    /// The secret itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
