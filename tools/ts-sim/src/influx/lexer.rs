//! The words of InfluxQL, Flux and SQL: identifiers, quoted text, numbers, signs. One lexer serves the three small parsers.

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A bare word.
    Word(String),
    /// `"…"`: an identifier in InfluxQL and SQL, a string in Flux.
    Double(String),
    /// `'…'`
    Single(String),
    /// Digits with what follows them: `5`, `1.5`, `10s`, `2h30m`.
    Number(String),
    /// `/…/`, only after `=~`, `!~`, `FROM` or `,`
    Regex(String),
    /// One sign, or two that belong together.
    Sign(&'static str),
}

/// Which language's quoting and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    InfluxQl,
    Flux,
    Sql,
}

const SIGNS: [&str; 32] = [
    "|>", "=>", "!=", "<>", "<=", ">=", "==", "=~", "!~", "::", "=", "<", ">", "(", ")", ",", ";", "*", "+", "-", ".",
    "/", ":", "[", "]", "{", "}", "|", "%", "?", "!", "&",
];

/// A query cut into words.
pub struct Words {
    tokens: Vec<Token>,
    /// Where each begins, in characters from 1, and where the text ends.
    places: Vec<usize>,
    language: Language,
}

/// Words that InfluxQL takes for a name only in quotes.
const RESERVED: &str = " ALL ALTER ANY AS ASC BEGIN BY CREATE CONTINUOUS DATABASE DATABASES DEFAULT DELETE DESC DESTINATIONS \
DIAGNOSTICS DISTINCT DROP DURATION END EVERY EXPLAIN FIELD FOR FROM GRANT GRANTS GROUP GROUPS IN INF INSERT INTO KEY KEYS KILL \
LIMIT MEASUREMENT MEASUREMENTS NAME OFFSET ON ORDER PASSWORD POLICY POLICIES PRIVILEGES QUERIES QUERY READ REPLICATION RESAMPLE \
RETENTION REVOKE SELECT SERIES SET SHARD SHARDS SLIMIT SOFFSET STATS SUBSCRIPTION SUBSCRIPTIONS TAG TO USER USERS VALUES WHERE \
WITH WRITE ";

/// Cuts a query into words; the error says what could not be read.
pub fn lex(text: &str, language: Language) -> Result<Words, String> {
    let mut out: Vec<Token> = Vec::new();
    let mut places: Vec<usize> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        places.push(text.len() - rest.len() + 1);
        let (token, after) = match first {
            '"' => {
                let (inner, after) = quoted(rest, '"', language == Language::Sql)?;
                (Token::Double(inner), after)
            }
            '\'' => {
                let (inner, after) = quoted(rest, '\'', language == Language::Sql)?;
                (Token::Single(inner), after)
            }
            '/' if language != Language::Sql && regex_may_start(out.last()) => {
                let (inner, after) = quoted(rest, '/', false)?;
                (Token::Regex(inner), after)
            }
            '/' if rest.starts_with("//") && language == Language::Flux => {
                rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
                places.pop();
                continue;
            }
            c if c.is_ascii_digit() => {
                let end =
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._:+-µ".contains(c))).unwrap_or(rest.len());
                number(rest, end, language)
            }
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (Token::Word(word.to_string()), after)
            }
            _ => {
                let sign =
                    SIGNS.iter().find(|s| rest.starts_with(**s)).ok_or_else(|| format!("unexpected `{first}`"))?;
                (Token::Sign(sign), rest.get(sign.len()..).unwrap_or_default())
            }
        };
        out.push(token);
        rest = after.trim_start();
    }
    places.push(text.len() + 2);
    Ok(Words { tokens: out, places, language })
}

/// A number, or in Flux a time literal such as `2026-11-21T00:00:00Z`; a sign belongs to it only then, or after an `e`.
fn number(rest: &str, end: usize, language: Language) -> (Token, &str) {
    let whole = rest.get(..end).unwrap_or_default();
    let is_time = language == Language::Flux && super::time::parse_time(whole).is_some() && whole.contains('-');
    let end = if is_time {
        end
    } else {
        let mut previous = ' ';
        let stop = whole.char_indices().find(|&(_, c)| {
            let sign = matches!(c, '+' | '-') && !matches!(previous, 'e' | 'E');
            previous = c;
            sign || c == ':'
        });
        stop.map_or(end, |(at, _)| at)
    };
    let (digits, after) = rest.split_at(end);
    (Token::Number(digits.to_string()), after)
}

fn regex_may_start(last: Option<&Token>) -> bool {
    match last {
        Some(Token::Sign(sign)) => matches!(*sign, "=~" | "!~" | ","),
        Some(Token::Word(word)) => word.eq_ignore_ascii_case("from"),
        _ => false,
    }
}

/// Reads `QtextQ`; a backslash keeps the next character, and with `doubled` two quotes are one and a backslash is itself.
fn quoted(text: &str, quote: char, doubled: bool) -> Result<(String, &str), String> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if !doubled => match chars.next() {
                Some((_, 'n')) => inner.push('\n'),
                Some((_, 't')) => inner.push('\t'),
                Some((_, 'r')) => inner.push('\r'),
                Some((_, next)) => inner.push(next),
                None => break,
            },
            c if c == quote && doubled && chars.peek().is_some_and(|(_, next)| *next == quote) => {
                inner.push(quote);
                chars.next();
            }
            c if c == quote => return Ok((inner, text.get(at + c.len_utf8()..).unwrap_or_default())),
            c => inner.push(c),
        }
    }
    Err(format!("unterminated {quote}"))
}

/// A position in the words, with the small steps that parsers take.
pub struct Cursor<'a> {
    tokens: &'a [Token],
    words: &'a Words,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start.
    pub fn new(words: &'a Words) -> Cursor<'a> {
        Cursor { tokens: &words.tokens, words, at: 0 }
    }

    /// The next word, not taken.
    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    /// Takes the next word.
    pub fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += usize::from(token.is_some());
        token
    }

    /// True at the end.
    pub fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Takes a keyword, whatever its case.
    pub fn word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    /// Takes several keywords in a row, or none of them.
    pub fn words(&mut self, keywords: &str) -> bool {
        let start = self.at;
        let found = keywords.split(' ').all(|k| self.word(k));
        if !found {
            self.at = start;
        }
        found
    }

    /// Takes a sign.
    pub fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    /// Takes a sign that must be there.
    pub fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    /// What follows `::`.
    pub fn cast(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.expected("field, tag")),
        }
    }

    /// A bare or double-quoted name.
    pub fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(name)) if self.reserved(name) => Err(self.expected("identifier")),
            Some(Token::Word(name) | Token::Double(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.expected("identifier")),
        }
    }

    fn reserved(&self, word: &str) -> bool {
        self.words.language == Language::InfluxQl && RESERVED.contains(&format!(" {} ", word.to_ascii_uppercase()))
    }

    /// A plain whole number.
    pub fn integer(&mut self) -> Result<u64, String> {
        match self.peek() {
            Some(Token::Number(digits)) => {
                self.at += 1;
                digits.parse().map_err(|_| format!("invalid number {digits}"))
            }
            _ => Err(self.expected("number")),
        }
    }

    /// `found X, expected Y`, as InfluxQL says it.
    pub fn expected(&self, what: &str) -> String {
        let found = match self.peek() {
            None => "EOF".to_string(),
            Some(Token::Word(w) | Token::Number(w)) => w.clone(),
            Some(Token::Double(w)) => format!("\"{w}\""),
            Some(Token::Single(w)) => format!("'{w}'"),
            Some(Token::Regex(w)) => format!("/{w}/"),
            Some(Token::Sign(s)) => (*s).to_string(),
        };
        match (self.words.language, self.words.places.get(self.at)) {
            (Language::InfluxQl, Some(place)) => format!("found {found}, expected {what} at line 1, char {place}"),
            _ => format!("found {found}, expected {what}"),
        }
    }
}
