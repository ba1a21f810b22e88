//! Where a back end is to be found from here: the front end names it as the cluster knows it, which may be an address of a
//! private network.

use fault::{Error, Result};

/// Pairs of what the cluster says and what is true here.
#[derive(Clone, Debug, Default)]
pub struct BeMap(Vec<(Place, Place)>);

/// A host, with a port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl BeMap {
    /// `OLD=NEW` each; both are a host or `host:port`. Exit 2 for anything else.
    pub fn parse(pairs: &[String]) -> Result<BeMap> {
        let pair = |text: &String| {
            let bad = || Error::usage(format!("'{text}' is no --be-map: write OLD=NEW, each a host or host:port"));
            let (old, new) = text.split_once('=').ok_or_else(bad)?;
            Ok((Place::parse(old).ok_or_else(bad)?, Place::parse(new).ok_or_else(bad)?))
        };
        pairs.iter().map(pair).collect::<Result<Vec<_>>>().map(BeMap)
    }

    /// The address to use for this one. What names the port too comes before what names the host alone.
    pub fn apply(&self, host: &str, port: u16) -> (String, u16) {
        let of = |wanted: Option<u16>| {
            self.0.iter().find(|(old, _)| old.host.eq_ignore_ascii_case(host) && old.port == wanted).map(|(_, new)| new)
        };
        match of(Some(port)).or_else(|| of(None)) {
            Some(new) => (new.host.clone(), new.port.unwrap_or(port)),
            None => (host.to_owned(), port),
        }
    }
}

impl Place {
    fn parse(text: &str) -> Option<Place> {
        let text = text.trim();
        // The last colon of an IPv6 address without a port stands inside of its brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
            _ => (text, None),
        };
        let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '=']);
        (plain && (host.starts_with('[') || !host.contains(':'))).then(|| Place { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_replaced() {
        let pairs = ["be1=10.0.0.1", "be2:8040=127.0.0.1:18040", "[::1]:8040=be9", "be2=elsewhere"];
        let map = BeMap::parse(&pairs.map(str::to_owned)).unwrap();
        for (host, port, new) in [
            ("be1", 8040, ("10.0.0.1", 8040)),
            ("BE2", 8040, ("127.0.0.1", 18_040)),
            ("be2", 8041, ("elsewhere", 8041)),
            ("[::1]", 8040, ("be9", 8040)),
            ("other", 1, ("other", 1)),
        ] {
            assert_eq!(map.apply(host, port), (new.0.to_owned(), new.1), "{host}:{port}");
        }
        for bad in ["be1", "=a", "a=", "a:x=b", "http://a=b", "a=b:0", "::1=b"] {
            assert_eq!(BeMap::parse(&[bad.to_owned()]).unwrap_err().kind(), fault::Kind::Usage, "{bad}");
        }
    }
}
