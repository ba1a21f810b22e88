//! A front end by HTTPS that sends us on.

use crate::common::{all, cluster, held, loads, rows};
use crate::double::{Double, loaded, reply};
use testkit::{Starrocks, Tool, tool};

/// Reads the path of a request.
fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or("/")
}

/// The cluster's MySQL port, and this front end for HTTP.
fn through(cluster: &Starrocks, front: &Double) -> Tool {
    let url = format!("starrocks://root@{}/plant?https={}", cluster.mysql, front.port);
    let authority = testkit::testdata("tls/ca.pem").display().to_string();
    tool("sr-stream-load").args(["--url", &url, "--table", "m", "--poll", "50ms", "--tls-ca-file", &authority])
}

#[test]
fn a_redirect_to_https_is_followed_with_the_credentials() {
    let cluster = cluster(&[]);
    let front = Double::secure(|head, port| match path(head).strip_prefix("/be") {
        Some(_) => loaded(10),
        None => {
            reply("307 Temporary Redirect", &format!("Location: https://localhost:{port}/be{}\r\n", path(head)), "")
        }
    });
    through(&cluster, &front).env("TS_TARGET_PASSWORD", "").stdin(rows(0, 10)).run().code(0);
    let heads = front.heads();
    let seen: Vec<(&str, bool)> =
        heads.iter().map(|head| (path(head), head.contains("authorization: Basic cm9vdDo="))).collect();
    assert_eq!(seen, [("/api/plant/m/_stream_load", true), ("/be/api/plant/m/_stream_load", true)]);
}

#[test]
fn a_redirect_from_https_to_http_is_refused_unless_it_is_allowed() {
    let cluster = cluster(&[]);
    // Where to is told by a header of the request: a double is a function without memory.
    let front = Double::secure(|head, _| {
        let be = head.lines().find_map(|line| line.strip_prefix("warehouse: ")).unwrap_or_default();
        reply("307 Temporary Redirect", &format!("Location: http://{be}{}\r\n", path(head)), "")
    });
    let load = || through(&cluster, &front).args(["--warehouse", &cluster.be]).stdin(rows(0, 10));
    let outcome = load().run().code(6);
    assert!(outcome.stderr.contains("https and leads to http://127.0.0.1"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--allow-insecure-redirect"), "{}", outcome.stderr);
    assert_eq!((outcome.number("retries"), held(&cluster), loads(&cluster)), (0, (0, 0), 0), "nobody was asked");
    load().arg("--allow-insecure-redirect").run().code(0);
    assert_eq!((held(&cluster), loads(&cluster)), (all(10), 1));
}

#[test]
fn a_front_end_that_nobody_vouches_for_gets_no_password() {
    let cluster = cluster(&[]);
    let front = Double::secure(|_, _| loaded(10));
    let url = format!("starrocks://root@{}/plant?https={}", cluster.mysql, front.port);
    let tool = || tool("sr-stream-load").args(["--url", &url, "--table", "m"]);
    let outcome = tool().stdin(rows(0, 10)).run().code(6);
    assert!(outcome.stderr.contains("certificate") && outcome.number("retries") == 0, "{}", outcome.stderr);
    assert!(front.heads().is_empty());
    // Told to, it trusts anybody. What answers for the front end takes the rows (--fe-proxy).
    tool().args(["--tls-insecure", "--fe-proxy"]).stdin(rows(0, 10)).run().code(0);
}
