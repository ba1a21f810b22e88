//! Splits a statement into tokens.

/// One token, with the place where it begins in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A bare word: keyword or name.
    Word(String),
    /// `` `name` ``
    Name(String),
    /// `'text'` or `"text"`, escapes resolved.
    Text(Vec<u8>),
    Number(String),
    /// Punctuation: one or two characters.
    Mark(&'static str),
    End,
}

const MARKS: [&str; 27] = [
    "<=>", "<=", ">=", "<>", "!=", "||", "&&", "(", ")", ",", ".", ";", "=", "<", ">", "+", "-", "*", "/", "%", "@",
    "[", "]", "{", "}", ":", "!",
];

/// All tokens, `End` last; the error is the message for the client.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let start = at;
        let rest = &bytes[at..];
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                continue;
            }
            b'-' if rest.starts_with(b"-- ") || rest.starts_with(b"--\n") => {
                at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                // Hints (`/*+ SET_VAR(…) */`) are comments here; so is what MySQL's clients guard with `/*!`.
                let end = memchr::memmem::find(rest, b"*/").ok_or("unterminated comment")?;
                at += end + 2;
                continue;
            }
            b'`' => {
                let end = memchr::memchr(b'`', &rest[1..]).ok_or("unterminated name")?;
                at += end + 2;
                Kind::Name(text[start + 1..at - 1].to_string())
            }
            b'\'' | b'"' => {
                let (value, length) = quoted(rest, byte)?;
                at += length;
                Kind::Text(value)
            }
            b'0'..=b'9' => {
                at += number(rest);
                // `2024_log` is a name.
                let more = bytes[at..].iter().take_while(|b| is_word(**b)).count();
                if more > 0 {
                    at += more;
                    Kind::Word(text[start..at].to_string())
                } else {
                    Kind::Number(text[start..at].to_string())
                }
            }
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                at += number(rest);
                Kind::Number(text[start..at].to_string())
            }
            byte if is_word(byte) => {
                at += rest.iter().take_while(|b| is_word(**b)).count();
                Kind::Word(text[start..at].to_string())
            }
            _ => {
                let mark = MARKS
                    .iter()
                    .find(|mark| rest.starts_with(mark.as_bytes()))
                    .ok_or_else(|| format!("Getting syntax error: unexpected input '{}'", byte as char))?;
                at += mark.len();
                Kind::Mark(mark)
            }
        };
        out.push(Token { kind, start, end: at });
    }
    out.push(Token { kind: Kind::End, start: text.len(), end: text.len() });
    Ok(out)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn number(rest: &[u8]) -> usize {
    let digits = |from: usize| rest.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = digits(0);
    if rest.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// A quoted text and its length with the quotes; backslash escapes (dossier starrocks 4.4), doubled quotes.
fn quoted(rest: &[u8], quote: u8) -> Result<(Vec<u8>, usize), String> {
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        match rest.get(at).copied() {
            None => return Err("unterminated string".to_string()),
            Some(b'\\') => {
                let escaped = rest.get(at + 1).copied().ok_or("unterminated string")?;
                out.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'0' => 0,
                    b'b' => 8,
                    b'Z' => 26,
                    other => other,
                });
                at += 2;
            }
            Some(byte) if byte == quote => {
                if rest.get(at + 1) != Some(&quote) {
                    return Ok((out, at + 1));
                }
                out.push(quote);
                at += 2;
            }
            Some(byte) => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// Splits a script at its semicolons.
pub fn statements(script: &str) -> Result<Vec<&str>, String> {
    let mut out = Vec::new();
    let mut start = 0;
    for token in tokens(script)? {
        if matches!(token.kind, Kind::Mark(";") | Kind::End) {
            let statement = script.get(start..token.start).unwrap_or_default().trim();
            // Comments alone are no statement.
            if !tokens(statement)?.iter().all(|t| t.kind == Kind::End) {
                out.push(statement);
            }
            start = token.end;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_statement() {
        let kinds: Vec<Kind> =
            tokens("SELECT `a b`, 'it''s\\n' <= 1.5e3 -- end").unwrap().into_iter().map(|t| t.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Word("SELECT".into()),
                Kind::Name("a b".into()),
                Kind::Mark(","),
                Kind::Text(b"it's\n".to_vec()),
                Kind::Mark("<="),
                Kind::Number("1.5e3".into()),
                Kind::End
            ]
        );
        assert_eq!(statements("a; -- x;\n b ';' ;; -- y\n").unwrap(), ["a", "-- x;\n b ';'"]);
        assert!(tokens("'open").is_err());
    }
}
