//! The value of an expression for one row.

use std::cmp::Ordering;

use super::expression::Expr;
use super::functions;

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i128),
    Float(f64),
    Text(Vec<u8>),
}

impl Value {
    /// The text that a load takes for it; `None` is NULL.
    pub fn into_text(self) -> Option<Vec<u8>> {
        match self {
            Value::Null => None,
            Value::Int(n) => Some(n.to_string().into_bytes()),
            Value::Float(f) => Some(float_text(f).into_bytes()),
            Value::Text(text) => Some(text),
        }
    }

    /// The number that it is or that its text spells.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Null => None,
            Value::Int(n) => Some(*n as f64),
            Value::Float(f) => Some(*f),
            Value::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        }
    }

    /// The same, when it is whole.
    pub fn int(&self) -> Option<i128> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Text(text) => {
                let text = std::str::from_utf8(text).ok()?.trim();
                text.parse().ok().or_else(|| text.parse::<f64>().ok().map(|f| f as i128))
            }
            Value::Float(f) => Some(*f as i128),
            Value::Null => None,
        }
    }

    /// SQL's truth; `None` is unknown.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Value::Text(text) if text.eq_ignore_ascii_case(b"true") => Some(true),
            Value::Text(text) if text.eq_ignore_ascii_case(b"false") => Some(false),
            other => other.number().map(|n| n != 0.0),
        }
    }
}

/// Shortest text; whole numbers without `.0`.
pub fn float_text(f: f64) -> String {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format(f);
    text.strip_suffix(".0").unwrap_or(text).to_owned()
}

/// Evaluates over the cells that `column` finds. Names and functions were checked by [`check`].
pub fn evaluate(expr: &Expr, column: &dyn Fn(&str) -> Option<Vec<u8>>) -> Value {
    match expr {
        Expr::Null => Value::Null,
        Expr::Int(n) => Value::Int(*n),
        Expr::Float(f) => Value::Float(*f),
        Expr::Text(text) => Value::Text(text.clone()),
        Expr::Column(name) => column(name).map_or(Value::Null, Value::Text),
        Expr::Call(name, arguments) => {
            let values: Vec<Value> = arguments.iter().map(|a| evaluate(a, column)).collect();
            operator(name, &values).unwrap_or_else(|| functions::call(name, &values).unwrap_or(Value::Null))
        }
    }
}

/// Refuses functions that do not exist and columns that `known` does not know.
pub fn check(expr: &Expr, known: &dyn Fn(&str) -> bool) -> Result<(), String> {
    match expr {
        Expr::Column(name) if !known(name) => Err(format!("Column '{name}' cannot be resolved")),
        Expr::Call(name, arguments) => {
            if !is_operator(name) && !functions::NAMES.contains(&name.as_str()) {
                return Err(format!("No matching function with signature: {name}(varchar)"));
            }
            arguments.iter().try_for_each(|a| check(a, known))
        }
        _ => Ok(()),
    }
}

fn is_operator(name: &str) -> bool {
    ["and", "or", "not", "is null", "in", "like", "=", "<>", "<", "<=", ">", ">=", "<=>", "+", "-", "*", "/"]
        .contains(&name)
}

fn bool(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, |t| Value::Int(t.into()))
}

/// Operators; `None` for a function.
fn operator(name: &str, values: &[Value]) -> Option<Value> {
    let (a, b) = (values.first().unwrap_or(&Value::Null), values.get(1).unwrap_or(&Value::Null));
    Some(match name {
        "and" => bool(match (a.truth(), b.truth()) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }),
        "or" => bool(match (a.truth(), b.truth()) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }),
        "not" => bool(a.truth().map(|t| !t)),
        "is null" => bool(Some(*a == Value::Null)),
        "<=>" => bool(Some(compare(a, b).map_or(a == b, Ordering::is_eq))),
        "in" => {
            // True if any is equal, else unknown if any cannot be compared.
            let listed = values.get(1..).unwrap_or_default();
            let found: Vec<_> = listed.iter().map(|v| compare(a, v).map(Ordering::is_eq)).collect();
            bool(if found.contains(&Some(true)) { Some(true) } else { (!found.contains(&None)).then_some(false) })
        }
        "like" => match (a, b) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            _ => {
                bool(Some(like(&a.clone().into_text().unwrap_or_default(), &b.clone().into_text().unwrap_or_default())))
            }
        },
        "=" | "<>" | "<" | "<=" | ">" | ">=" => bool(compare(a, b).map(|order| match name {
            "=" => order.is_eq(),
            "<>" => order.is_ne(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_ge(),
        })),
        "+" | "-" | "*" => arithmetic(name, a, b),
        "/" => match (a.number(), b.number()) {
            (Some(a), Some(b)) if b != 0.0 => Value::Float(a / b),
            _ => Value::Null,
        },
        _ => return None,
    })
}

fn arithmetic(name: &str, a: &Value, b: &Value) -> Value {
    let whole = |v: &Value| match v {
        Value::Int(n) => Some(*n),
        Value::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        _ => None,
    };
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        let result = match name {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            _ => a.checked_mul(b),
        };
        return result.map_or(Value::Null, Value::Int);
    }
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => Value::Float(match name {
            "+" => a + b,
            "-" => a - b,
            _ => a * b,
        }),
        _ => Value::Null,
    }
}

/// Numbers by value, all else by bytes; `None` with NULL.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Text(x), Value::Text(y)) => Some(x.cmp(y)),
        _ => a.number()?.partial_cmp(&b.number()?),
    }
}

/// `%` any text, `_` one character, `\` takes the next one as it is.
fn like(text: &[u8], pattern: &[u8]) -> bool {
    // Where the last `%` stands, and how far the text was read when it was met.
    let mut retry: Option<(usize, usize)> = None;
    let (mut t, mut p) = (0, 0);
    loop {
        let matched = match pattern.get(p) {
            Some(b'%') => {
                retry = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'_') if t < text.len() => {
                t += 1;
                while text.get(t).is_some_and(|b| b & 0xc0 == 0x80) {
                    t += 1;
                }
                p += 1;
                continue;
            }
            Some(b'\\') if p + 1 < pattern.len() => {
                p += 1;
                pattern.get(p) == text.get(t)
            }
            Some(byte) => Some(byte) == text.get(t),
            None if t >= text.len() => return true,
            None => false,
        };
        if matched {
            (t, p) = (t + 1, p + 1);
            continue;
        }
        match retry {
            Some((percent, from)) if from < text.len() => {
                retry = Some((percent, from + 1));
                (p, t) = (percent + 1, from + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::parse_condition;
    use super::*;

    fn of(text: &str) -> Value {
        let column = |name: &str| match name {
            "n" => Some(b"10".to_vec()),
            "s" => Some("straße".as_bytes().to_vec()),
            "f" => Some(b"2.5".to_vec()),
            _ => None,
        };
        evaluate(&parse_condition(text).unwrap(), &column)
    }

    #[test]
    fn three_valued_logic_and_numbers_by_value() {
        for (text, truth) in [
            ("n = 10.0 and n > 9", Some(true)),
            ("n > '9'", Some(false)),
            ("missing = 1", None),
            ("missing = 1 or n = 10", Some(true)),
            ("missing = 1 and n = 11", Some(false)),
            ("not missing = 1", None),
            ("missing is null and not n is null", Some(true)),
            ("missing <=> null", Some(true)),
            ("n in (1, 10)", Some(true)),
            ("n not in (1, null)", None),
            ("n between 10 and 11", Some(true)),
            ("s like 'stra_e'", Some(true)),
            ("s like '%a%e' and s not like '%x%'", Some(true)),
            ("s like 's\\%'", Some(false)),
            ("f * 4 = n", Some(true)),
            ("n / 0 is null", Some(true)),
            ("-n = 0 - 10", Some(true)),
        ] {
            assert_eq!(of(text).truth(), truth, "{text}");
        }
        assert_eq!(of("n + 1"), Value::Int(11));
        assert_eq!(of("n / 4").into_text(), Some(b"2.5".to_vec()));
    }

    #[test]
    fn unknown_names_are_refused() {
        let known = |name: &str| name == "a";
        let parse = |text| check(&parse_condition(text).unwrap(), &known);
        assert!(parse("upper(a) = 'X'").is_ok());
        assert!(parse("a = b").unwrap_err().contains("'b'"));
        assert!(parse("nothing(a)").unwrap_err().contains("nothing"));
    }
}
