//! The server's version: which features there are.

/// `3.3.5` as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// Two or three numbers.
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.split('.').map(str::parse);
        let version = Version(parts.next()?.ok()?, parts.next()?.ok()?, parts.next().unwrap_or(Ok(0)).ok()?);
        parts.next().is_none().then_some(version)
    }

    /// The text of `current_version()` (dossier starrocks 5.3: like `3.3.5-6d81f75`).
    pub fn current(self) -> String {
        format!("{}.{}.{}-6d81f75", self.0, self.1, self.2)
    }

    /// The MySQL version in the greeting (5.1.0 old, 8.0.33 newer: [memory], as is where it changed).
    pub fn mysql(self) -> &'static str {
        if self >= Version(3, 2, 0) { "8.0.33" } else { "5.1.0" }
    }
}
