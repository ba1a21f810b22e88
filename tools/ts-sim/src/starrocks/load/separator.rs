//! Separators as headers spell them.

/// Most bytes of a separator.
pub const MOST: usize = 50;

/// Reads `\t`, `\n`, `\r`, `\\`, `\x01` and any plain text; the error is the server's.
///
/// The spelling `\x` followed by pairs of hexadecimal digits stands for bytes that a header cannot carry (dossier
/// starrocks 1.3); several of them may follow one another, and the old form `\x0102` is read too [memory].
pub fn parse(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = after;
            continue;
        }
        rest = match after.split_first() {
            Some((b'x' | b'X', digits)) => {
                let mut digits = digits;
                let mut pairs = 0;
                while let Some(value) = pair(digits) {
                    out.push(value);
                    digits = digits.get(2..).unwrap_or_default();
                    pairs += 1;
                }
                if pairs == 0 {
                    return Err("Hex str is empty".into());
                }
                digits
            }
            Some((letter, after)) => {
                match letter {
                    b't' => out.push(b'\t'),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b'\\' => out.push(b'\\'),
                    other => out.extend_from_slice(&[b'\\', *other]),
                }
                after
            }
            None => {
                out.push(b'\\');
                after
            }
        };
    }
    match out.len() {
        0 => Err("Delimiter cannot be empty or null".into()),
        len if len > MOST => {
            Err(format!("The valid bytes length for 'column_separator' or 'row_delimiter' is [1, {MOST}]"))
        }
        _ => Ok(out),
    }
}

fn pair(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    Some(digit(0)? * 16 + digit(1)?)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_spelling() {
        for (text, bytes) in [
            (&b","[..], &b","[..]),
            (b"\\x01", b"\x01"),
            (b"\\x01\\x02", b"\x01\x02"),
            (b"\\x0102", b"\x01\x02"),
            (b"\\t", b"\t"),
            (b"\t", b"\t"),
            (b"\\r\\n", b"\r\n"),
            (b"||", b"||"),
            (b"|\\x7C", b"||"),
            ("¦".as_bytes(), "¦".as_bytes()),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(bytes), "{}", String::from_utf8_lossy(text));
        }
        assert!(parse(b"").is_err());
        assert!(parse(b"\\xg").is_err());
        assert!(parse(&[b'a'; 51]).is_err());
        assert!(parse(&[b'a'; 50]).is_ok());
    }
}
