//! The stream of rows against doubles that speak the MySQL protocol byte by byte, as its manual has it ("Connection Phase",
//! "Text Resultset"): ways to log in, TLS, results that end in other ways than the end.

use fault::{Error, Kind, Secret};
use net::Side;
use net::tls::Tls;
use rustls::{ServerConnection, StreamOwned};
use starrocks::client::Options;
use starrocks::{RowStream, Target};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

const CLIENT_CONNECT_WITH_DB: u32 = 0x8;
const CLIENT_SSL: u32 = 0x800;
/// 4.1's protocol, secure passwords, plugins, databases: what a front end greets with.
const USUAL: u32 = 0x1 | CLIENT_CONNECT_WITH_DB | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];
const PASSWORD: &str = "s3cret";
const SALT: &[u8; 20] = b"abcdefghijklmnopqrst";
/// SHA1(password) XOR SHA1(salt, SHA1(SHA1(password))), computed elsewhere: with that salt, and with its upper case.
const PROOF: [u8; 20] = [
    0x85, 0x10, 0x60, 0x5a, 0x5e, 0xc0, 0xd3, 0xd9, 0x58, 0x05, 0x86, 0x36, 0xe0, 0xa2, 0xeb, 0xdf, 0xcf, 0x34, 0xbe,
    0x4c,
];
const UPPER_PROOF: [u8; 20] = [
    0x3a, 0x3d, 0x62, 0xd9, 0xef, 0x9b, 0x39, 0x99, 0xec, 0xcc, 0x71, 0xfb, 0x46, 0xe6, 0x3b, 0x44, 0x60, 0x14, 0xee,
    0xab,
];

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// The server's side of a connection.
struct Peer {
    wire: Box<dyn Wire>,
    number: u8,
}

impl Peer {
    fn say(&mut self, payload: &[u8]) {
        let mut head = (payload.len() as u32).to_le_bytes();
        head[3] = self.number;
        self.number = self.number.wrapping_add(1);
        self.wire.write_all(&[&head[..], payload].concat()).unwrap();
    }

    /// The next packet, which must bear the next number; `None` at the end.
    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 4];
        self.wire.read_exact(&mut head).ok()?;
        assert_eq!(head[3], self.number);
        self.number = self.number.wrapping_add(1);
        head[3] = 0;
        let mut payload = vec![0; u32::from_le_bytes(head) as usize];
        self.wire.read_exact(&mut payload).unwrap();
        Some(payload)
    }

    /// The next command, which begins a new count.
    fn command(&mut self) -> Option<String> {
        self.number = 0;
        let payload = self.hear()?;
        assert_eq!(payload[0], 3, "a query");
        Some(String::from_utf8(payload[1..].to_vec()).unwrap())
    }

    fn greet(&mut self, capabilities: u32) {
        let [a, b, c, d] = capabilities.to_le_bytes();
        let head =
            [&[10][..], b"8.0.33\0", &[1, 0, 0, 0], &SALT[..8], &[0, a, b, 33, 2, 0, c, d, 21], &[0; 10]].concat();
        self.say(&[&head[..], &SALT[8..], b"\0mysql_native_password\0"].concat());
    }

    /// What shows who they are, after user and before database have been looked at.
    fn login(&mut self) -> Vec<u8> {
        let response = self.hear().unwrap();
        let rest = response[32..].strip_prefix(b"ana\0").unwrap();
        let (length, rest) = rest.split_first().unwrap();
        let (proof, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest, b"db\0mysql_native_password\0");
        proof.to_vec()
    }

    /// Takes the statements that set up a session.
    fn set_up(&mut self) {
        self.say(OK);
        for _ in 0..3 {
            let sql = self.command().unwrap();
            assert!(sql.starts_with("SET "), "{sql}");
            self.say(OK);
        }
    }

    fn over_tls(self, plain: TcpStream) -> Peer {
        let connection = ServerConnection::new(testkit::tls_server()).unwrap();
        Peer { wire: Box::new(StreamOwned::new(connection, plain)), number: self.number }
    }
}

/// A front end that serves one connection, and what came of it.
fn front_end<T: Send + 'static>(serve: impl FnOnce(Peer, TcpStream) -> T + Send + 'static) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        serve(Peer { wire: Box::new(stream.try_clone().unwrap()), number: 0 }, stream)
    });
    (port, serving)
}

fn open(scheme: &str, port: u16) -> Result<RowStream, Error> {
    let target = Target::parse(&format!("{scheme}://ana@127.0.0.1:{port}/db"), Some(Secret::new(PASSWORD))).unwrap();
    let options = Options {
        timeout: Duration::from_secs(5),
        tls: Tls { insecure: false, ca_file: Some(testkit::testdata("tls/ca.pem")) },
        ..Options::new(Side::Source)
    };
    RowStream::open(&target, &target.frontends[0], &options)
}

fn refusal(scheme: &str, port: u16) -> (Kind, String) {
    let error = open(scheme, port).err().unwrap();
    (error.kind(), error.to_string())
}

/// A server that has let them in.
fn serving<T: Send + 'static>(serve: impl FnOnce(Peer) -> T + Send + 'static) -> (RowStream, JoinHandle<T>) {
    let (port, serving) = front_end(|mut peer, _| {
        peer.greet(USUAL);
        assert_eq!(peer.login(), PROOF);
        peer.set_up();
        serve(peer)
    });
    (open("starrocks", port).unwrap(), serving)
}

fn switch(plugin: &str, salt: &[u8]) -> Vec<u8> {
    [&[0xfe], plugin.as_bytes(), &[0], salt].concat()
}

/// The head of a result of one column.
fn head(peer: &mut Peer) {
    peer.say(&[1]);
    peer.say(b"\x03def\0\0\0\x01v\0\x0c\x21\0\0\0\0\0\xfd\0\0\0\0\0");
    peer.say(END);
}

#[test]
fn a_password_is_proved_and_rows_come_until_the_end() {
    let (mut rows, serving) = serving(|mut peer| {
        assert_eq!(peer.command().unwrap(), "SELECT v");
        head(&mut peer);
        // A cell whose length begins like the end of a result, one of four letters, NULL.
        let long = [&[0xfe][..], &300u64.to_le_bytes(), &[b'x'; 300]].concat();
        for row in [&long[..], b"\x04four", &[0xfb], END] {
            peer.say(row);
        }
        assert_eq!(peer.command().unwrap(), "SELECT nothing");
        head(&mut peer);
        peer.say(END);
        peer.command()
    });
    let mut cells = Vec::new();
    let mut take = |sql: &str| {
        rows.read(sql, |mut row| {
            cells.push(row.take().unwrap().map(<[u8]>::len));
            assert!(row.is_empty());
            Ok(true)
        })
    };
    assert_eq!(take("SELECT v").unwrap(), 3);
    assert_eq!(take("SELECT nothing").unwrap(), 0);
    assert_eq!(cells, [Some(300), Some(4), None]);
    assert!(!rows.is_spent());
    drop(rows);
    assert_eq!(serving.join().unwrap(), None);
}

#[test]
fn the_server_may_ask_for_the_proof_again_with_other_salt() {
    let (port, serving) = front_end(|mut peer, _| {
        peer.greet(USUAL);
        assert_eq!(peer.login(), PROOF);
        peer.say(&switch("mysql_native_password", b"ABCDEFGHIJKLMNOPQRST\0"));
        assert_eq!(peer.hear().unwrap(), UPPER_PROOF);
        peer.set_up();
    });
    open("starrocks", port).unwrap();
    serving.join().unwrap();
}

/// Users of LDAP.
#[test]
fn a_password_goes_in_clear_behind_tls_only() {
    let (port, serving) = front_end(|mut peer, _| {
        peer.greet(USUAL);
        peer.login();
        peer.say(&switch("mysql_clear_password", b""));
        peer.hear()
    });
    let (kind, text) = refusal("starrocks", port);
    assert_eq!(kind, Kind::Refused);
    assert!(text.contains("in clear") && text.contains("starrockss://"), "{text}");
    assert_eq!(serving.join().unwrap(), None, "nothing was sent");

    let (port, serving) = front_end(|mut peer, plain| {
        peer.greet(USUAL | CLIENT_SSL);
        let request = peer.hear().unwrap();
        assert_eq!(request.len(), 32);
        assert_ne!(u32::from_le_bytes(request[..4].try_into().unwrap()) & CLIENT_SSL, 0);
        let mut peer = peer.over_tls(plain);
        assert_eq!(peer.login(), PROOF);
        peer.say(&switch("mysql_clear_password", b""));
        assert_eq!(peer.hear().unwrap(), b"s3cret\0");
        peer.set_up();
    });
    open("starrockss", port).unwrap();
    serving.join().unwrap();
}

#[test]
fn a_login_that_cannot_be_is_refused_with_its_reason() {
    let (port, _serving) = front_end(|mut peer, _| {
        peer.greet(USUAL);
        peer.hear()
    });
    let (kind, text) = refusal("starrockss", port);
    assert_eq!(kind, Kind::Refused);
    assert!(text.contains("no TLS on this port"), "{text}");

    let (port, _serving) = front_end(|mut peer, _| {
        peer.greet(USUAL);
        peer.login();
        peer.say(&switch("authentication_kerberos", b"x"));
        peer.hear()
    });
    let (kind, text) = refusal("starrocks", port);
    assert_eq!(kind, Kind::Refused);
    assert!(text.contains("authentication_kerberos"), "{text}");

    let (port, _serving) = front_end(|mut peer, _| {
        peer.greet(USUAL);
        peer.login();
        peer.say(b"\xff\x15\x04#28000Access denied for user 'ana'");
        peer.hear()
    });
    let (kind, text) = refusal("starrocks", port);
    assert_eq!(kind, Kind::Refused);
    assert!(text.contains("1045: Access denied for user 'ana'") && !text.contains(PASSWORD), "{text}");
}

/// Another try may help: too many connections now, or a port of something else that is still to be moved.
#[test]
fn a_greeting_that_is_none_is_a_failure_of_the_source() {
    let (port, _serving) = front_end(|mut peer, _| {
        peer.say(b"\xff\x10\x04Too many connections");
        peer.hear()
    });
    let (kind, text) = refusal("starrocks", port);
    assert_eq!(kind, Kind::Source);
    assert!(text.contains("1040: Too many connections"), "{text}");

    let (port, _serving) = front_end(|mut peer, _| peer.wire.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let (kind, text) = refusal("starrocks", port);
    assert_eq!(kind, Kind::Source);
    assert!(text.contains("is that a front end?"), "{text}");

    let (port, _serving) = front_end(|peer, _| drop(peer));
    let (kind, text) = refusal("starrocks", port);
    assert_eq!(kind, Kind::Source);
    assert!(text.contains("closed the connection"), "{text}");
}

#[test]
fn a_result_that_breaks_is_never_a_whole_one() {
    let ends: [(&str, fn(&mut Peer)); 4] = [
        ("9 rows of memory exceed limit", |peer| peer.say(b"\xff\x28\x04#HY0009 rows of memory exceed limit")),
        ("closed the connection", |_| {}),
        ("closed the connection", |peer| peer.wire.write_all(&[9, 0, 0, peer.number, 8, b'h']).unwrap()),
        ("came where", |peer| {
            peer.number = peer.number.wrapping_add(1);
            peer.say(END);
        }),
    ];
    for (words, end) in ends {
        let (mut rows, _serving) = serving(move |mut peer| {
            peer.command();
            head(&mut peer);
            peer.say(b"\x01a");
            peer.say(b"\x01b");
            end(&mut peer);
        });
        let mut given = 0;
        let error = rows.read("SELECT v FROM t", |_| {
            given += 1;
            Ok(true)
        });
        let error = error.unwrap_err();
        assert_eq!((given, error.kind()), (2, Kind::Source), "{error}");
        assert!(error.to_string().contains(words) && error.to_string().contains("SELECT v FROM t"), "{error}");
        assert!(rows.is_spent());
    }
}

#[test]
fn an_abandoned_result_leaves_the_session_of_no_use() {
    let (mut rows, _serving) = serving(|mut peer| {
        peer.command();
        head(&mut peer);
        peer.say(b"\x01a");
        peer.say(b"\x01b");
        peer.say(END);
    });
    assert_eq!(rows.read("SELECT v", |_| Ok(false)).unwrap(), 1);
    assert!(rows.is_spent());
}
