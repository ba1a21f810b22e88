//! What becomes of columns, and of values that line protocol cannot hold.

use crate::time::Unit;
use fault::Error;
use lp::Dialect;
use std::str::FromStr;

/// Where the measurement's name comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Measurement {
    /// The column with the role `measurement`, else the schema's `ts.measurement`.
    #[default]
    Stated,
    /// This name.
    Named(String),
    /// The texts of this column.
    Column(String),
}

/// What becomes of TDengine's sub-table name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TableAs {
    /// A tag, unless the schema says that dropping it merges no two series.
    #[default]
    Auto,
    Tag,
    Drop,
}

/// What becomes of the second column of a composite primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KeyAs {
    /// A tag: rows that differ in it only stay apart.
    #[default]
    Tag,
    /// A field: of rows that differ in it only, the server keeps the last.
    Field,
}

/// NaN and infinities in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Nan {
    /// The row is rejected.
    #[default]
    Error,
    /// The field is left out.
    Drop,
    /// The field is a string (`"NaN"`), which servers refuse where the field also holds numbers.
    String,
}

/// Line feeds in strings, tags and names; tabs where the dialect has no place for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newline {
    /// The row is rejected.
    Error,
    /// A space instead.
    Space,
    /// As it is, in strings. All servers read that, tools that work by lines do not. In tags: the row is rejected.
    Raw,
    /// The two characters `\n` (`\t`) instead.
    Escape,
}

/// A name or tag value that ends in a backslash, which no version can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TrailingBackslash {
    /// The row is rejected.
    #[default]
    Error,
    /// Without the backslashes at its end.
    Strip,
    /// With a space after it.
    Space,
}

/// Unsigned columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UintAs {
    /// Unsigned where the dialect has it, else integers.
    #[default]
    Auto,
    Unsigned,
    /// Integers; a value above 2^63 - 1 rejects the row.
    Integer,
    /// Floats: above 2^53 not every value is kept.
    Float,
    /// An unsigned column is a usage error.
    Error,
}

/// A tag with an empty value: to InfluxDB the same as no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EmptyTag {
    /// The tag is left out.
    #[default]
    Drop,
    /// The row is rejected.
    Error,
}

/// Binary columns and geometries (WKB): as strings of which alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BinaryAs {
    #[default]
    Hex,
    Base64,
}

/// Decimal columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DecimalAs {
    /// Floats; a value that a float does not hold to the last digit rejects the row.
    #[default]
    Float,
    /// Strings of all digits.
    String,
}

/// Rows in which every field is NULL: line protocol has no place for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AllNull {
    /// Counted and left out.
    #[default]
    Skip,
    /// The row is rejected.
    Error,
}

/// Everything about the way from columns to lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    pub dialect: Dialect,
    pub measurement: Measurement,
    pub table_as: TableAs,
    pub key_as: KeyAs,
    pub nan: Nan,
    pub newline: Newline,
    pub trailing_backslash: TrailingBackslash,
    pub uint: UintAs,
    pub empty_tag: EmptyTag,
    pub binary: BinaryAs,
    pub decimal: DecimalAs,
    pub all_null: AllNull,
    /// The unit of the times in the lines.
    pub precision: Unit,
}

impl EncodeOptions {
    /// The safe choices for a dialect. Line feeds in strings are rejected where lines must suit every reader.
    pub fn new(dialect: Dialect) -> EncodeOptions {
        EncodeOptions {
            dialect,
            measurement: Measurement::default(),
            table_as: TableAs::default(),
            key_as: KeyAs::default(),
            nan: Nan::default(),
            newline: if dialect == Dialect::Portable { Newline::Error } else { Newline::Raw },
            trailing_backslash: TrailingBackslash::default(),
            uint: UintAs::default(),
            empty_tag: EmptyTag::default(),
            binary: BinaryAs::default(),
            decimal: DecimalAs::default(),
            all_null: AllNull::default(),
            precision: Unit::Ns,
        }
    }

    /// The unit of the times in the lines, as `lp` names it.
    pub(crate) fn lp_precision(&self) -> lp::Precision {
        lp_precision(self.precision)
    }
}

/// The unit as `lp` names it.
pub fn lp_precision(unit: Unit) -> lp::Precision {
    match unit {
        Unit::S => lp::Precision::S,
        Unit::Ms => lp::Precision::Ms,
        Unit::Us => lp::Precision::Us,
        Unit::Ns => lp::Precision::Ns,
    }
}

/// The words of a policy on command lines.
macro_rules! words {
    ($($policy:ident { $($word:literal => $variant:ident),+ })+) => {$(
        impl FromStr for $policy {
            type Err = Error;

            fn from_str(text: &str) -> Result<$policy, Error> {
                match text {
                    $($word => Ok($policy::$variant),)+
                    _ => Err(Error::usage(format!("'{text}' is none of: {}", [$($word),+].join(", ")))),
                }
            }
        }
    )+};
}

words! {
    TableAs { "auto" => Auto, "tag" => Tag, "drop" => Drop }
    KeyAs { "tag" => Tag, "field" => Field }
    Nan { "error" => Error, "drop" => Drop, "string" => String }
    Newline { "error" => Error, "space" => Space, "raw" => Raw, "escape" => Escape }
    TrailingBackslash { "error" => Error, "strip" => Strip, "space" => Space }
    UintAs { "auto" => Auto, "u" => Unsigned, "i" => Integer, "float" => Float, "error" => Error }
    EmptyTag { "drop" => Drop, "error" => Error }
    BinaryAs { "hex" => Hex, "base64" => Base64 }
    DecimalAs { "float" => Float, "string" => String }
    AllNull { "skip" => Skip, "error" => Error }
}

impl FromStr for Measurement {
    type Err = Error;

    /// `NAME`, or `column:COL`.
    fn from_str(text: &str) -> Result<Measurement, Error> {
        match text.strip_prefix("column:") {
            Some("") => Err(Error::usage("column: needs the name of a column")),
            Some(column) => Ok(Measurement::Column(column.to_owned())),
            None if text.is_empty() => Err(Error::usage("the measurement has no name")),
            None => Ok(Measurement::Named(text.to_owned())),
        }
    }
}
