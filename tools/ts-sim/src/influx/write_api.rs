//! The write endpoints: `/write`, `/api/v2/write`, `/api/v3/write_lp`, per version (dossier influxdb 2.1 to 2.4).

use super::accounts::Who;
use super::body::{self, Damage};
use super::flavor::Flavor;
use super::http::{self, Crash};
use super::limits::Bounds;
use super::manage;
use super::points::{self, Batch, Rules};
use super::reply::Reply;
use super::request::Request;
use super::server::Server;
use super::store::{Policy, SPLIT_V1};
use super::v3_write::{self, Door};
use super::write::{self, Refusal};
use std::borrow::Cow;

const MS: i64 = 1_000_000;
const S: i64 = 1_000_000_000;

/// `POST /write`.
pub fn v1_path(server: &Server, request: &Request) -> Result<Reply, Crash> {
    match server.flavor {
        Flavor::V29 => v2_compat(server, request),
        Flavor::V3 => Ok(v3_write::write(server, request, Door::Compat1)),
        flavor => {
            let Some(database) = request.given("db") else {
                return Ok(Reply::v1_error(400, b"database is required"));
            };
            let precision = request.param("precision").unwrap_or_default();
            // 1.6 knows no wrong precision
            let allowed = matches!(precision, "" | "n" | "ns" | "u" | "ms" | "s" | "m" | "h") || flavor == Flavor::V16;
            let wrong = (!allowed).then(|| format!("invalid precision \"{precision}\" (use n, u, ms, s, m or h)"));
            let unit = Unit { ns: v1_unit(precision), wrong };
            v1_write(server, request, Place { database, policy: request.given("rp") }, unit)
        }
    }
}

/// `POST /api/v2/write`.
pub fn v2_path(server: &Server, request: &Request) -> Result<Reply, Crash> {
    match server.flavor {
        Flavor::V29 => v2_write(server, request),
        Flavor::V3 => Ok(v3_write::write(server, request, Door::Compat2)),
        _ => {
            let bucket = request.param("bucket").unwrap_or_default();
            if bucket.is_empty() {
                let text = "bucket name \"\" is missing a slash; not in \"database/retention-policy\" format";
                return Ok(Reply::v1_error(404, text.as_bytes()));
            }
            let (database, policy) = bucket.split_once('/').unwrap_or((bucket, ""));
            let precision = request.param("precision").unwrap_or_default();
            let place = Place { database, policy: Some(policy).filter(|p| !p.is_empty()) };
            let unit = match v2_unit(precision) {
                Some(ns) => Unit { ns, wrong: None },
                None => Unit {
                    ns: v1_unit(precision),
                    wrong: Some(format!("invalid precision \"{precision}\" (use ns, us, ms or s)")),
                },
            };
            v1_write(server, request, place, unit)
        }
    }
}

/// `POST /api/v3/write_lp`.
pub fn v3_path(server: &Server, request: &Request) -> Reply {
    v3_write::write(server, request, Door::Native)
}

fn v2_unit(precision: &str) -> Option<i64> {
    Some(match precision {
        "" | "ns" => 1,
        "us" => 1_000,
        "ms" => MS,
        "s" => S,
        _ => return None,
    })
}

/// ns in one unit of a v1 precision; the parser takes what it does not know for ns.
fn v1_unit(precision: &str) -> i64 {
    match precision {
        "u" => 1_000,
        "ms" => MS,
        "s" => S,
        "m" => 60 * S,
        "h" => 3600 * S,
        _ => 1,
    }
}

/// The unit of the timestamps, and the complaint about a precision that is not allowed: 1.8 stores the points all the
/// same (dossier measured 2.3), 1.13 does not.
struct Unit {
    ns: i64,
    wrong: Option<String>,
}

struct Place<'a> {
    database: &'a str,
    policy: Option<&'a str>,
}

fn v1_write(server: &Server, request: &Request, place: Place, unit: Unit) -> Result<Reply, Crash> {
    let flavor = server.flavor;
    let accounts = server.accounts();
    let who = match accounts.v1(flavor, &request.credentials()) {
        Ok(who) => who,
        Err(text) => return Ok(unauthorized(text)),
    };
    let Place { database, policy } = place;
    if !server.store().databases.contains_key(database) {
        return Ok(Reply::v1_error(404, format!("database not found: \"{database}\"").as_bytes()));
    }
    if !who.may_write(database) {
        let text = format!("\"{}\" user is not authorized to write to database \"{database}\"", who.name());
        return Ok(Reply::v1_error(403, text.as_bytes()));
    }
    let body = match plain_body(server, request) {
        Ok(body) => body,
        Err(damage) => return Ok(Reply::v1_error(400, damage.text().as_bytes())),
    };
    if let Some(wrong) = unit.wrong.as_ref().filter(|_| flavor == Flavor::V113) {
        return Ok(Reply::v1_error(400, wrong.as_bytes()));
    }
    let rules = Rules { unsigned: false, reserved_tags: false, unit: unit.ns, now: server.now() };
    let batch = points::parse(&body, rules);
    if batch.crash {
        return Err(Crash);
    }
    let parse_errors = batch.failed.join(&b'\n');
    if batch.points.is_empty() && !batch.failed.is_empty() {
        return Ok(Reply::v1_error(400, &parse_errors));
    }
    let mut store = server.store_mut();
    let Some(found) = store.databases.get_mut(database) else {
        return Ok(Reply::v1_error(404, format!("database not found: \"{database}\"").as_bytes()));
    };
    let policy_name = policy.unwrap_or(&found.default_policy).to_string();
    let Some((target, others)) = found.apart(policy) else {
        return Ok(Reply::v1_error(500, format!("retention policy not found: {policy_name}").as_bytes()));
    };
    let bounds = Bounds::new(server.limits, &target.data, others);
    let outcome = write_batch(server, target, bounds, &batch);
    drop(store);
    if let Some(wrong) = unit.wrong {
        return Ok(Reply::v1_error(400, wrong.as_bytes()));
    }
    let suffix = |policy: Option<&str>| match (flavor, policy) {
        (Flavor::V113, Some(policy)) => format!(" for database: {database} for retention policy: {policy}"),
        (Flavor::V113, None) => format!(" for database: {database}"),
        _ => String::new(),
    };
    Ok(match outcome {
        Err(Refusal::Whole(reason)) => Reply::v1_error(400, reason.as_bytes()),
        Err(Refusal::Full(reason)) => Reply::v1_error(500, reason.as_bytes()),
        Err(Refusal::Partial { reason, dropped, .. }) => {
            let suffix = suffix(Some(&policy_name));
            Reply::v1_error(400, format!("partial write: {reason} dropped={dropped}{suffix}").as_bytes())
        }
        Ok(()) if !batch.failed.is_empty() => {
            let suffix = suffix(policy);
            let parts = [&b"partial write: "[..], &parse_errors, b" dropped=0", suffix.as_bytes()];
            Reply::v1_error(400, &parts.concat())
        }
        Ok(()) => http::marked(flavor, Reply::empty(204)),
    })
}

/// v1's 401.
pub fn unauthorized(text: &str) -> Reply {
    Reply::v1_error(401, text.as_bytes()).with("WWW-Authenticate", "Basic realm=\"InfluxDB\"")
}

fn write_batch(server: &Server, target: &mut Policy, bounds: Bounds, batch: &Batch) -> Result<(), Refusal> {
    write::write(target, bounds, batch, server.flavor, SPLIT_V1, server.now())
}

/// The body without its compression.
pub fn plain_body<'a>(server: &Server, request: &'a Request) -> Result<Cow<'a, [u8]>, Damage> {
    if !body::inflates(server.flavor, request.header("content-encoding")) {
        return Ok(Cow::Borrowed(&request.body));
    }
    // 1.x counts bytes on the wire only, so a small gzip may inflate to anything
    let limit = if server.flavor.is_v1() { None } else { server.max_body };
    body::inflate(&request.body, limit).map(Cow::Owned)
}

fn v2_write(server: &Server, request: &Request) -> Result<Reply, Crash> {
    let accounts = server.accounts();
    let Some(who) = accounts.token(&request.credentials()) else {
        return Ok(Reply::v2_error(401, "unauthorized", b"unauthorized access"));
    };
    if let Err(reply) = manage::find_org(&accounts, request) {
        return Ok(reply);
    }
    let Some(unit) = v2_unit(request.param("precision").unwrap_or_default()) else {
        return Ok(Reply::v2_error(400, "invalid", b"invalid precision; valid precision units are ns, us, ms, and s"));
    };
    let Some(given) = request.given("bucket") else {
        return Ok(Reply::v2_error(404, "not found", b"bucket not found"));
    };
    let bucket = manage::bucket_name(&server.store(), given);
    let Some(bucket) = bucket else {
        return Ok(Reply::v2_error(404, "not found", format!("bucket \"{given}\" not found").as_bytes()));
    };
    v2_store(server, request, &who, &bucket, unit)
}

/// v2's `/write`: every precision that it does not know is ns, in silence (dossier influxdb 2.3).
fn v2_compat(server: &Server, request: &Request) -> Result<Reply, Crash> {
    let accounts = server.accounts();
    let credentials = request.credentials();
    let who = accounts
        .token(&credentials)
        .filter(|_| credentials.user.is_none() || request.header("authorization").is_some());
    let Some(who) = who else {
        return Ok(Reply::v2_error(401, "unauthorized", b"Unauthorized"));
    };
    let unit = v2_unit(request.param("precision").unwrap_or_default()).unwrap_or(1);
    let bucket = manage::mapped_bucket(&server.store(), request.param("db").unwrap_or_default(), request.given("rp"));
    match bucket {
        Some(bucket) => v2_store(server, request, &who, &bucket, unit),
        None => Ok(Reply::v2_error(404, "not found", b"no dbrp mapping found")),
    }
}

fn v2_store(server: &Server, request: &Request, who: &Who, bucket: &str, unit: i64) -> Result<Reply, Crash> {
    let id = manage::bucket_id(bucket);
    if !who.may_write(&id) {
        return Ok(Reply::v2_error(403, "forbidden", b"insufficient permissions for write"));
    }
    if server.max_body.is_some_and(|most| request.body.len() as u64 > most) {
        return Ok(http::too_large(server));
    }
    let body = match plain_body(server, request) {
        Ok(body) => body,
        Err(Damage::TooLarge) => return Ok(http::too_large(server)),
        Err(Damage::Header) => {
            return Ok(Reply::v2_error(500, "internal error", b"An internal error has occurred - check server logs"));
        }
        Err(Damage::Truncated) => {
            return Ok(Reply::v2_error(500, "internal error", b"unable to read data: unexpected EOF"));
        }
        Err(damage) => {
            return Ok(Reply::v2_error(400, "invalid", format!("unable to read data: {}", damage.text()).as_bytes()));
        }
    };
    let batch = points::parse(&body, Rules { unsigned: true, reserved_tags: true, unit, now: server.now() });
    if batch.crash {
        return Err(Crash);
    }
    if !batch.failed.is_empty() {
        return Ok(Reply::v2_error(400, "invalid", &batch.failed.join(&b'\n')));
    }
    let mut store = server.store_mut();
    let Some((target, others)) = store.databases.get_mut(bucket).and_then(|b| b.apart(None)) else {
        return Ok(Reply::v2_error(404, "not found", b"bucket not found"));
    };
    let bounds = Bounds::new(server.limits, &target.data, others);
    Ok(match write_batch(server, target, bounds, &batch) {
        Ok(()) => Reply::empty(204),
        Err(Refusal::Whole(reason)) => Reply::v2_error(422, "unprocessable entity", reason.as_bytes()),
        Err(Refusal::Full(reason)) => {
            let text = format!("unexpected error writing points to database: {reason}");
            Reply::v2_error(500, "internal error", text.as_bytes())
        }
        Err(Refusal::Partial { reason, dropped, placed }) => {
            let suffix =
                if placed { format!(" for database: {id} for retention policy: autogen") } else { String::new() };
            let text = format!("failure writing points to database: partial write: {reason} dropped={dropped}{suffix}");
            Reply::v2_error(422, "unprocessable entity", text.as_bytes())
        }
    })
}

/// Loads line protocol (ns) before the server answers anything: every line has to be good.
pub fn load(server: &Server, target: &str, bytes: &[u8]) -> Result<(), String> {
    if server.flavor == Flavor::V3 {
        return v3_write::load(server, target, bytes);
    }
    let v2 = server.flavor == Flavor::V29;
    let batch = points::parse(bytes, Rules { unsigned: v2, reserved_tags: v2, unit: 1, now: server.now() });
    if batch.crash {
        return Err("a line would crash this server".to_string());
    }
    if let Some(first) = batch.failed.first() {
        return Err(String::from_utf8_lossy(first).into_owned());
    }
    let mut store = server.store_mut();
    let policy = store.databases.get_mut(target).and_then(|d| d.policy_mut(None));
    let policy = policy.ok_or_else(|| format!("no database {target}"))?;
    match write_batch(server, policy, Bounds::none(), &batch) {
        Ok(()) => Ok(()),
        Err(Refusal::Whole(reason) | Refusal::Full(reason)) => Err(reason),
        Err(Refusal::Partial { reason, dropped, .. }) => Err(format!("{reason} (dropped {dropped})")),
    }
}
