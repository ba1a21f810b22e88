//! What becomes of each column's text, decided once from the types and the options.

use super::super::options::{BinaryAs, DecimalAs, EncodeOptions, UintAs};
use super::super::plan::{self, Name, Plan};
use super::bytes16::Sixteen;
use super::room::Desk;
use super::time::Times;
use crate::csv_rows::Grammar;
use crate::header::Column;
use crate::time::Unit;
use crate::types::Type;

/// A line as moves of text.
#[derive(Debug)]
pub(super) struct TextPlan {
    pub measurement: Measurement,
    /// In the order of the line.
    pub tags: Vec<Part>,
    pub fields: Vec<Part>,
    pub time: usize,
    pub times: Clock,
    /// Columns that are in no line. Their texts must be right all the same; those of texts need only be UTF-8.
    pub unused: Vec<(usize, Type)>,
    pub unused_texts: Vec<(usize, Type)>,
    /// Cells of a row.
    pub columns: usize,
    pub longest_key: usize,
}

#[derive(Debug)]
pub(super) enum Measurement {
    Constant(Prefix),
    Column(usize),
}

/// A tag or a field.
#[derive(Debug)]
pub(super) struct Part {
    pub column: usize,
    pub prefix: Prefix,
    pub kind: Kind,
}

/// What a text must be to be copied, and what is put around it.
#[derive(Debug)]
pub(super) enum Kind {
    /// A tag.
    Name,
    /// A string field.
    Text,
    Single,
    Double,
    Whole(Whole),
    Boolean,
    /// Lower-case hexadecimal; `quotes` around it.
    Hex {
        quotes: bool,
    },
    Decimal(Decimal),
    /// A time that is no key.
    Time(Box<Clock>),
    /// Only NULL goes this way.
    Other,
}

/// An integer.
#[derive(Debug)]
pub(super) struct Whole {
    /// So many digits are surely in range; more are parsed.
    pub digits: usize,
    pub ty: Type,
    /// Minus signs that are allowed.
    pub signs: usize,
    /// Put behind it, if `suffix_len` is 1.
    pub suffix: u8,
    pub suffix_len: usize,
}

impl Whole {
    /// Without a suffix if that is 0. Unsigned integers of 18 digits are below 2^63 too.
    pub const fn new(ty: Type, suffix: u8) -> Whole {
        let (digits, signs) = match ty {
            Type::Byte => (2, 1),
            Type::Short => (4, 1),
            Type::Int => (9, 1),
            Type::UByte => (2, 0),
            Type::UShort => (4, 0),
            Type::UInt => (9, 0),
            Type::ULong => (18, 0),
            _ => (18, 1),
        };
        Whole { digits, ty, signs, suffix, suffix_len: (suffix != 0) as usize }
    }
}

#[derive(Debug)]
pub(super) struct Decimal {
    pub precision: u8,
    pub scale: i8,
    /// More digits go the long way: a float may not hold them.
    pub digits: usize,
    pub quotes: bool,
}

/// How times are written in the input.
#[derive(Debug)]
pub(super) enum Clock {
    Rfc3339(Times),
    /// Integers of the unit; zeros to be appended.
    Epoch {
        zeros: usize,
    },
    /// Never this way.
    Other,
}

/// Bytes that stand before each value of a column, ready to be stored by a fixed move.
#[derive(Debug)]
pub(super) struct Prefix {
    first: Sixteen,
    whole: Vec<u8>,
}

impl Prefix {
    fn new(bytes: &[u8]) -> Prefix {
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(bytes) {
            *to = *from;
        }
        Prefix { first, whole: bytes.to_vec() }
    }

    #[inline(always)]
    pub fn put(&self, desk: &mut Desk<'_>, at: usize) -> usize {
        if self.whole.len() <= 16 { desk.sixteen(at, &self.first, self.whole.len()) } else { desk.put(at, &self.whole) }
    }
}

/// Bytes of a prefix, so that one always fits behind a position within a window.
const LONGEST_PREFIX: usize = 4096;

/// Digits that every double holds, whatever they are.
const EXACT_DIGITS: usize = 15;

impl TextPlan {
    /// For rows of these columns. `None` where every line needs a second look, and where a name is absurdly long.
    pub fn new(plan: &Plan, columns: &[Column], grammar: &Grammar, options: &EncodeOptions) -> Option<TextPlan> {
        if plan.careful || columns.is_empty() {
            return None;
        }
        let clock = |unit: Unit, to: Unit| match grammar.epoch {
            None => Clock::Rfc3339(Times::new(unit, to)),
            Some(epoch) if epoch == unit && to.nanos() <= unit.nanos() => {
                Clock::Epoch { zeros: to.digits() - unit.digits() }
            }
            Some(_) => Clock::Other,
        };
        let part = |column: &plan::Column, kind: &dyn Fn(Type) -> Kind| {
            let ty = columns.get(column.index)?.ty;
            Some(Part { column: column.index, prefix: Prefix::new(&column.prefix), kind: kind(ty) })
        };
        let tags = plan.tags.iter().map(|column| part(column, &as_tag)).collect::<Option<Vec<_>>>()?;
        let field = |ty: Type| match ty {
            Type::Timestamp(unit) => Kind::Time(Box::new(clock(unit, unit))),
            ty => as_field(ty, options),
        };
        let fields = plan.fields.iter().map(|column| part(column, &field)).collect::<Option<Vec<_>>>()?;
        let Type::Timestamp(unit) = columns.get(plan.time)?.ty else { return None };
        let measurement = match &plan.measurement {
            Name::Constant(name) => Measurement::Constant(Prefix::new(name)),
            Name::Column(index) => {
                // A number as a name: seldom, and then the long way.
                if !matches!(columns.get(*index)?.ty, Type::String | Type::Json) {
                    return None;
                }
                Measurement::Column(*index)
            }
        };
        let prefixes = tags.iter().chain(&fields).map(|part| &part.prefix);
        let constant = match &measurement {
            Measurement::Constant(name) => Some(name),
            Measurement::Column(_) => None,
        };
        if prefixes.chain(constant).any(|prefix| prefix.whole.len() > LONGEST_PREFIX) {
            return None;
        }
        let mut used: Vec<usize> = tags.iter().chain(&fields).map(|part| part.column).chain([plan.time]).collect();
        if let Measurement::Column(index) = measurement {
            used.push(index);
        }
        let unused = columns.iter().enumerate().filter(|(at, _)| !used.contains(at)).map(|(at, c)| (at, c.ty));
        let (unused_texts, unused) = unused.partition(|(_, ty)| matches!(ty, Type::String | Type::Json));
        Some(TextPlan {
            measurement,
            tags,
            fields,
            time: plan.time,
            times: clock(unit, options.precision),
            unused,
            unused_texts,
            columns: columns.len(),
            longest_key: plan.longest_key,
        })
    }
}

fn whole(ty: Type, suffix: u8) -> Kind {
    Kind::Whole(Whole::new(ty, suffix))
}

fn is_unsigned(ty: Type) -> bool {
    matches!(ty, Type::UByte | Type::UShort | Type::UInt | Type::ULong)
}

fn as_tag(ty: Type) -> Kind {
    match ty {
        Type::String | Type::Json => Kind::Name,
        Type::Byte | Type::Short | Type::Int | Type::Long => whole(ty, 0),
        Type::UByte | Type::UShort | Type::UInt | Type::ULong => whole(ty, 0),
        Type::Boolean => Kind::Boolean,
        Type::Binary | Type::Geometry => Kind::Hex { quotes: false },
        Type::Decimal(precision, scale) => all_digits(precision, scale, false),
        // Tags are texts: the spelling of a float or a time would make another series.
        Type::Float | Type::Double | Type::Timestamp(_) => Kind::Other,
    }
}

fn all_digits(precision: u8, scale: i8, quotes: bool) -> Kind {
    // One more: the zero before the point.
    Kind::Decimal(Decimal { precision, scale, digits: usize::from(precision) + 1, quotes })
}

fn as_field(ty: Type, options: &EncodeOptions) -> Kind {
    match ty {
        Type::String | Type::Json => Kind::Text,
        Type::Float => Kind::Single,
        Type::Double => Kind::Double,
        Type::Boolean => Kind::Boolean,
        Type::Binary | Type::Geometry if options.binary == BinaryAs::Hex => Kind::Hex { quotes: true },
        Type::Binary | Type::Geometry => Kind::Other,
        Type::Decimal(precision, scale) => match options.decimal {
            DecimalAs::String => all_digits(precision, scale, true),
            DecimalAs::Float => Kind::Decimal(Decimal { precision, scale, digits: EXACT_DIGITS, quotes: false }),
        },
        Type::Timestamp(_) => Kind::Other,
        _ if !is_unsigned(ty) => whole(ty, b'i'),
        _ => match options.uint {
            UintAs::Float | UintAs::Error => Kind::Other,
            UintAs::Auto | UintAs::Unsigned if options.dialect.has_unsigned() => whole(ty, b'u'),
            _ => whole(ty, b'i'),
        },
    }
}
