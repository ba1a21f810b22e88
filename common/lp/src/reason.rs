//! Why a line is bad, and where.

use std::fmt;

use crate::Element;

/// Why a line cannot be read or must not be sent. Stable: tests and dead-letter files match on [`Reason::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The line is a comment.
    Comment,
    /// The measurement is missing.
    MissingMeasurement,
    /// There is nothing after the measurement and the tags.
    MissingFields,
    /// A name between separators is empty: `m,,t=a`, `m ,f=1`, `t=`.
    Empty(Element),
    /// A key has no `=`: `m,t f=1`, `m f 1`.
    MissingValue(Element),
    /// `,` or `=` or a space stands unescaped where it cannot: `t=a=b`.
    Unescaped(Element),
    /// A name ends in a backslash, which would escape the separator after it.
    TrailingBackslash(Element),
    /// Backslashes that the scanners of a v1 or v2 server count differently: the line that crashes them is of this kind.
    BackslashBeforeSeparator(Element),
    /// Backslashes that v1, v2 and v3 read differently: name a dialect.
    AmbiguousBackslash(Element),
    /// A line feed in a name or a tag value.
    LineFeed(Element),
    /// A tab or a NUL where the dialect strips it or ends the name at it.
    Control(Element),
    /// A field without value: `m f=`.
    MissingFieldValue,
    /// The value is neither number, string nor one of the ten spellings of a boolean.
    BadValue,
    /// Not a number of the dialect: `1_000`, `+1`, `.5` for v3, NaN.
    BadNumber,
    /// An integer outside of i64 or u64.
    IntegerOutOfRange,
    /// A float beyond the range of f64.
    FloatOutOfRange,
    /// `u` where the dialect has no unsigned integers.
    Unsigned,
    /// A `"` opens a string that no `"` closes.
    UnterminatedString,
    /// Something follows the closing `"` of a string.
    TextAfterString,
    /// Not an integer.
    BadTimestamp,
    /// Outside of the times that the server keeps.
    TimestampOutOfRange,
    /// Something follows the timestamp.
    TextAfterTimestamp,
    /// No timestamp: the server would put its own clock, and a repeated write would double the row.
    MissingTimestamp,
    /// The same tag twice.
    DuplicateTag,
    /// The same field twice: one of the values would be lost in silence.
    DuplicateField,
    /// A tag and a field of one name.
    TagIsField,
    /// A name that the server keeps for itself: `time`, `_field`, `_measurement`.
    ReservedName,
    /// A string field longer than the server keeps.
    StringTooLong,
    /// Series key plus field key too long, or a single name.
    KeyTooLong,
    /// The line is longer than the limit.
    LineTooLong,
    /// More fields than the limit.
    TooManyFields,
    /// Not UTF-8.
    NotUtf8,
    /// A server would see the end of the line elsewhere.
    LineEndDiffers,
}

impl Reason {
    /// A short stable name, for counters and dead-letter files.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Comment => "comment",
            Reason::MissingMeasurement => "missing_measurement",
            Reason::MissingFields => "missing_fields",
            Reason::Empty(_) => "empty_name",
            Reason::MissingValue(_) => "missing_value",
            Reason::Unescaped(_) => "unescaped_separator",
            Reason::TrailingBackslash(_) => "trailing_backslash",
            Reason::BackslashBeforeSeparator(_) => "backslash_before_separator",
            Reason::AmbiguousBackslash(_) => "ambiguous_backslash",
            Reason::LineFeed(_) => "line_feed",
            Reason::Control(_) => "control_character",
            Reason::MissingFieldValue => "missing_field_value",
            Reason::BadValue => "bad_value",
            Reason::BadNumber => "bad_number",
            Reason::IntegerOutOfRange => "integer_out_of_range",
            Reason::FloatOutOfRange => "float_out_of_range",
            Reason::Unsigned => "unsigned",
            Reason::UnterminatedString => "unterminated_string",
            Reason::TextAfterString => "text_after_string",
            Reason::BadTimestamp => "bad_timestamp",
            Reason::TimestampOutOfRange => "timestamp_out_of_range",
            Reason::TextAfterTimestamp => "text_after_timestamp",
            Reason::MissingTimestamp => "missing_timestamp",
            Reason::DuplicateTag => "duplicate_tag",
            Reason::DuplicateField => "duplicate_field",
            Reason::TagIsField => "tag_is_field",
            Reason::ReservedName => "reserved_name",
            Reason::StringTooLong => "string_too_long",
            Reason::KeyTooLong => "key_too_long",
            Reason::LineTooLong => "line_too_long",
            Reason::TooManyFields => "too_many_fields",
            Reason::NotUtf8 => "not_utf8",
            Reason::LineEndDiffers => "line_end_differs",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Comment => f.write_str("a comment, not a row"),
            Reason::MissingMeasurement => f.write_str("missing measurement"),
            Reason::MissingFields => f.write_str("missing fields"),
            Reason::Empty(e) => write!(f, "empty {e}"),
            Reason::MissingValue(e) => write!(f, "{e} without value"),
            Reason::Unescaped(e) => write!(f, "unescaped separator in a {e}"),
            Reason::TrailingBackslash(e) => write!(f, "{e} ends in a backslash"),
            Reason::BackslashBeforeSeparator(e) => {
                write!(f, "backslashes before a separator in a {e}, which can stop a server")
            }
            Reason::AmbiguousBackslash(e) => {
                write!(f, "backslashes in a {e} that v1, v2 and v3 read differently, name the dialect")
            }
            Reason::LineFeed(e) => write!(f, "line feed in a {e}"),
            Reason::Control(e) => write!(f, "tab or nul in a {e}"),
            Reason::MissingFieldValue => f.write_str("missing field value"),
            Reason::BadValue => f.write_str("field value is neither number, string nor boolean"),
            Reason::BadNumber => f.write_str("invalid number"),
            Reason::IntegerOutOfRange => f.write_str("integer out of range"),
            Reason::FloatOutOfRange => f.write_str("float out of range"),
            Reason::Unsigned => f.write_str("unsigned integer, which this dialect does not have"),
            Reason::UnterminatedString => f.write_str("unterminated string, read on at the next line feed"),
            Reason::TextAfterString => f.write_str("text after the closing quote of a string"),
            Reason::BadTimestamp => f.write_str("timestamp is not an integer"),
            Reason::TimestampOutOfRange => f.write_str("timestamp out of range"),
            Reason::TextAfterTimestamp => f.write_str("text after the timestamp"),
            Reason::MissingTimestamp => f.write_str("missing timestamp"),
            Reason::DuplicateTag => f.write_str("duplicate tag"),
            Reason::DuplicateField => f.write_str("duplicate field"),
            Reason::TagIsField => f.write_str("tag and field of the same name"),
            Reason::ReservedName => f.write_str("reserved name"),
            Reason::StringTooLong => f.write_str("string longer than the server keeps"),
            Reason::KeyTooLong => f.write_str("series key and field key longer than the server keeps"),
            Reason::LineTooLong => f.write_str("line too long"),
            Reason::TooManyFields => f.write_str("too many fields in one line"),
            Reason::NotUtf8 => f.write_str("not utf-8"),
            Reason::LineEndDiffers => f.write_str("a server would see the end of the line elsewhere"),
        }
    }
}

/// What is wrong with one line, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Why.
    pub reason: Reason,
    /// The byte, from the start of the line, at which it was seen.
    pub at: usize,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (column {})", self.reason, self.at + 1)
    }
}

impl std::error::Error for BadLine {}

/// What is wrong in a stream of lines, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Byte offset of the line in the stream.
    pub offset: u64,
    /// Number of the line in the stream, from 1, counting line feeds.
    pub line: u64,
    /// Byte in the line.
    pub at: usize,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}, offset {}: {}", self.line, self.at + 1, self.offset, self.reason)
    }
}

impl std::error::Error for LineError {}
