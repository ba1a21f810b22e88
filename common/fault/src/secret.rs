//! A password or token that cannot be printed by accident, and the last look at every text before it is printed.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A secret. `Debug` and `Display` show `***`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Every secret of this process in the forms in which a server may repeat it.
static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Shorter texts are not looked for: they are in every other word.
const SHORTEST: usize = 6;

impl Secret {
    /// Wraps a secret. A trailing line end (files written by editors and `echo` have one) is cut. [`conceal`] knows it from
    /// now on.
    pub fn new(text: impl Into<String>) -> Self {
        let secret = Secret::public(text);
        remember(&secret.0);
        secret
    }

    /// What is no secret but stands where one may: a vendor's default password, a header like others.
    pub fn public(text: impl Into<String>) -> Self {
        let mut text = text.into();
        while text.ends_with(['\n', '\r']) {
            text.pop();
        }
        Secret(text)
    }

    /// The secret itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn remember(text: &str) {
    // `Basic …`, `Token …`: what follows is enough to log in.
    let bare = text.split_once(' ').filter(|(scheme, _)| matches!(*scheme, "Basic" | "Bearer" | "Token"));
    let bare = bare.map_or(text, |(_, rest)| rest);
    if bare.len() < SHORTEST {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.iter().any(|other| other == bare) {
        return;
    }
    let json = bare.replace('\\', "\\\\").replace('"', "\\\"");
    let upper = encoded(bare, true);
    // Forms (`application/x-www-form-urlencoded`) write a blank as a plus sign.
    let query = upper.replace("%20", "+");
    for form in [bare.to_owned(), upper, query, encoded(bare, false), json] {
        if !known.contains(&form) {
            known.push(form);
        }
    }
    // A secret that is a part of another must not tear it apart.
    known.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// Percent-encoded, all but what never needs it.
fn encoded(text: &str, upper: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if upper => out.push_str(&format!("%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

/// The text with `***` for every secret of this process that somebody has put into it (servers repeat what they were
/// sent), and for what stands in a URL where a password or token does. Whatever is printed goes through this.
pub fn conceal(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for secret in KNOWN.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if shown.contains(secret.as_str()) {
            shown = Cow::Owned(shown.replace(secret.as_str(), "***"));
        }
    }
    if shown.contains("://") { Cow::Owned(without_passwords(&shown)) } else { shown }
}

/// Hides `user:THIS@` and `?token=THIS` of every URL in a text.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let end =
            url.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '<' | '>')).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        out.push_str(&hide_in_query(&hide_user(url)));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Does a URL hold what opens it: `user:THIS@`, `?token=THIS`?
pub fn holds_secret(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| hide_in_query(&hide_user(rest)) != rest)
}

/// `user:password@host/…` without its password. An unescaped slash in it would end the authority too early; a colon written
/// as `%3A` is none to the URL's grammar, but what follows is a password all the same.
fn hide_user(url: &str) -> String {
    let authority = url.split(['/', '?', '#']).next().unwrap_or(url);
    let until = if authority.contains('@') { authority.rfind('@') } else { url.rfind('@') };
    let escaped = || url.to_ascii_lowercase().find("%3a").map(|at| at + 2);
    match (url.find(':').into_iter().chain(escaped()).min(), until) {
        (Some(colon), Some(at)) if colon + 1 < at => format!("{}***{}", &url[..=colon], &url[at..]),
        _ => url.to_owned(),
    }
}

fn hide_in_query(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, value)) if !value.is_empty() && is_secret_key(key) => format!("{key}=***"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn is_secret_key(key: &str) -> bool {
    matches!(key.to_ascii_lowercase().as_str(), "password" | "token" | "p" | "pass")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_hidden_in_every_form() {
        let secret = Secret::new("a/b+c \"d\n");
        Secret::new("Basic cm9vdDpzZWNyZXQ=");
        Secret::new("short");
        Secret::public("application/json");
        assert_eq!((format!("{secret} {secret:?}"), secret.expose()), ("*** ***".to_owned(), "a/b+c \"d"));
        for (text, shown) in [
            ("the server said: a/b+c \"d is wrong", "the server said: *** is wrong"),
            ("?x=a%2Fb%2Bc%20%22d&y=a%2fb%2bc%20%22d&z=a%2Fb%2Bc+%22d", "?x=***&y=***&z=***"),
            (r#"{"token":"a/b+c \"d"}"#, r#"{"token":"***"}"#),
            ("authorization: Basic cm9vdDpzZWNyZXQ=", "authorization: Basic ***"),
            ("a short text, application/json", "a short text, application/json"),
        ] {
            assert_eq!(conceal(text), shown);
        }
    }

    #[test]
    fn urls_are_shown_without_what_opens_them() {
        for (text, shown) in [
            ("unexpected 'tdengine://root:x@h:6041/db' found", "unexpected 'tdengine://root:***@h:6041/db' found"),
            ("a://u:p/q@h/db and b://h:1/x?org=o&token=t0#f", "a://u:***@h/db and b://h:1/x?org=o&token=***"),
            ("a://u%3aq@h/db", "a://u%3a***@h/db"),
            ("http://127.0.0.1:8086/query?db=d&p=pw", "http://127.0.0.1:8086/query?db=d&p=***"),
            ("ws://h:6041/ws: cannot connect", "ws://h:6041/ws: cannot connect"),
            ("http://[::1]:8086/write", "http://[::1]:8086/write"),
            ("influx1+http://u@h:8086/db", "influx1+http://u@h:8086/db"),
            ("no URL: a@b:c", "no URL: a@b:c"),
        ] {
            assert_eq!(conceal(text), shown);
        }
    }

    #[test]
    fn what_opens_a_url_is_seen() {
        for url in [
            "tdengine://root:taosdata@h:6041/db",
            "tdengine://root:p/w@h:6041/db",
            "tdengine://root:p w@h:6041/db",
            "tdengine://root%3Ap%2Fw@h:6041/db",
            "tdengine+https://cloud/db?token=abc",
        ] {
            assert!(holds_secret(url), "{url}");
        }
        for url in
            ["tdengine://root@h:6041/db", "influx2+https://h:8086/?org=o&bucket=b", "starrocks://u@a:9030,b:9030/db"]
        {
            assert!(!holds_secret(url), "{url}");
        }
    }
}
