//! The routes, and the replies that do not depend on data.

use super::flavor::Flavor;
use super::reply::Reply;
use super::request::Request;
use super::server::Server;
use super::{manage, query_api, write_api};
use std::sync::Arc;

/// The request killed the simulated process (dossier measured 2.1).
pub struct Crash;

/// Answers one request.
pub fn route(server: &Arc<Server>, request: Request) -> Result<Reply, Crash> {
    let flavor = server.flavor;
    let (v2, v3) = (flavor == Flavor::V29, flavor == Flavor::V3);
    let post = request.method == "POST";
    Ok(match request.path.as_str() {
        "/ping" if v3 => {
            Reply::of(200, "application/json", r#"{"version":"3.10.1","revision":"sim","process_id":"sim"}"#)
        }
        "/ping" => marked(flavor, Reply::empty(204)),
        "/health" if v3 => Reply::of(200, "text/plain; charset=utf-8", "OK"),
        "/health" if flavor != Flavor::V16 => health(flavor),
        "/" if v2 => Reply::of(404, "text/plain; charset=utf-8", "no assets included in binary\n"),
        "/metrics" if v2 => manage::metrics(server),
        "/ready" if v2 => Reply::of(200, "application/json; charset=utf-8", ready(server)),
        "/write" if post => return write_api::v1_path(server, &request),
        "/api/v2/write" if post && flavor.has_v2_write() => return write_api::v2_path(server, &request),
        "/write" => method_not_allowed(flavor),
        "/api/v2/write" if flavor.has_v2_write() => method_not_allowed(flavor),
        "/query" if post || request.method == "GET" => query_api::influxql(server, &request),
        "/query" => method_not_allowed(flavor),
        "/api/v2/query" if post && flavor.has_v2_write() && !v3 => query_api::flux(server, &request),
        "/api/v3/write_lp" if v3 && post => write_api::v3_path(server, &request),
        "/api/v3/query_sql" if v3 => query_api::sql(server, &request),
        "/api/v3/query_influxql" if v3 => query_api::v3_influxql(server, &request),
        "/api/v3/configure/database" if v3 => manage::v3_database(server, &request),
        path if v2 && path.starts_with("/api/v2/") => manage::v2(server, &request),
        _ => not_found(flavor),
    })
}

fn ready(server: &Server) -> String {
    let started = super::time::rfc3339(server.now());
    format!("{{\n    \"status\": \"ready\",\n    \"started\": \"{started}\",\n    \"up\": \"1s\"\n}}\n")
}

fn health(flavor: Flavor) -> Reply {
    let version = flavor.version();
    let commit = if flavor == Flavor::V29 { ", \"commit\": \"none\"" } else { "" };
    let text = format!(
        "{{\"name\":\"influxdb\", \"message\":\"ready for queries and writes\", \"status\":\"pass\", \"checks\":[], \"version\": \"{version}\"{commit}}}\n"
    );
    Reply::of(200, "application/json; charset=utf-8", text)
}

/// v1 marks even empty replies as JSON.
pub fn marked(flavor: Flavor, reply: Reply) -> Reply {
    if flavor.is_v1() { reply.with("Content-Type", "application/json") } else { reply }
}

fn method_not_allowed(flavor: Flavor) -> Reply {
    let allow = "OPTIONS, POST";
    let reply = match flavor {
        Flavor::V29 => Reply::v2_error(405, "method not allowed", format!("allow: {allow}").as_bytes()),
        _ => Reply::of(405, "text/plain; charset=utf-8", "Method Not Allowed\n"),
    };
    reply.with("Allow", allow)
}

/// 404 in the words of the version.
pub fn not_found(flavor: Flavor) -> Reply {
    match flavor {
        Flavor::V29 => Reply::v2_error(404, "not found", b"path not found"),
        Flavor::V3 => Reply::empty(404),
        _ => Reply::of(404, "text/plain; charset=utf-8", "404 page not found\n"),
    }
}

/// 413 in the words of the version.
pub fn too_large(server: &Server) -> Reply {
    match server.flavor {
        Flavor::V29 => Reply::v2_error(413, "request too large", b"unable to read data: points batch is too large"),
        Flavor::V3 => Reply::v3_error(413, "request entity too large", None),
        _ => Reply::v1_error(413, b"Request Entity Too Large"),
    }
}

/// A failure on purpose.
pub fn failure(server: &Server, status: u16, retry_after: Option<u64>) -> Reply {
    if status == 204 {
        return Reply::empty(204);
    }
    let text = format!("failure on purpose: status {status}");
    let reply = match server.flavor {
        Flavor::V29 => {
            let code = match status {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not found",
                413 => "request too large",
                422 => "unprocessable entity",
                429 => "too many requests",
                503 => "unavailable",
                400..=499 => "invalid",
                _ => "internal error",
            };
            Reply::v2_error(status, code, text.as_bytes())
        }
        Flavor::V3 => Reply::v3_error(status, &text, None),
        _ => Reply::v1_error(status, text.as_bytes()),
    };
    match retry_after {
        Some(seconds) => reply.with("Retry-After", seconds.to_string()),
        None => reply,
    }
}

/// An overloaded server, as 1.8 says it; the header is what proxies and the cloud add.
pub fn queue_full(retry_after: u64) -> Reply {
    let reply = Reply::of(503, "text/plain; charset=utf-8", "request throttled, queue full\n");
    reply.with("Retry-After", retry_after.to_string())
}
