//! Which server reads the bytes, in what unit its times are, and what it can hold.

use std::fmt;
use std::str::FromStr;

/// The generation of the server that reads the line (dossier influxdb 1.2 to 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// What v1, v2 and v3 all read in the same way. Everything else is refused.
    #[default]
    Portable,
    /// InfluxDB 1.x: backslashes are literal unless before a separator, no unsigned integers.
    V1,
    /// InfluxDB 2.x: as v1, with unsigned integers and more reserved tag keys.
    V2,
    /// InfluxDB 3.x: a backslash is written `\\`, numbers are strict, text is UTF-8, strings end at 64 KiB.
    V3,
}

impl Dialect {
    /// All dialects, for tests and help texts.
    pub const ALL: [Dialect; 4] = [Dialect::Portable, Dialect::V1, Dialect::V2, Dialect::V3];

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Portable => "portable",
            Dialect::V1 => "v1",
            Dialect::V2 => "v2",
            Dialect::V3 => "v3",
        }
    }

    /// The largest string field, in bytes after unescaping.
    pub fn max_string(self) -> usize {
        match self {
            Dialect::V1 | Dialect::V2 => 1 << 20,
            Dialect::V3 | Dialect::Portable => 1 << 16,
        }
    }

    /// The largest measurement, key or tag value, in bytes. v1 and v2 limit the sum instead: see [`Dialect::max_key`].
    pub fn max_name(self) -> usize {
        match self {
            Dialect::V1 | Dialect::V2 => MAX_KEY,
            Dialect::V3 => 1 << 16,
            Dialect::Portable => MAX_KEY,
        }
    }

    /// The largest series key (`measurement,tag=value...` as written) plus 4 plus the field key.
    pub fn max_key(self) -> Option<usize> {
        (self != Dialect::V3).then_some(MAX_KEY)
    }

    /// True where `7u` is a value.
    pub fn has_unsigned(self) -> bool {
        matches!(self, Dialect::V2 | Dialect::V3)
    }

    /// True where `.5`, `5.` and `1.e5` are numbers.
    pub(crate) fn loose_floats(self) -> bool {
        matches!(self, Dialect::V1 | Dialect::V2)
    }

    /// True where text must be UTF-8.
    pub(crate) fn utf8(self) -> bool {
        matches!(self, Dialect::V3 | Dialect::Portable)
    }

    /// The smallest and the largest time in nanoseconds. v1 and v2 keep the extremes of i64 for themselves.
    pub fn time_range(self) -> (i64, i64) {
        match self {
            Dialect::V3 => (i64::MIN, i64::MAX),
            _ => (-9_223_372_036_854_775_806, 9_223_372_036_854_775_806),
        }
    }
}

/// `MaxKeyLength` of v1 and v2.
const MAX_KEY: usize = 65_535;

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Dialect::ALL
            .into_iter()
            .find(|d| d.name() == s)
            .ok_or_else(|| format!("unknown dialect '{s}': portable, v1, v2 or v3"))
    }
}

/// The unit of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds: what servers take when nothing is said.
    #[default]
    Ns,
}

impl Precision {
    /// All units, coarse to fine.
    pub const ALL: [Precision; 4] = [Precision::S, Precision::Ms, Precision::Us, Precision::Ns];

    /// Nanoseconds in one unit.
    pub fn nanos(self) -> i64 {
        match self {
            Precision::S => 1_000_000_000,
            Precision::Ms => 1_000_000,
            Precision::Us => 1_000,
            Precision::Ns => 1,
        }
    }

    /// The name used on command lines: `s`, `ms`, `us`, `ns`. Servers differ for microseconds, see the client.
    pub fn name(self) -> &'static str {
        match self {
            Precision::S => "s",
            Precision::Ms => "ms",
            Precision::Us => "us",
            Precision::Ns => "ns",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Precision::ALL
            .into_iter()
            .find(|p| p.name() == s)
            .ok_or_else(|| format!("unknown precision '{s}': s, ms, us or ns"))
    }
}

/// The named parts of a line; each has its own rules of escaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// The measurement: `,` and space are escaped, `=` and `"` are plain.
    Measurement,
    /// A tag key: `,`, `=` and space are escaped.
    TagKey,
    /// A tag value: as a tag key.
    TagValue,
    /// A field key: as a tag key, but v1 and v2 scan its backslashes in pairs.
    FieldKey,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::Measurement => "measurement",
            Element::TagKey => "tag key",
            Element::TagValue => "tag value",
            Element::FieldKey => "field key",
        })
    }
}

/// Sizes above which a line is refused whatever the dialect: one line of 500,000 fields stopped a 1.8 server for ten
/// minutes (measured on real servers 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a line without its line end.
    pub line: usize,
    /// Fields in a line.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { line: 4 << 20, fields: 10_000 }
    }
}
