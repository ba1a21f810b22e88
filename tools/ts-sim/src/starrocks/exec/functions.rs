//! Scalar functions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::eval::{Node, number};
use super::hashes::{hash64, murmur_hash3_32, xx_hash3_64};
use crate::starrocks::aggregates::{held, numbers};
use crate::starrocks::datetime;
use crate::starrocks::types::{LONGEST, STRING, Type};
use crate::starrocks::value::{self, Value};
use crate::starrocks::version::Version;

/// A function, found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function(&'static str);

const TEXT: Type = Type::Varchar(STRING);
const BYTES: Type = Type::VarBinary(LONGEST);

/// Name, least and greatest number of arguments.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("abs", 1, 1),
    ("array_join", 2, 2),
    ("base64_to_bitmap", 1, 1),
    ("bitmap_count", 1, 1),
    ("bitmap_empty", 0, 0),
    ("bitmap_from_string", 1, 1),
    ("bitmap_to_base64", 1, 1),
    ("bitmap_to_string", 1, 1),
    ("ceil", 1, 1),
    ("char_length", 1, 1),
    ("coalesce", 1, 99),
    ("concat", 1, 99),
    ("concat_ws", 2, 99),
    ("date_add", 3, 3),
    ("date_format", 2, 2),
    ("date_sub", 3, 3),
    ("date_trunc", 2, 2),
    ("day", 1, 1),
    ("floor", 1, 1),
    ("from_base64", 1, 1),
    ("from_unixtime", 1, 1),
    ("hex", 1, 1),
    ("hll_cardinality", 1, 1),
    ("hll_empty", 0, 0),
    ("hll_hash", 1, 1),
    ("if", 3, 3),
    ("ifnull", 2, 2),
    ("json_string", 1, 1),
    ("length", 1, 1),
    ("lower", 1, 1),
    ("md5", 1, 1),
    ("md5sum", 1, 99),
    ("month", 1, 1),
    ("murmur_hash3_32", 1, 9999),
    ("nullif", 2, 2),
    ("parse_json", 1, 1),
    ("replace", 3, 3),
    ("round", 1, 2),
    ("sleep", 1, 1),
    ("str_to_date", 2, 2),
    ("substr", 2, 3),
    ("substring", 2, 3),
    ("to_base64", 1, 1),
    ("to_bitmap", 1, 1),
    ("to_date", 1, 1),
    ("to_datetime", 1, 1),
    ("to_json", 1, 1),
    ("trim", 1, 1),
    ("unhex", 1, 1),
    ("unix_timestamp", 0, 1),
    ("upper", 1, 1),
    ("xx_hash3_64", 1, 9999),
    ("year", 1, 1),
];

/// The first version that has a function; the others are in all.
fn since(name: &str) -> Version {
    match name {
        "xx_hash3_64" => Version(3, 2, 0),
        "to_json" => Version(3, 1, 0),
        _ => Version(0, 0, 0),
    }
}

/// The function of a name for these arguments in this version, and its result's type.
pub fn find(name: &str, args: &[Node], version: Version) -> Result<(Function, Type), String> {
    let types = || args.iter().map(|a| a.ty.to_string()).collect::<Vec<_>>().join(", ");
    let (name, ..) = FUNCTIONS
        .iter()
        .find(|(known, least, most)| {
            *known == name && (*least..=*most).contains(&args.len()) && version >= since(known)
        })
        .ok_or_else(|| format!("No matching function with signature: {name}({}).", types()))?;
    let first = args.first().map(|a| a.ty.clone());
    let ty = match *name {
        "abs" | "coalesce" | "ifnull" | "nullif" => first.unwrap_or(TEXT),
        "if" => args.get(1).map_or(TEXT, |a| a.ty.clone()),
        "bitmap_count" | "hll_cardinality" | "floor" | "ceil" | "unix_timestamp" | "xx_hash3_64" => Type::BigInt,
        "char_length" | "length" | "murmur_hash3_32" => Type::Int,
        "year" | "month" | "day" => Type::TinyInt,
        "sleep" => Type::Boolean,
        "round" => Type::Double,
        "base64_to_bitmap" | "bitmap_empty" | "bitmap_from_string" | "to_bitmap" => Type::Bitmap,
        "hll_hash" | "hll_empty" => Type::Hll,
        "date_trunc" => {
            args.get(1).map_or(Type::DateTime, |a| if a.ty == Type::Date { Type::Date } else { Type::DateTime })
        }
        "date_add" | "date_sub" | "str_to_date" | "to_datetime" => Type::DateTime,
        "to_date" => Type::Date,
        "parse_json" | "to_json" => Type::Json,
        "from_base64" if first == Some(BYTES) => BYTES,
        _ => TEXT,
    };
    let ty = if matches!(*name, "year" | "month" | "day") { Type::SmallInt } else { ty };
    Ok((Function(name), ty))
}

fn bytes(out: Vec<u8>) -> Value<'static> {
    Value::Bytes(Cow::Owned(out))
}

fn int(n: impl Into<i128>) -> Value<'static> {
    Value::Int(n.into())
}

/// A value as it stands inside JSON and nested types: texts quoted.
pub fn json_text(value: &Value<'_>, ty: &Type, out: &mut Vec<u8>) {
    let nested = matches!(ty, Type::Json | Type::Array(_) | Type::Map(..) | Type::Struct(_));
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bytes(b) if nested => out.extend_from_slice(b),
        Value::Bytes(b) => {
            let text = serde_json::Value::String(String::from_utf8_lossy(b).into_owned());
            out.extend_from_slice(text.to_string().as_bytes());
        }
        Value::Int(_) if matches!(ty, Type::Date | Type::DateTime) => {
            out.push(b'"');
            value.write(ty, out);
            out.push(b'"');
        }
        _ => {
            value.write(ty, out);
        }
    }
}

impl Function {
    /// The result for these arguments.
    pub fn run<'v>(self, args: Vec<(Value<'v>, &Type)>) -> Result<Value<'v>, String> {
        match self.0 {
            "coalesce" | "ifnull" => {
                return Ok(args.into_iter().map(|(v, _)| v).find(|v| *v != Value::Null).unwrap_or(Value::Null));
            }
            "if" => {
                let mut args = args.into_iter().map(|(v, _)| v);
                let is = args.next().is_some_and(|v| super::eval::truth(&v) == Some(true));
                return Ok(args.nth(usize::from(!is)).unwrap_or(Value::Null));
            }
            "concat_ws" => return Ok(joined(&args)),
            "md5sum" => {
                let all: Vec<u8> = args.iter().filter_map(|(v, ty)| v.show(ty)).flatten().collect();
                return Ok(Value::text(&md5(&all)));
            }
            "hll_empty" | "bitmap_empty" => return Ok(bytes(Vec::new())),
            "unix_timestamp" if args.is_empty() => return Ok(int(datetime::now() / 1_000_000)),
            _ => {}
        }
        if args.iter().any(|(v, _)| matches!(v, Value::Null)) {
            return Ok(match self.0 {
                // `nullif(x, NULL)` is x.
                "nullif" => args.into_iter().next().map_or(Value::Null, |(v, _)| v),
                // A NULL is no element of a set.
                "to_bitmap" | "hll_hash" => bytes(Vec::new()),
                _ => Value::Null,
            });
        }
        let texts: Vec<Cow<'_, [u8]>> = args
            .iter()
            .map(|(v, ty)| match v {
                Value::Bytes(b) => b.clone(),
                other => Cow::Owned(other.show(ty).unwrap_or_default()),
            })
            .collect();
        let text = |n: usize| texts.get(n).map_or(&b""[..], |t| t.as_ref());
        let words = |n: usize| String::from_utf8_lossy(text(n));
        let float = |n: usize| args.get(n).and_then(|(v, ty)| number(v, ty));
        Ok(match self.0 {
            "abs" => match &args[0].0 {
                Value::Int(n) => Value::Int(n.saturating_abs()),
                Value::Float(f) => Value::Float(f.abs()),
                _ => Value::Null,
            },
            "nullif" if text(0) == text(1) => Value::Null,
            "nullif" => args.into_iter().next().map_or(Value::Null, |(v, _)| v),
            "floor" => float(0).map_or(Value::Null, |f| int(f.floor() as i64)),
            "ceil" => float(0).map_or(Value::Null, |f| int(f.ceil() as i64)),
            "round" => {
                let digits = float(1).unwrap_or(0.0).clamp(-15.0, 15.0) as i32;
                float(0).map_or(Value::Null, |f| Value::Float((f * 10f64.powi(digits)).round() / 10f64.powi(digits)))
            }
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_secs_f64(float(0).unwrap_or(0.0).clamp(0.0, 30.0)));
                int(1)
            }
            "concat" => bytes(texts.concat()),
            "lower" => bytes(words(0).to_lowercase().into_bytes()),
            "upper" => bytes(words(0).to_uppercase().into_bytes()),
            "trim" => bytes(words(0).trim().as_bytes().to_vec()),
            "replace" => bytes(words(0).replace(&*words(1), &words(2)).into_bytes()),
            "length" => int(text(0).len() as i64),
            "char_length" => int(words(0).chars().count() as i64),
            "substr" | "substring" => substring(&words(0), float(1), float(2)),
            "hex" => match (&args[0].0, args[0].1) {
                (Value::Int(n), ty) if ty.bounds().is_some() => bytes(format!("{n:X}").into_bytes()),
                _ => bytes(hex::encode_upper(text(0)).into_bytes()),
            },
            "unhex" => hex::decode(text(0)).map_or(Value::Null, bytes),
            "to_base64" => bytes(STANDARD.encode(text(0)).into_bytes()),
            "from_base64" => STANDARD.decode(text(0)).map_or(Value::Null, bytes),
            "md5" => Value::text(&md5(text(0))),
            "murmur_hash3_32" => int(murmur_hash3_32(texts.iter().map(|t| &**t))),
            "xx_hash3_64" => int(xx_hash3_64(texts.iter().map(|t| &**t))),
            "to_bitmap" => words(0).trim().parse().map_or(Value::Null, |n| held(&BTreeSet::from([n]))),
            "bitmap_from_string" => {
                let parsed: Result<BTreeSet<u64>, _> =
                    words(0).split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::parse).collect();
                parsed.map_or(Value::Null, |set| held(&set))
            }
            "bitmap_to_string" => {
                let all: Vec<String> = numbers(text(0)).iter().map(u64::to_string).collect();
                Value::text(&all.join(","))
            }
            "bitmap_count" | "hll_cardinality" => int(numbers(text(0)).len() as i64),
            "bitmap_to_base64" => bytes(STANDARD.encode(serialized(&numbers(text(0)))).into_bytes()),
            "base64_to_bitmap" => {
                let set = STANDARD.decode(text(0)).ok().and_then(|bytes| deserialized(&bytes));
                set.map_or(Value::Null, |set| held(&set))
            }
            "hll_hash" => held(&BTreeSet::from([hash64(text(0))])),
            "parse_json" => value::parse(&Type::Json, text(0)).map_or(Value::Null, Value::owned),
            "json_string" | "to_json" => bytes(text(0).to_vec()),
            "array_join" => array_join(text(0), &words(1)),
            _ => return self.dates(&args, &words(0), &words(1)),
        })
    }

    fn dates(self, args: &[(Value<'_>, &Type)], first: &str, second: &str) -> Result<Value<'static>, String> {
        // `date_trunc` has its time second.
        let at = usize::from(self.0 == "date_trunc");
        let time = |n: usize| {
            let (value, ty) = args.get(n)?;
            match super::eval::cast(value.clone(), ty, &Type::DateTime) {
                Value::Int(micros) => i64::try_from(micros).ok(),
                _ => None,
            }
        };
        if self.0 == "from_unixtime" {
            let seconds = args.first().and_then(|(v, ty)| number(v, ty)).unwrap_or(0.0) as i64;
            return Ok(Value::text(&datetime::datetime_text(seconds.saturating_mul(1_000_000))));
        }
        if self.0 == "str_to_date" {
            return Ok(chrono::NaiveDateTime::parse_from_str(first, &chrono_format(second))
                .or_else(|_| {
                    chrono::NaiveDate::parse_from_str(first, &chrono_format(second))
                        .map(|date| date.and_time(chrono::NaiveTime::MIN))
                })
                .map_or(Value::Null, |time| int(time.and_utc().timestamp_micros())));
        }
        let Some(micros) = time(at) else { return Ok(Value::Null) };
        let day = micros.div_euclid(datetime::DAY);
        let (year, month, of_month) = datetime::civil(day);
        Ok(match self.0 {
            "year" => int(year),
            "month" => int(month),
            "day" => int(of_month),
            "to_date" => int(day),
            "to_datetime" => int(micros),
            "unix_timestamp" => int(micros.div_euclid(1_000_000)),
            "date_trunc" => {
                let cut = datetime::truncate(first, micros)
                    .ok_or_else(|| format!("date_trunc function can't support argument {first}"))?;
                int(if *args[1].1 == Type::Date { cut.div_euclid(datetime::DAY) } else { cut })
            }
            "date_add" | "date_sub" => {
                let n = args.get(1).and_then(|(v, ty)| number(v, ty)).unwrap_or(0.0) as i64;
                let unit = args.get(2).and_then(|(v, ty)| v.show(ty)).unwrap_or_default();
                let unit = String::from_utf8_lossy(&unit).into_owned();
                datetime::add(&unit, if self.0 == "date_add" { n } else { -n }, micros).map_or(Value::Null, int)
            }
            "date_format" => {
                let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc();
                Value::text(&time.format(&chrono_format(second)).to_string())
            }
            name => return Err(format!("the simulator has no function {name}")),
        })
    }
}

fn joined(args: &[(Value<'_>, &Type)]) -> Value<'static> {
    let mut texts = args.iter().map(|(v, ty)| v.show(ty));
    let Some(Some(separator)) = texts.next() else { return Value::Null };
    let parts: Vec<Vec<u8>> = texts.flatten().collect();
    bytes(parts.join(&separator[..]))
}

fn substring(text: &str, from: Option<f64>, length: Option<f64>) -> Value<'static> {
    let from = from.unwrap_or(1.0) as i64;
    let count = text.chars().count() as i64;
    let skip = if from < 0 { count + from } else { from - 1 };
    if skip < 0 || from == 0 {
        return Value::text("");
    }
    let take = length.map_or(usize::MAX, |n| n.max(0.0) as usize);
    Value::text(&text.chars().skip(skip as usize).take(take).collect::<String>())
}

fn array_join(text: &[u8], separator: &str) -> Value<'static> {
    let Ok(serde_json::Value::Array(items)) = serde_json::from_slice(text) else { return Value::Null };
    let texts = items.iter().filter(|i| !i.is_null()).map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_string));
    Value::text(&texts.collect::<Vec<_>>().join(separator))
}

fn md5(text: &[u8]) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(text))
}

/// MySQL's format letters in chrono's.
fn chrono_format(format: &str) -> String {
    format.replace("%i", "%M").replace("%s", "%S").replace("%T", "%H:%M:%S").replace("%f", "%6f")
}

/// A bitmap as StarRocks serializes it: nothing, one number of 32 or 64 bits, or a counted set ([memory]: codes 0, 1,
/// 3, 10; real servers use roaring bitmaps, codes 2 and 4, for larger sets).
fn serialized(set: &BTreeSet<u64>) -> Vec<u8> {
    match (set.len(), set.first()) {
        (0, _) => vec![0],
        (1, Some(n)) => match u32::try_from(*n) {
            Ok(n) => [&[1][..], &n.to_le_bytes()].concat(),
            Err(_) => [&[3][..], &n.to_le_bytes()].concat(),
        },
        _ => {
            let mut out = vec![10];
            out.extend_from_slice(&(set.len() as u32).to_le_bytes());
            out.extend(set.iter().flat_map(|n| n.to_le_bytes()));
            out
        }
    }
}

fn deserialized(bytes: &[u8]) -> Option<BTreeSet<u64>> {
    let (code, rest) = bytes.split_first()?;
    Some(match code {
        0 => BTreeSet::new(),
        1 => BTreeSet::from([u32::from_le_bytes(rest.try_into().ok()?).into()]),
        3 => BTreeSet::from([u64::from_le_bytes(rest.try_into().ok()?)]),
        10 => numbers(rest.get(4..)?),
        _ => return None,
    })
}
