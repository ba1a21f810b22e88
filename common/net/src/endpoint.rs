//! Endpoint URLs: `tdengine://user@host:6041/db`, `influx2+https://host:8086/?org=o&bucket=b`.
//!
//! The scheme is `SYSTEM[s]` or `SYSTEM+TRANSPORT`; a trailing `s` (`tdengines`, `+https`, `+wss`) means TLS. Secrets
//! are taken out while parsing and are in no text that this module gives.

use fault::{Error, Result, Secret};
use std::fmt;
use url::Url;

/// Names of query parameters that are secrets.
const SECRET_KEYS: [&str; 4] = ["password", "token", "p", "pass"];

/// A parsed endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The system, one of those that the caller knows: `tdengine`, `influx2`.
    pub system: String,
    /// The transport after the plus sign, without its TLS `s`: `http`, `ws`.
    pub transport: Option<String>,
    /// Is the connection encrypted?
    pub tls: bool,
    /// Host name, IPv4 address, or IPv6 address in brackets.
    pub host: String,
    /// The port, where the URL names one.
    pub port: Option<u16>,
    /// The user, decoded.
    pub user: Option<String>,
    /// The password, where the URL (from the environment) holds one.
    pub password: Option<Secret>,
    /// The token, where the URL (from the environment) holds one.
    pub token: Option<Secret>,
    /// The parts of the path, decoded, without empty ones.
    pub path: Vec<String>,
    /// The query's pairs in their order, decoded, without secrets.
    pub query: Vec<(String, String)>,
}

impl Endpoint {
    /// Parses a URL of one of these systems. Exit 2 otherwise; the message never repeats a secret.
    pub fn parse(text: &str, systems: &[&str]) -> Result<Endpoint> {
        let known = || format!("{}://", systems.join("://, "));
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(Error::usage(format!("the URL has no scheme: expected {}", known())));
        };
        let (system, transport, tls) = split_scheme(scheme, systems)
            .ok_or_else(|| Error::usage(format!("unknown scheme {scheme}://: expected {}", known())))?;
        let url = Url::parse(text).map_err(|error| Error::usage(format!("bad {scheme}:// URL: {error}")))?;
        let host = match url.host_str() {
            Some(host) if !host.is_empty() => decode(host),
            _ => return Err(Error::usage(format!("the {scheme}:// URL names no host"))),
        };
        let mut endpoint = Endpoint {
            system,
            transport,
            tls,
            host,
            port: url.port(),
            user: Some(decode(url.username())).filter(|user| !user.is_empty()),
            password: url.password().filter(|text| !text.is_empty()).map(|text| Secret::new(decode(text))),
            token: None,
            path: url.path().split('/').filter(|part| !part.is_empty()).map(decode).collect(),
            query: Vec::new(),
        };
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "token" => endpoint.token = Some(Secret::new(value.into_owned())),
                "password" | "p" | "pass" => endpoint.password = Some(Secret::new(value.into_owned())),
                _ => endpoint.query.push((key.into_owned(), value.into_owned())),
            }
        }
        Ok(endpoint)
    }

    /// The value of a query parameter; the last one wins.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.query.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A query parameter that is none of these: a spelling mistake must not be ignored in silence.
    pub fn refuse_unknown_params(&self, known: &[&str]) -> Result<()> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) if known.is_empty() => Err(Error::usage(format!("{self}: unknown parameter '{name}'"))),
            Some((name, _)) => {
                Err(Error::usage(format!("{self}: unknown parameter '{name}': there are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// `host:port`.
    pub fn authority(&self, default_port: u16) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(default_port))
    }

    /// `http://host:port` or `https://host:port`.
    pub fn http_base(&self, default_port: u16) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority(default_port))
    }

    /// `ws://host:port` or `wss://host:port`.
    pub fn ws_base(&self, default_port: u16) -> String {
        format!("{}://{}", if self.tls { "wss" } else { "ws" }, self.authority(default_port))
    }

    /// Is the other side on this machine? (Compression only costs there.)
    pub fn is_loopback(&self) -> bool {
        let host = bare(&self.host);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// A host without the brackets that an IPv6 address has in a URL: as sockets and certificates take it.
pub fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

impl fmt::Display for Endpoint {
    /// The URL without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.system)?;
        let s = if self.tls { "s" } else { "" };
        match &self.transport {
            Some(transport) => write!(f, "+{transport}{s}://")?,
            None => write!(f, "{s}://")?,
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for part in &self.path {
            write!(f, "/{part}")?;
        }
        for (index, (key, value)) in
            self.query.iter().filter(|(key, _)| !SECRET_KEYS.contains(&key.as_str())).enumerate()
        {
            write!(f, "{}{key}={value}", if index == 0 { "?" } else { "&" })?;
        }
        Ok(())
    }
}

/// System, transport, TLS.
fn split_scheme(scheme: &str, systems: &[&str]) -> Option<(String, Option<String>, bool)> {
    let scheme = scheme.to_ascii_lowercase();
    let (system, transport) = match scheme.split_once('+') {
        Some((system, transport)) => (system, Some(transport)),
        None => (scheme.as_str(), None),
    };
    match transport {
        Some(transport) if systems.contains(&system) => match transport {
            "http" | "ws" => Some((system.to_owned(), Some(transport.to_owned()), false)),
            "https" | "wss" => Some((system.to_owned(), Some(transport[..transport.len() - 1].to_owned()), true)),
            _ => None,
        },
        Some(_) => None,
        None if systems.contains(&system) => Some((system.to_owned(), None, false)),
        None => {
            let plain = system.strip_suffix('s').filter(|plain| systems.contains(plain))?;
            Some((plain.to_owned(), None, true))
        }
    }
}

/// Percent-decoding; what is no valid escape stays, and bytes that are not UTF-8 are replaced.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped =
            (byte == b'%').then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok())).flatten();
        match escaped {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 4] = ["tdengine", "influx1", "influx2", "starrocks"];

    #[test]
    fn schemes_say_system_transport_and_tls() {
        for (text, system, transport, tls) in [
            ("tdengine://h/db", "tdengine", None, false),
            ("tdengines://h/db", "tdengine", None, true),
            ("tdengine+http://h/db", "tdengine", Some("http"), false),
            ("tdengine+https://h/db", "tdengine", Some("http"), true),
            ("influx2+https://h/?org=o", "influx2", Some("http"), true),
            ("starrocks://h", "starrocks", None, false),
        ] {
            let url = Endpoint::parse(text, &ALL).unwrap();
            assert_eq!((url.system.as_str(), url.transport.as_deref(), url.tls), (system, transport, tls), "{text}");
            assert!(text.starts_with(url.to_string().split("://").next().unwrap()), "{url}");
        }
        for text in
            ["http://h", "tdengine", "tdengine+ftp://h", "tdengine://", "tdenginess://h", "influx2+https://:8086"]
        {
            assert_eq!(Endpoint::parse(text, &ALL).unwrap_err().kind(), fault::Kind::Usage, "{text}");
        }
    }

    #[test]
    fn parts_are_decoded_and_secrets_kept_apart() {
        let url =
            Endpoint::parse("tdengine://ro%40ot:p%2Fw+d@[::1]:6041/d%62?token=t0&tz=Asia%2FShanghai", &ALL).unwrap();
        assert_eq!(url.user.as_deref(), Some("ro@ot"));
        assert_eq!(url.password.as_ref().map(Secret::expose), Some("p/w+d"));
        assert_eq!(url.token.as_ref().map(Secret::expose), Some("t0"));
        assert_eq!(
            (url.host.as_str(), url.port, url.path.as_slice()),
            ("[::1]", Some(6041), ["db".to_owned()].as_slice())
        );
        assert_eq!(url.param("tz"), Some("Asia/Shanghai"));
        assert_eq!(url.http_base(1), "http://[::1]:6041");
        assert!(url.is_loopback());
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("p/w") && !shown.contains("t0"), "{shown}");
        assert!(url.refuse_unknown_params(&["tz"]).is_ok());
        assert!(url.refuse_unknown_params(&["zone"]).is_err());
    }
}
