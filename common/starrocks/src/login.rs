//! The beginning of a connection over the MySQL protocol: the server's greeting, TLS, and who we are. The packets are those
//! of the library's own parts; ways to log in are the two that StarRocks knows: MySQL's native one, and the password in clear
//! for users of LDAP (dossier starrocks 5.3).

use crate::client::Options;
use crate::packets::{LONGEST, Packets};
use crate::retry;
use crate::target::Target;
use fault::{Error, Kind, Result};
use mysql_common::collations::CollationId;
use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, ErrPacket, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

/// What we would like to do; a server says in its greeting what it can. Without `DEPRECATE_EOF`, which only newer ones know:
/// a result ends the same way everywhere then.
const WANTED: [CapabilityFlags; 5] = [
    CapabilityFlags::CLIENT_PROTOCOL_41,
    CapabilityFlags::CLIENT_SECURE_CONNECTION,
    CapabilityFlags::CLIENT_LONG_PASSWORD,
    CapabilityFlags::CLIENT_TRANSACTIONS,
    CapabilityFlags::CLIENT_PLUGIN_AUTH,
];

/// Of what the first byte of a packet says.
pub(crate) const OK: u8 = 0x00;
pub(crate) const ERROR: u8 = 0xff;
const SWITCH: u8 = 0xfe;

/// Logs in on a connection that is fresh.
///
/// # Errors
/// Exit 6 for a login that is refused, for a kind that is not known here, and where TLS is wanted and not spoken.
pub(crate) fn login(packets: &mut Packets, target: &Target, host: &str, at: &str, options: &Options) -> Result<()> {
    let broken = |failure: net::Failure| failure.context(at).error(options.side);
    let refused = |text: &str| Error::new(Kind::Refused, format!("{at}: {text}"));
    let greeting = packets.next("waiting for the greeting").map_err(broken)?;
    if greeting.first() == Some(&ERROR) {
        return Err(server_error(greeting, CapabilityFlags::empty(), at, options));
    }
    let greeting: HandshakePacket<'_> = ParseBuf(greeting).parse(()).map_err(|error| {
        Error::new(options.side.kind(), format!("{at}: what greets us is no MySQL protocol: {error}"))
    })?;
    let (can, nonce) = (greeting.capabilities(), greeting.nonce());
    let mut will = WANTED.into_iter().fold(CapabilityFlags::empty(), |all, one| all | one) & can;
    if !will.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
        return Err(refused("the server speaks an older MySQL protocol than 4.1"));
    }
    if target.tls {
        if !can.contains(CapabilityFlags::CLIENT_SSL) {
            return Err(refused(retry::NO_TLS));
        }
        will |= CapabilityFlags::CLIENT_SSL;
        let request = SslRequest::new(will, LONGEST as u32, CollationId::UTF8MB4_GENERAL_CI as u8);
        packets.send(&bytes(&request)).map_err(broken)?;
        // Bytes before the handshake would be taken for what comes from behind it.
        if !packets.is_drained() {
            return Err(refused("the server sent more before TLS than it was asked for"));
        }
        packets.stream.secure(host, &options.tls).map_err(broken)?;
    }
    let password = target.password.expose();
    let native = AuthPlugin::MysqlNativePassword;
    let proof = native.gen_data(Some(password), &nonce);
    let response = HandshakeResponse::new(
        proof.as_deref(),
        // New enough for utf8mb4.
        (5, 5, 3),
        Some(target.user.as_bytes()),
        target.database.as_deref().map(str::as_bytes),
        Some(native),
        will,
        None,
        LONGEST as u32,
    );
    packets.send(&bytes(&response)).map_err(broken)?;
    let mut switched = false;
    loop {
        let answer = packets.next("waiting for the login").map_err(broken)?;
        match answer.first() {
            Some(&OK) => return Ok(()),
            Some(&ERROR) => return Err(server_error(answer, will, at, options)),
            Some(&SWITCH) if !switched => {
                switched = true;
                let proof = other_proof(answer, password, target.tls).map_err(|text| refused(&text))?;
                packets.send(&proof).map_err(broken)?;
            }
            _ => return Err(refused("the server asks for more than a password to log in")),
        }
    }
}

/// What shows who we are in the way that the server would rather have.
fn other_proof(request: &[u8], password: &str, secure: bool) -> std::result::Result<Vec<u8>, String> {
    let unknown = |name: &[u8]| retry::unknown_login(&String::from_utf8_lossy(name));
    let request: AuthSwitchRequest<'_> = ParseBuf(request).parse(()).map_err(|_| unknown(b"mysql_old_password"))?;
    match request.auth_plugin() {
        AuthPlugin::MysqlClearPassword if !secure => Err(retry::CLEAR_PASSWORD.to_owned()),
        plugin @ (AuthPlugin::MysqlNativePassword | AuthPlugin::MysqlClearPassword) => {
            let nonce = request.plugin_data();
            let data = plugin.gen_data(Some(password), nonce.strip_suffix(&[0]).unwrap_or(nonce));
            Ok(data.as_ref().map(bytes).unwrap_or_default())
        }
        plugin => Err(unknown(plugin.as_bytes())),
    }
}

/// The error in a packet that holds one.
#[cold]
pub(crate) fn server_error(packet: &[u8], capabilities: CapabilityFlags, at: &str, options: &Options) -> Error {
    match ParseBuf(packet).parse::<ErrPacket<'_>>(capabilities) {
        Ok(ErrPacket::Error(error)) => retry::server(options.side, at, error.error_code(), &error.message_str()),
        _ => Error::new(options.side.kind(), format!("{at}: the server said {}", fault::excerpt(packet))),
    }
}

fn bytes(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}
