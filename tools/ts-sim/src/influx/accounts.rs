//! Who may do what: v1 users with their privileges, v2 and v3 tokens, and v2's organisation.

use super::flavor::Flavor;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// All accounts of one server.
#[derive(Default)]
pub struct Accounts {
    /// v1: requests need an account, except the one that makes the first administrator. v3: requests need a token.
    pub required: bool,
    pub users: BTreeMap<String, User>,
    /// v2: the organisation, once set up.
    pub org: Option<Org>,
    pub tokens: Vec<Token>,
}

/// A v1 user.
pub struct User {
    pub password: String,
    pub admin: bool,
    /// By database: may read, may write.
    pub grants: BTreeMap<String, (bool, bool)>,
}

/// v2's organisation.
pub struct Org {
    pub id: String,
    pub name: String,
}

/// A token. `buckets` is `None` for an all-access token, else (bucket id, may read, may write).
pub struct Token {
    pub id: String,
    pub text: String,
    pub buckets: Option<Vec<(String, bool, bool)>>,
}

/// What a request said about who sends it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    pub user: Option<(String, String)>,
    pub token: Option<String>,
    pub bearer: Option<String>,
}

/// Who is asking.
pub enum Who<'a> {
    /// Nothing is required, or an administrator.
    Anyone,
    User(&'a str, &'a User),
    Token(&'a Token),
}

impl Credentials {
    /// Reads the `Authorization` header and the `u` and `p` parameters.
    pub fn read(header: Option<&str>, u: Option<&str>, p: Option<&str>) -> Credentials {
        let mut found = Credentials::default();
        if let (Some(u), Some(p)) = (u, p) {
            found.user = Some((u.to_string(), p.to_string()));
        }
        let (scheme, rest) = header.and_then(|h| h.split_once(' ')).unwrap_or_default();
        match scheme {
            "Basic" => {
                let plain = STANDARD.decode(rest).ok().and_then(|b| String::from_utf8(b).ok());
                found.user = plain.and_then(|t| t.split_once(':').map(|(u, p)| (u.to_string(), p.to_string())));
            }
            "Token" => found.token = Some(rest.to_string()),
            "Bearer" => found.bearer = Some(rest.to_string()),
            _ => {}
        }
        found
    }
}

impl Accounts {
    /// v1: 401 with this text, or who it is.
    pub fn v1(&self, flavor: Flavor, given: &Credentials) -> Result<Who<'_>, &'static str> {
        const UNREADABLE: &str = "unable to parse authentication credentials";
        if !self.required || self.users.is_empty() {
            return Ok(Who::Anyone);
        }
        if given.bearer.is_some() {
            return Err("bearer auth disabled");
        }
        let from_token = given.token.as_deref().and_then(|t| t.split_once(':'));
        let from_token = from_token.filter(|_| flavor != Flavor::V16).map(|(u, p)| (u.to_string(), p.to_string()));
        let (name, password) = given.user.clone().or(from_token).ok_or(UNREADABLE)?;
        match self.users.get_key_value(&name) {
            Some((_, user)) if user.password != password => Err("authorization failed"),
            Some((_, user)) if user.admin => Ok(Who::Anyone),
            Some((name, user)) => Ok(Who::User(name, user)),
            None => Err("authorization failed"),
        }
    }

    /// v2 and v3: the token of a request; `None` is 401.
    pub fn token(&self, given: &Credentials) -> Option<Who<'_>> {
        if !self.required && self.tokens.is_empty() {
            return Some(Who::Anyone);
        }
        let text = given.token.as_ref().or(given.bearer.as_ref());
        let text = text.or(given.user.as_ref().map(|(_, password)| password))?;
        self.tokens.iter().find(|t| t.text == *text).map(Who::Token)
    }
}

impl Who<'_> {
    /// v1: may write to this database.
    pub fn may_write(&self, database: &str) -> bool {
        self.may(database, true)
    }

    /// v1: may read this database; v2: this bucket id.
    pub fn may_read(&self, database: &str) -> bool {
        self.may(database, false)
    }

    fn may(&self, place: &str, write: bool) -> bool {
        let pick = |(read, may_write): (bool, bool)| if write { may_write } else { read };
        match self {
            Who::Anyone => true,
            Who::User(_, user) => user.grants.get(place).copied().is_some_and(pick),
            Who::Token(Token { buckets: None, .. }) => true,
            Who::Token(Token { buckets: Some(list), .. }) => {
                list.iter().any(|(id, r, w)| id == place && pick((*r, *w)))
            }
        }
    }

    /// v1: an administrator, or nobody is required.
    pub fn is_admin(&self) -> bool {
        matches!(self, Who::Anyone)
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        match self {
            Who::User(name, _) => name,
            _ => "",
        }
    }
}

/// A 16-digit id that is a function of the name, so that two runs agree.
pub fn id_of(kind: &str, name: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for b in kind.bytes().chain([b'/']).chain(name.bytes()) {
        hash = (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{:016x}", hash | 1 << 60)
}
