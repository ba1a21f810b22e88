//! Who may ask, and the words of the refusals (recorded).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The one account and the one token.
pub struct Accounts {
    pub user: String,
    pub password: String,
    pub token: Option<String>,
    /// Bearer tokens are known (3.4.0).
    pub bearer: bool,
}

/// Why a request is refused: HTTP status, code, text.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied {
    pub status: u16,
    pub code: u32,
    pub message: &'static str,
}

const fn denied(status: u16, code: u32, message: &'static str) -> Denied {
    Denied { status, code, message }
}

/// What `GET /rest/login/root/taosdata` answered on the recorded server.
const RECORDED_TOKEN: &str = "/KfeAzX/f9na8qdtNZmtONryp201ma04bEl8LcvLUd7a8qdtNZmtONryp201ma04";

impl Accounts {
    /// Checks a user and a password: 849 for the user, 855 for the password.
    pub fn login(&self, user: &str, password: &str) -> Result<(), Denied> {
        if user != self.user {
            return Err(denied(200, 849, "Invalid user"));
        }
        if password != self.password {
            return Err(denied(200, 855, "Authentication failure"));
        }
        Ok(())
    }

    /// Checks a token of the cloud or of a bearer header.
    pub fn token(&self, token: &str) -> Result<(), Denied> {
        if self.token.as_deref() == Some(token) { Ok(()) } else { Err(denied(401, 4386, "invalid token")) }
    }

    /// The `Taosd` token of the account. The real one is DES under a public key; only its round trip matters here.
    pub fn taosd_token(&self) -> String {
        if (self.user.as_str(), self.password.as_str()) == ("root", "taosdata") {
            return RECORDED_TOKEN.to_string();
        }
        STANDARD.encode(format!("{:\0<24}{:\0<24}", self.user, self.password))
    }

    /// Checks an `Authorization` header.
    pub fn header(&self, header: Option<&str>) -> Result<(), Denied> {
        let Some(header) = header.map(str::trim).filter(|h| !h.is_empty()) else {
            return Err(denied(401, 4357, "no auth info input"));
        };
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        match scheme {
            "Basic" => {
                let malformed = denied(401, 4388, "invalid basic Authorization");
                match basic(rest) {
                    Some((user, password)) => self.login(&user, &password),
                    None => Err(malformed),
                }
            }
            "Taosd" => {
                if rest.trim() == self.taosd_token() {
                    return Ok(());
                }
                match STANDARD.decode(rest.trim()) {
                    Ok(bytes) if bytes.len() == 48 => Err(denied(200, 855, "Authentication failure")),
                    _ => Err(denied(401, 4389, "invalid taosd Authorization")),
                }
            }
            "Bearer" if self.bearer => self.token(rest.trim()),
            _ => Err(denied(401, 4386, "invalid type of Authorization")),
        }
    }
}

/// User and password of what follows `Basic`.
pub fn basic(rest: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_string(), password.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_the_recorded_ones() {
        let accounts =
            Accounts { user: "root".into(), password: "taosdata".into(), token: Some("t".into()), bearer: false };
        let code = |header| accounts.header(header).map_err(|d| (d.status, d.code));
        assert_eq!(code(Some("Basic cm9vdDp0YW9zZGF0YQ==")), Ok(()));
        assert_eq!(code(None), Err((401, 4357)));
        assert_eq!(code(Some("Basic cm9vdDp3cm9uZw==")), Err((200, 855)));
        assert_eq!(code(Some("Basic bm9zdWNoOng=")), Err((200, 849)));
        assert_eq!(code(Some("Basic !!!notbase64")), Err((401, 4388)));
        assert_eq!(code(Some("Bearer t")), Err((401, 4386)));
        assert_eq!(code(Some("Taosd abc")), Err((401, 4389)));
        assert_eq!(code(Some(&format!("Taosd {RECORDED_TOKEN}"))), Ok(()));
        let newer = Accounts { bearer: true, ..accounts };
        assert_eq!(newer.header(Some("Bearer t")), Ok(()));
        assert_eq!(newer.header(Some("Bearer u")).map_err(|d| d.status), Err(401));
    }
}
