//! Text into tokens.

use super::error::SqlError;

/// What the parser sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A keyword or an unquoted name, folded to lower case.
    Word(String),
    /// A name in backquotes, as written.
    Quoted(String),
    /// A string in single or double quotes, escapes resolved.
    Text(Vec<u8>),
    /// Digits, with point and exponent, without a sign.
    Number(String),
    /// `10s`, `1d`.
    Duration(String),
    /// Operators and punctuation.
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 19] =
    ["<>", "!=", "<=", ">=", "->", "<", ">", "=", "(", ")", ",", ".", ";", "*", "+", "-", "/", "%", "?"];

/// The next token from byte `from` on, and where it starts and ends.
pub fn next(sql: &str, from: usize) -> Result<(Token, usize, usize), SqlError> {
    let bytes = sql.as_bytes();
    let mut start = from;
    loop {
        while bytes.get(start).is_some_and(u8::is_ascii_whitespace) {
            start += 1;
        }
        if sql[start..].starts_with("--") {
            start = sql[start..].find('\n').map_or(sql.len(), |at| start + at);
        } else {
            break;
        }
    }
    let Some(&first) = bytes.get(start) else { return Ok((Token::End, start, start)) };
    let fail = || SqlError::syntax(&sql[start..]);
    match first {
        b'`' => {
            let len = sql[start + 1..].find('`').ok_or_else(fail)?;
            let end = start + 1 + len;
            Ok((Token::Quoted(sql[start + 1..end].to_string()), start, end + 1))
        }
        b'\'' | b'"' => {
            let (text, end) = string(bytes, start).ok_or_else(fail)?;
            Ok((Token::Text(text), start, end))
        }
        b'0'..=b'9' => Ok(number(sql, start)),
        b'.' if bytes.get(start + 1).is_some_and(u8::is_ascii_digit) => Ok(number(sql, start)),
        b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
            let is_word = |b: &u8| *b == b'_' || *b == b'$' || b.is_ascii_alphanumeric() || *b >= 0x80;
            let end = start + bytes[start..].iter().take_while(|b| is_word(b)).count();
            Ok((Token::Word(sql[start..end].to_lowercase()), start, end))
        }
        _ => match SYMBOLS.iter().find(|s| sql[start..].starts_with(**s)) {
            Some(symbol) => Ok((Token::Symbol(symbol), start, start + symbol.len())),
            None => Err(fail()),
        },
    }
}

/// A quoted string. Backslash escapes as the server reads them (dossier tdengine 4.4); `\%` and `\_` stay escaped for
/// LIKE; a doubled quote is a quote.
fn string(bytes: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let quote = bytes[start];
    let mut out = Vec::new();
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' => {
                let escaped = *bytes.get(at + 1)?;
                match escaped {
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    // `\x` starts a VARBINARY literal and is resolved with the column's type.
                    b'%' | b'_' | b'x' | b'X' => out.extend_from_slice(&[b'\\', escaped]),
                    other => out.push(other),
                }
                at += 2;
            }
            b if b == quote => {
                if bytes.get(at + 1) == Some(&quote) {
                    out.push(quote);
                    at += 2;
                } else {
                    return Some((out, at + 1));
                }
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
}

fn number(sql: &str, start: usize) -> (Token, usize, usize) {
    let bytes = sql.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let whole = digits(start);
    let mut end = whole;
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        if after > end + 1 + sign {
            end = after;
        }
    }
    let is_unit = |b: &u8| b"buasmhdwny".contains(&b.to_ascii_lowercase());
    let ends_word = |at: usize| !bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if end == whole && bytes.get(end).is_some_and(is_unit) && ends_word(end + 1) {
        return (Token::Duration(sql[start..=end].to_lowercase()), start, end + 1);
    }
    (Token::Number(sql[start..end].to_string()), start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sql: &str) -> Vec<Token> {
        let (mut at, mut out) = (0, Vec::new());
        loop {
            let (token, _, end) = next(sql, at).unwrap();
            if token == Token::End {
                return out;
            }
            at = end;
            out.push(token);
        }
    }

    #[test]
    fn words_fold_quoted_names_stay() {
        let expected =
            [Token::Word("select".into()), Token::Quoted("Ts".into()), Token::Symbol("."), Token::Word("größe".into())];
        assert_eq!(all("SELECT `Ts`.Größe -- the end"), expected);
    }

    #[test]
    fn strings_resolve_escapes_but_not_those_of_like_and_bytes() {
        assert_eq!(
            all(r"'it\'s' 'a''b' '\n\q' '10\%' '\x7f'"),
            [
                Token::Text(b"it's".into()),
                Token::Text(b"a'b".into()),
                Token::Text(b"\nq".into()),
                Token::Text(br"10\%".into()),
                Token::Text(br"\x7f".into()),
            ]
        );
        assert!(
            next("'open", 0).is_err() && next("`open", 0).is_err() && next("'a\\", 0).is_err() && next("#", 0).is_err()
        );
    }

    #[test]
    fn numbers_and_durations_differ() {
        assert_eq!(
            all("1.5e-3 10s 1e5 7 .5 1e"),
            [
                Token::Number("1.5e-3".into()),
                Token::Duration("10s".into()),
                Token::Number("1e5".into()),
                Token::Number("7".into()),
                Token::Number(".5".into()),
                Token::Number("1".into()),
                Token::Word("e".into()),
            ]
        );
    }
}
