//! What becomes of each column's text, decided once from the types and the options.

use super::super::options::{BinaryAs, DecimalAs, EncodeOptions, Newline, UintAs};
use super::super::plan::{self, Name, Plan};
use super::room::Desk;
use super::time::Times;
use super::value;
use crate::bytes16::Sixteen;
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

/// A tag or a field: what its text must be to be copied, and what is put around it.
#[derive(Debug)]
pub(super) struct Part {
    pub column: usize,
    pub prefix: Prefix,
    /// Stores key and value.
    pub put: Put,
    /// A column of texts, in which nothing at all may be a text.
    pub text: bool,
    pub form: Form,
}

/// Stores a cell of `len` bytes from `start` of the window on, with its key, at a position; gives where it ends, or `NO`.
pub(super) type Put = fn(&mut Part, &mut Desk<'_>, usize, usize, usize) -> usize;

/// What [`Put`] has to know of the column; each looks at its own.
#[derive(Debug)]
pub(super) struct Form {
    pub whole: Whole,
    pub decimal: Decimal,
    /// A string, in quotes.
    pub quotes: bool,
    /// Bytes of a text, at most.
    pub longest: usize,
    /// Line feeds in strings stay as they are.
    pub raw_line_feeds: bool,
    pub clock: Clock,
    /// What follows a long prefix.
    pub behind: Put,
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

/// Bytes that stand before each value of a column, ready to be stored by two fixed moves.
#[derive(Debug)]
pub(super) struct Prefix {
    halves: [Sixteen; 2],
    len: usize,
    /// All of it, where the moves do not reach so far; `len` is 0 then.
    pub long: Vec<u8>,
}

impl Prefix {
    fn new(bytes: &[u8]) -> Prefix {
        let mut prefix = Prefix { halves: [[0; 16]; 2], len: bytes.len(), long: Vec::new() };
        if bytes.len() > 32 {
            (prefix.len, prefix.long) = (0, bytes.to_vec());
        }
        for (to, from) in prefix.halves.as_flattened_mut().iter_mut().zip(bytes) {
            *to = *from;
        }
        prefix
    }

    #[inline(always)]
    pub fn put(&self, desk: &mut Desk<'_>, at: usize) -> usize {
        let [first, second] = &self.halves;
        desk.sixteen(at, first, 0);
        desk.sixteen(at + 16, second, 0);
        at + self.len
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
        let part = |column: &plan::Column, tag: bool| {
            let ty = columns.get(column.index)?.ty;
            let mut form = Form::new(ty, options);
            if let Type::Timestamp(unit) = ty {
                form.clock = clock(unit, unit);
            }
            let put = if tag { as_tag(ty) } else { as_field(ty, options, &mut form) };
            let prefix = Prefix::new(&column.prefix);
            form.behind = put;
            let put = if prefix.long.is_empty() { put } else { value::behind_long_prefix };
            let text = matches!(ty, Type::String | Type::Json);
            Some(Part { column: column.index, prefix, put, text, form })
        };
        let tags = plan.tags.iter().map(|column| part(column, true)).collect::<Option<Vec<_>>>()?;
        let fields = plan.fields.iter().map(|column| part(column, false)).collect::<Option<Vec<_>>>()?;
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
        if prefixes.chain(constant).any(|prefix| prefix.long.len() > LONGEST_PREFIX) {
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

impl Form {
    fn new(ty: Type, options: &EncodeOptions) -> Form {
        let (precision, scale) = match ty {
            Type::Decimal(precision, scale) => (precision, scale),
            _ => (0, 0),
        };
        Form {
            whole: Whole::new(ty, 0),
            // One more: the zero before the point.
            decimal: Decimal { precision, scale, digits: usize::from(precision) + 1 },
            quotes: false,
            longest: value::LONGEST_NAME,
            raw_line_feeds: options.newline == Newline::Raw,
            clock: Clock::Other,
            behind: value::other,
        }
    }
}

fn as_tag(ty: Type) -> Put {
    match ty {
        Type::String | Type::Json => value::name,
        Type::Boolean => value::boolean,
        Type::Binary | Type::Geometry => value::hex,
        Type::Decimal(..) => value::decimal,
        // Tags are texts: the spelling of a float or a time would make another series.
        Type::Float | Type::Double | Type::Timestamp(_) => value::other,
        _ => value::whole,
    }
}

fn as_field(ty: Type, options: &EncodeOptions, form: &mut Form) -> Put {
    let unsigned = matches!(ty, Type::UByte | Type::UShort | Type::UInt | Type::ULong);
    form.longest = options.dialect.max_string();
    match ty {
        Type::String | Type::Json => value::string,
        Type::Float => value::single,
        Type::Double => value::double,
        Type::Boolean => value::boolean,
        Type::Binary | Type::Geometry if options.binary == BinaryAs::Hex => {
            form.quotes = true;
            value::hex
        }
        Type::Binary | Type::Geometry => value::other,
        Type::Decimal(..) => {
            match options.decimal {
                DecimalAs::String => form.quotes = true,
                DecimalAs::Float => form.decimal.digits = EXACT_DIGITS,
            }
            value::decimal
        }
        Type::Timestamp(_) => value::moment,
        _ if unsigned && matches!(options.uint, UintAs::Float | UintAs::Error) => value::other,
        _ => {
            let kept = unsigned && options.uint != UintAs::Integer && options.dialect.has_unsigned();
            form.whole = Whole::new(ty, if kept { b'u' } else { b'i' });
            value::whole
        }
    }
}
