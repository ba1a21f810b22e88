//! `Authorization` header values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fault::Secret;

/// `Basic base64(user:password)`.
pub fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

/// `Bearer TOKEN`.
pub fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

/// `Token TOKEN`, as InfluxDB 2 has it.
pub fn token(token: &Secret) -> Secret {
    Secret::new(format!("Token {}", token.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_what_a_real_server_took() {
        assert_eq!(basic("root", &Secret::new("taosdata")).expose(), "Basic cm9vdDp0YW9zZGF0YQ==");
    }
}
