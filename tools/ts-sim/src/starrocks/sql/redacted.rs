//! Statements as they may be written down: without what opens other doors.

/// Parts of the names of properties whose values are secrets.
const SECRET: [&str; 5] = ["secret", "token", "password", "access_key", "access.key"];

/// The beginning of a statement, `***` in place of secrets (`'aws.s3.secret_key' = '***'`), as the real server's audit log
/// has it ([memory]).
pub fn redacted(statement: &str, chars: usize) -> String {
    let mut out = String::new();
    let mut rest = statement;
    // A literal that was the name of a secret, and an `=` behind it.
    let (mut named, mut equals) = (false, false);
    while let Some(at) = rest.find(['\'', '"', '=']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        if !before.trim().is_empty() {
            (named, equals) = (false, false);
        }
        if out.chars().count() >= chars {
            break;
        }
        let Some(quote) = found.chars().next().filter(|c| *c != '=') else {
            out.push('=');
            equals = true;
            rest = &found[1..];
            continue;
        };
        let length = literal(found, quote);
        let (text, after) = found.split_at(length);
        if named && equals {
            out.push(quote);
            out.push_str("***");
            out.push(quote);
            named = false;
        } else {
            out.push_str(text);
            let name = text.to_ascii_lowercase();
            named = SECRET.iter().any(|part| name.contains(part));
        }
        equals = false;
        rest = after;
    }
    if out.chars().count() < chars {
        out.push_str(rest);
    }
    out.chars().take(chars).collect()
}

/// Bytes of a literal with its quotes; one without an end goes to the end.
fn literal(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn secrets_are_left_out_and_nothing_else() {
        let text = "INSERT INTO FILES('path' = 's3://b/x=y/', 'aws.s3.access_key' = 'AK', \"aws.s3.secret_key\"=\"it's \\\" it\", \
                    'aws.s3.region' = 'r') SELECT 'secret' AS a, 'b' = 'c', `x`";
        let shown = redacted(text, 1000);
        let expected = text.replace("'AK'", "'***'").replace("\"it's \\\" it\"", "\"***\"");
        assert_eq!(shown, expected);
        assert_eq!(redacted("SELECT 'été' = 1", 9), "SELECT 'é");
        // Cut where the secret is.
        assert_eq!(redacted("('aws.s3.secret_key' = 'abc", 1000), "('aws.s3.secret_key' = '***'");
    }
}
