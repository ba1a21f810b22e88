//! Column types: numbers, names and sizes, as the server reports them.

use crate::args::Precision;

/// What a column holds. The numbers of the wire are given by [`Type::number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    VarChar,
    Timestamp,
    NChar,
    UTinyInt,
    USmallInt,
    UInt,
    UBigInt,
    Json,
    VarBinary,
    Decimal,
    Blob,
    Geometry,
    Decimal64,
}

/// A kind with its size: bytes for VARCHAR, VARBINARY and GEOMETRY, characters for NCHAR, precision and scale for DECIMAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    pub kind: Kind,
    pub len: u32,
    pub precision: u8,
    pub scale: u8,
}

/// Name of a column and its type; `key` marks the second part of a composite primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    pub key: bool,
}

impl Field {
    pub fn new(name: impl Into<String>, ty: Type) -> Field {
        Field { name: name.into(), ty, key: false }
    }
}

/// `tbname` is VARCHAR(270) on the wire (recorded).
pub const TBNAME: Type = Type::var(Kind::VarChar, 270);
/// Longest JSON tag.
const JSON_LEN: u32 = 4095;
/// Default and largest BLOB.
const BLOB_LEN: u32 = 4_194_304;

impl Type {
    /// A type of fixed width.
    pub const fn fixed(kind: Kind) -> Type {
        Type { kind, len: 0, precision: 0, scale: 0 }
    }

    /// A type with a length.
    pub const fn var(kind: Kind, len: u32) -> Type {
        Type { kind, len, precision: 0, scale: 0 }
    }

    /// DECIMAL64 up to 18 digits, else the 128-bit one.
    pub fn decimal(precision: u8, scale: u8) -> Option<Type> {
        if precision == 0 || precision > 38 || scale > precision {
            return None;
        }
        let kind = if precision <= 18 { Kind::Decimal64 } else { Kind::Decimal };
        Some(Type { kind, len: 0, precision, scale })
    }

    /// The number in blocks and in `fields_types` (dossier tdengine 2.3).
    pub fn number(self) -> u8 {
        match self.kind {
            Kind::Bool => 1,
            Kind::TinyInt => 2,
            Kind::SmallInt => 3,
            Kind::Int => 4,
            Kind::BigInt => 5,
            Kind::Float => 6,
            Kind::Double => 7,
            Kind::VarChar => 8,
            Kind::Timestamp => 9,
            Kind::NChar => 10,
            Kind::UTinyInt => 11,
            Kind::USmallInt => 12,
            Kind::UInt => 13,
            Kind::UBigInt => 14,
            Kind::Json => 15,
            Kind::VarBinary => 16,
            Kind::Decimal => 17,
            Kind::Blob => 18,
            Kind::Geometry => 20,
            Kind::Decimal64 => 21,
        }
    }

    /// The type of a column of a block: its number, and the four bytes after it; the inverse of [`Type::number`] and
    /// [`Type::block_bytes`].
    pub fn from_wire(number: u8, sizes: [u8; 4]) -> Option<Type> {
        let bytes = u32::from_le_bytes(sizes);
        let kind = match number {
            1 => Kind::Bool,
            2 => Kind::TinyInt,
            3 => Kind::SmallInt,
            4 => Kind::Int,
            5 => Kind::BigInt,
            6 => Kind::Float,
            7 => Kind::Double,
            9 => Kind::Timestamp,
            11 => Kind::UTinyInt,
            12 => Kind::USmallInt,
            13 => Kind::UInt,
            14 => Kind::UBigInt,
            15 => Kind::Json,
            18 => Kind::Blob,
            8 => return Some(Type::var(Kind::VarChar, bytes.saturating_sub(2))),
            10 => return Some(Type::var(Kind::NChar, bytes.saturating_sub(2) / 4)),
            16 => return Some(Type::var(Kind::VarBinary, bytes.saturating_sub(2))),
            20 => return Some(Type::var(Kind::Geometry, bytes.saturating_sub(2))),
            17 | 21 => {
                let kind = if number == 17 { Kind::Decimal } else { Kind::Decimal64 };
                let [scale, precision, ..] = sizes;
                return (scale <= precision && precision <= 38).then_some(Type { kind, len: 0, precision, scale });
            }
            _ => return None,
        };
        Some(Type::fixed(kind))
    }

    /// Bytes per value; `None` for types of variable length.
    pub fn width(self) -> Option<usize> {
        Some(match self.kind {
            Kind::Bool | Kind::TinyInt | Kind::UTinyInt => 1,
            Kind::SmallInt | Kind::USmallInt => 2,
            Kind::Int | Kind::UInt | Kind::Float => 4,
            Kind::BigInt | Kind::UBigInt | Kind::Double | Kind::Timestamp | Kind::Decimal64 => 8,
            Kind::Decimal => 16,
            Kind::VarChar | Kind::NChar | Kind::Json | Kind::VarBinary | Kind::Blob | Kind::Geometry => return None,
        })
    }

    /// The length that DESCRIBE, `column_meta` and `fields_lengths` report.
    pub fn declared(self) -> u32 {
        match self.kind {
            Kind::Json => JSON_LEN,
            Kind::Blob => BLOB_LEN,
            _ => self.width().map_or(self.len, |w| w as u32),
        }
    }

    /// The `bytes` of a block's column header: with the length prefix, NCHAR in UCS-4, JSON 16384 (recorded).
    pub fn block_bytes(self) -> u32 {
        match self.kind {
            Kind::NChar => self.len * 4 + 2,
            Kind::Json => 16384,
            Kind::Blob => BLOB_LEN + 4,
            _ => self.width().map_or(self.len + 2, |w| w as u32),
        }
    }

    /// How the storage engine encodes the type before it compresses it (recorded), and the number of that.
    pub fn encoding(self) -> (&'static str, u8) {
        match self.kind {
            Kind::Timestamp => ("delta-i", 2),
            Kind::Bool => ("bit-packing", 3),
            Kind::Float | Kind::Double => ("delta-d", 4),
            Kind::Decimal | Kind::Decimal64 => ("disabled", 0xff),
            _ if self.width().is_some() => ("simple8b", 1),
            _ => ("disabled", 0xff),
        }
    }

    /// The base name, without a length (DESCRIBE, `column_meta`); DECIMAL with its digits.
    pub fn name(self) -> String {
        let name = match self.kind {
            Kind::Bool => "BOOL",
            Kind::TinyInt => "TINYINT",
            Kind::SmallInt => "SMALLINT",
            Kind::Int => "INT",
            Kind::BigInt => "BIGINT",
            Kind::Float => "FLOAT",
            Kind::Double => "DOUBLE",
            Kind::VarChar => "VARCHAR",
            Kind::Timestamp => "TIMESTAMP",
            Kind::NChar => "NCHAR",
            Kind::UTinyInt => "TINYINT UNSIGNED",
            Kind::USmallInt => "SMALLINT UNSIGNED",
            Kind::UInt => "INT UNSIGNED",
            Kind::UBigInt => "BIGINT UNSIGNED",
            Kind::Json => "JSON",
            Kind::VarBinary => "VARBINARY",
            Kind::Blob => "BLOB",
            Kind::Geometry => "GEOMETRY",
            Kind::Decimal | Kind::Decimal64 => return format!("DECIMAL({}, {})", self.precision, self.scale),
        };
        name.to_string()
    }

    /// The name with a length, as in SHOW CREATE and `ins_tags.tag_type`.
    pub fn full_name(self) -> String {
        match self.kind {
            Kind::VarChar | Kind::NChar | Kind::VarBinary | Kind::Geometry => format!("{}({})", self.name(), self.len),
            _ => self.name(),
        }
    }

    /// Reads a type as in SQL: `INT UNSIGNED`, `NCHAR(64)`, `DECIMAL(10, 2)`; `None` when it is none.
    pub fn parse(text: &str) -> Option<Type> {
        let (name, arguments) = match text.trim().split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')')?)),
            None => (text.trim(), None),
        };
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        if name == "DECIMAL" {
            let (precision, scale) = arguments?.split_once(',').unwrap_or((arguments?, "0"));
            return Type::decimal(precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        }
        if let Some(kind) = var_kind(&name) {
            let len: u32 = arguments?.trim().parse().ok()?;
            return (1..=65517).contains(&len).then_some(Type::var(kind, len));
        }
        let kind = match name.as_str() {
            "BOOL" => Kind::Bool,
            "TINYINT" => Kind::TinyInt,
            "SMALLINT" => Kind::SmallInt,
            "INT" | "INTEGER" => Kind::Int,
            "BIGINT" => Kind::BigInt,
            "FLOAT" => Kind::Float,
            "DOUBLE" => Kind::Double,
            "TIMESTAMP" => Kind::Timestamp,
            "TINYINT UNSIGNED" => Kind::UTinyInt,
            "SMALLINT UNSIGNED" => Kind::USmallInt,
            "INT UNSIGNED" | "INTEGER UNSIGNED" => Kind::UInt,
            "BIGINT UNSIGNED" => Kind::UBigInt,
            "JSON" => Kind::Json,
            "BLOB" => Kind::Blob,
            _ => return None,
        };
        arguments.is_none().then_some(Type::fixed(kind))
    }
}

fn var_kind(name: &str) -> Option<Kind> {
    Some(match name {
        "VARCHAR" | "BINARY" => Kind::VarChar,
        "NCHAR" => Kind::NChar,
        "VARBINARY" => Kind::VarBinary,
        "GEOMETRY" => Kind::Geometry,
        _ => return None,
    })
}

impl Precision {
    /// `ms`, `us`, `ns`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Ms => "ms",
            Precision::Us => "us",
            Precision::Ns => "ns",
        }
    }

    /// The number in WebSocket replies.
    pub fn number(self) -> u8 {
        match self {
            Precision::Ms => 0,
            Precision::Us => 1,
            Precision::Ns => 2,
        }
    }

    /// Fraction digits: 3, 6, 9.
    pub fn digits(self) -> u32 {
        match self {
            Precision::Ms => 3,
            Precision::Us => 6,
            Precision::Ns => 9,
        }
    }

    /// Units in a second.
    pub fn per_second(self) -> i64 {
        10_i64.pow(self.digits())
    }

    /// Reads `ms`, `us` or `ns`.
    pub fn parse(text: &str) -> Option<Precision> {
        [Precision::Ms, Precision::Us, Precision::Ns].into_iter().find(|p| p.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_what_they_print() {
        for text in
            ["INT UNSIGNED", "NCHAR(64)", "DECIMAL(10, 2)", "DECIMAL(38, 10)", "JSON", "GEOMETRY(100)", "BIGINT"]
        {
            assert_eq!(Type::parse(text).unwrap().full_name(), text);
        }
        assert_eq!(Type::parse("binary( 8 )").unwrap().full_name(), "VARCHAR(8)");
        assert_eq!(Type::parse("decimal(20,4)").unwrap().number(), 17);
        for text in ["NCHAR", "INT(4)", "DECIMAL(39,1)", "TEXT", "NCHAR(x)", "VARCHAR(0)"] {
            assert!(Type::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn sizes_are_the_recorded_ones() {
        let nchar = Type::parse("NCHAR(20)").unwrap();
        assert_eq!((nchar.declared(), nchar.block_bytes()), (20, 82));
        assert_eq!((TBNAME.declared(), TBNAME.block_bytes()), (270, 272));
        let json = Type::fixed(Kind::Json);
        assert_eq!((json.declared(), json.block_bytes()), (4095, 16384));
    }
}
