//! v2's management API (set-up, organisations, buckets, tokens, delete) and v3's databases.

use super::accounts::{Accounts, Org, Token, id_of};
use super::http;
use super::reply::Reply;
use super::request::Request;
use super::server::Server;
use super::store::{Database, Store, default_shard};
use super::time::{parse_time, rfc3339};
use serde_json::{Value as Json, json};

const SECOND: i64 = 1_000_000_000;

/// The id of a bucket.
pub fn bucket_id(name: &str) -> String {
    id_of("bucket", name)
}

/// The bucket with this name or id.
pub fn bucket_name(store: &Store, given: &str) -> Option<String> {
    if store.databases.contains_key(given) {
        return Some(given.to_string());
    }
    store.databases.keys().find(|name| bucket_id(name) == given).cloned()
}

/// The bucket that a v1 database and retention policy stand for: `db/rp`, or `db` for none or `autogen`.
pub fn mapped_bucket(store: &Store, database: &str, policy: Option<&str>) -> Option<String> {
    let name = match policy {
        None | Some("autogen") => database.to_string(),
        Some(policy) => format!("{database}/{policy}"),
    };
    store.databases.contains_key(&name).then_some(name)
}

/// Checks `org` and `orgID`.
pub fn find_org(accounts: &Accounts, request: &Request) -> Result<(), Reply> {
    let ours = |given: &str| accounts.org.as_ref().is_some_and(|o| o.name == given || o.id == given);
    match (request.given("orgID"), request.given("org")) {
        (Some(id), _) if !ours(id) => Err(Reply::v2_error(404, "not found", b"organization not found")),
        (None, Some(name)) if !ours(name) => {
            Err(Reply::v2_error(404, "not found", format!("organization name \"{name}\" not found").as_bytes()))
        }
        (None, None) => Err(Reply::v2_error(400, "invalid", b"Please provide either orgID or org")),
        _ => Ok(()),
    }
}

/// `/api/v2/…` beside write and query.
pub fn v2(server: &Server, request: &Request) -> Reply {
    let path = request.path.trim_start_matches("/api/v2/").trim_end_matches('/').to_string();
    let method = request.method.as_str();
    if path == "setup" {
        return setup(server, request);
    }
    if server.accounts().token(&request.credentials()).is_none() {
        return Reply::v2_error(401, "unauthorized", b"unauthorized access");
    }
    match (method, path.split_once('/').map_or((path.as_str(), ""), |p| p)) {
        ("GET", ("buckets", "")) => list_buckets(server, request),
        ("POST", ("buckets", "")) => make_bucket(server, request),
        ("GET", ("buckets", id)) => {
            let name = bucket_name(&server.store(), id);
            match name {
                Some(name) => Reply::v2_json(200, &bucket_json(server, &name)),
                None => Reply::v2_error(404, "not found", b"bucket not found"),
            }
        }
        ("DELETE", ("buckets", id)) => {
            let name = bucket_name(&server.store(), id);
            match name.and_then(|name| server.store_mut().databases.remove(&name)) {
                Some(_) => Reply::empty(204),
                None => Reply::v2_error(404, "not found", b"bucket not found"),
            }
        }
        ("GET", ("orgs", _)) => {
            let accounts = server.accounts();
            let wanted = |o: &&Org| request.given("org").is_none_or(|name| name == o.name);
            let orgs: Vec<Json> = accounts.org.iter().filter(wanted).map(org_json).collect();
            if orgs.is_empty() && request.given("org").is_some() {
                let name = request.given("org").unwrap_or_default();
                return Reply::v2_error(404, "not found", format!("organization name \"{name}\" not found").as_bytes());
            }
            Reply::v2_json(200, &json!({"links": {"self": "/api/v2/orgs"}, "orgs": orgs}))
        }
        ("POST", ("authorizations", "")) => make_token(server, request),
        ("POST", ("delete", "")) => delete(server, request),
        _ => http::not_found(server.flavor),
    }
}

fn org_json(org: &Org) -> Json {
    json!({"links": {"self": format!("/api/v2/orgs/{}", org.id)}, "id": org.id, "name": org.name, "description": ""})
}

/// The one metric that migrations look at: series per bucket.
pub fn metrics(server: &Server) -> Reply {
    let mut text = "# HELP storage_bucket_series_num Gauge of series cardinality per bucket\n".to_string();
    text.push_str("# TYPE storage_bucket_series_num gauge\n");
    for (name, bucket) in &server.store().databases {
        let series: usize = bucket.policies.values().flat_map(|p| &p.data.measurements).map(|m| m.series.len()).sum();
        text.push_str(&format!("storage_bucket_series_num{{bucket=\"{}\"}} {series}\n", bucket_id(name)));
    }
    Reply::of(200, "text/plain; version=0.0.4; charset=utf-8", text)
}

fn body_json(request: &Request) -> Json {
    serde_json::from_slice(&request.body).unwrap_or(Json::Null)
}

fn setup(server: &Server, request: &Request) -> Reply {
    let done = server.accounts().org.is_some();
    if request.method == "GET" {
        return Reply::v2_json(200, &json!({"allowed": !done}));
    }
    if done {
        return Reply::v2_json(422, &json!({"code": "conflict", "message": "onboarding has already been completed"}))
            .with("X-Platform-Error-Code", "conflict");
    }
    let body = body_json(request);
    let text = |key: &str| body.get(key).and_then(Json::as_str).unwrap_or_default().to_string();
    let (user, org, bucket) = (text("username"), text("org"), text("bucket"));
    if user.is_empty() || org.is_empty() || bucket.is_empty() {
        return Reply::v2_error(422, "unprocessable entity", b"username, org and bucket are required");
    }
    let token = Some(text("token")).filter(|t| !t.is_empty()).unwrap_or_else(|| id_of("token", &user));
    let keep = body.get("retentionPeriodSeconds").and_then(Json::as_i64).unwrap_or(0).saturating_mul(SECOND);
    server.store_mut().databases.insert(bucket.clone(), Database::new("autogen", keep, default_shard(keep)));
    let auth = {
        let mut accounts = server.accounts_mut();
        let id = id_of("org", &org);
        accounts.org = Some(Org { id: id.clone(), name: org.clone() });
        accounts.required = true;
        let token = Token { id: id_of("authorization", &token), text: token, buckets: None };
        let auth = json!({"id": token.id, "token": token.text, "status": "active", "orgID": id, "org": org, "permissions": []});
        accounts.tokens.push(token);
        auth
    };
    let org = server.accounts().org.as_ref().map_or(Json::Null, org_json);
    let user = json!({"id": id_of("user", &user), "name": user, "status": "active"});
    Reply::v2_json(201, &json!({"user": user, "bucket": bucket_json(server, &bucket), "org": org, "auth": auth}))
}

fn bucket_json(server: &Server, name: &str) -> Json {
    let store = server.store();
    let policy = store.databases.get(name).and_then(|d| d.policy(None));
    let (keep, shard) = policy.map_or((0, 0), |p| (p.duration / SECOND, p.shard / SECOND));
    let accounts = server.accounts();
    let org = accounts.org.as_ref().map(|o| o.id.as_str()).unwrap_or_default();
    let id = bucket_id(name);
    let made = rfc3339(server.now());
    json!({
        "id": id, "orgID": org, "type": "user", "name": name,
        "retentionRules": [{"type": "expire", "everySeconds": keep, "shardGroupDurationSeconds": shard}],
        "createdAt": made, "updatedAt": made,
        "links": {
            "labels": format!("/api/v2/buckets/{id}/labels"),
            "members": format!("/api/v2/buckets/{id}/members"),
            "org": format!("/api/v2/orgs/{org}"),
            "owners": format!("/api/v2/buckets/{id}/owners"),
            "self": format!("/api/v2/buckets/{id}"),
            "write": format!("/api/v2/write?org={org}&bucket={id}"),
        },
        "labels": [],
    })
}

fn list_buckets(server: &Server, request: &Request) -> Reply {
    let number = |name: &str, default: usize| request.given(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (limit, offset) = (number("limit", 20), number("offset", 0));
    let names: Vec<String> = server.store().databases.keys().cloned().collect();
    let wanted = |name: &&String| {
        request.given("name").is_none_or(|n| n == *name) && request.given("id").is_none_or(|id| bucket_id(name) == id)
    };
    let buckets: Vec<Json> =
        names.iter().filter(wanted).skip(offset).take(limit).map(|n| bucket_json(server, n)).collect();
    let link = format!("/api/v2/buckets?descending=false&limit={limit}&offset={offset}");
    Reply::v2_json(200, &json!({"links": {"self": link}, "buckets": buckets}))
}

fn make_bucket(server: &Server, request: &Request) -> Reply {
    let body = body_json(request);
    let name = body.get("name").and_then(Json::as_str).unwrap_or_default().to_string();
    if name.is_empty() {
        return Reply::v2_error(400, "invalid", b"bucket name is required");
    }
    let rule = body.get("retentionRules").and_then(|r| r.get(0)).cloned().unwrap_or(Json::Null);
    let seconds = |key: &str| rule.get(key).and_then(Json::as_i64).unwrap_or(0);
    let keep = seconds("everySeconds");
    if keep != 0 && keep < 3600 {
        return Reply::v2_json(
            500,
            &json!({"code": "internal error", "message": "retention policy duration must be at least 1h0m0s"}),
        )
        .with("X-Platform-Error-Code", "internal error");
    }
    let shard = match seconds("shardGroupDurationSeconds") {
        0 => default_shard(keep * SECOND),
        seconds => seconds.saturating_mul(SECOND),
    };
    {
        let mut store = server.store_mut();
        if store.databases.contains_key(&name) {
            let message = format!("bucket with name {name} already exists");
            return Reply::v2_json(422, &json!({"code": "conflict", "message": message}))
                .with("X-Platform-Error-Code", "conflict");
        }
        store.databases.insert(name.clone(), Database::new("autogen", keep * SECOND, shard));
    }
    Reply::v2_json(201, &bucket_json(server, &name))
}

fn make_token(server: &Server, request: &Request) -> Reply {
    let body = body_json(request);
    let permissions = body.get("permissions").and_then(Json::as_array).cloned().unwrap_or_default();
    let names: Vec<String> = server.store().databases.keys().cloned().collect();
    let mut buckets: Vec<(String, bool, bool)> = Vec::new();
    for permission in &permissions {
        let write = permission.get("action").and_then(Json::as_str) == Some("write");
        let resource = permission.get("resource").cloned().unwrap_or(Json::Null);
        if resource.get("type").and_then(Json::as_str) != Some("buckets") {
            continue;
        }
        let ids = match resource.get("id").and_then(Json::as_str) {
            Some(id) => vec![id.to_string()],
            None => names.iter().map(|n| bucket_id(n)).collect(),
        };
        buckets.extend(ids.into_iter().map(|id| (id, !write, write)));
    }
    let mut accounts = server.accounts_mut();
    let description = body.get("description").and_then(Json::as_str).unwrap_or_default().to_string();
    let id = id_of("authorization", &format!("{description}/{}", accounts.tokens.len()));
    let text = format!("{}{}==", id_of("token", &id), id);
    accounts.tokens.push(Token { id: id.clone(), text: text.clone(), buckets: Some(buckets) });
    let (org_id, org) = accounts.org.as_ref().map(|o| (o.id.clone(), o.name.clone())).unwrap_or_default();
    let (user, made) = (id_of("user", &org), rfc3339(server.now()));
    let links = json!({"self": format!("/api/v2/authorizations/{id}"), "user": format!("/api/v2/users/{user}")});
    Reply::v2_json(
        201,
        &json!({"id": id, "token": text, "status": "active", "description": description, "orgID": org_id, "org": org,
            "userID": user, "user": "ix", "permissions": permissions, "links": links, "createdAt": made, "updatedAt": made}),
    )
}

fn delete(server: &Server, request: &Request) -> Reply {
    let invalid = |text: &str| Reply::v2_error(400, "invalid", format!("error decoding json body: {text}").as_bytes());
    let body = body_json(request);
    let time = |key: &str| body.get(key).and_then(Json::as_str).and_then(parse_time);
    let format = "please format your time with RFC3339Nano format, example: 2009-01-02T23:00:00Z";
    let Some(start) = time("start") else { return invalid(&format!("invalid RFC3339Nano for field start, {format}")) };
    let Some(stop) = time("stop") else { return invalid(&format!("invalid RFC3339Nano for field stop, {format}")) };
    let predicate = body.get("predicate").and_then(Json::as_str).unwrap_or_default();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for part in predicate.split(" AND ").flat_map(|p| p.split(" and ")).filter(|p| !p.trim().is_empty()) {
        if part.contains(" or ") || part.contains(" OR ") {
            return invalid("the logical operator OR is not supported yet at position 6");
        }
        let Some((key, value)) = part.split_once('=') else { return invalid("bad predicate") };
        if key.trim() == "_field" {
            return Reply::v2_error(501, "not implemented", b"delete by field is not supported");
        }
        wanted.push((key.trim().to_string(), value.trim().trim_matches('"').to_string()));
    }
    let mut store = server.store_mut();
    let bucket = bucket_name(&store, request.given("bucket").or(request.given("bucketID")).unwrap_or_default());
    let Some(policy) = bucket.and_then(|b| store.databases.get_mut(&b)).and_then(|b| b.policy_mut(None)) else {
        return Reply::v2_error(404, "not found", b"bucket not found");
    };
    for measurement in &mut policy.data.measurements {
        let name = measurement.name.clone();
        for series in &mut measurement.series {
            let matches = wanted.iter().all(|(key, value)| match key.as_str() {
                "_measurement" => name == value.as_bytes(),
                key => series.tag(key.as_bytes()) == value.as_bytes(),
            });
            if matches {
                series.rows.delete(start, stop.saturating_add(1));
            }
        }
    }
    Reply::empty(204)
}

/// `GET|POST|DELETE /api/v3/configure/database`.
pub fn v3_database(server: &Server, request: &Request) -> Reply {
    if server.accounts().token(&request.credentials()).is_none() {
        return Reply::empty(401);
    }
    match request.method.as_str() {
        "GET" => {
            let names: Vec<Json> = server.store().databases.keys().map(|n| json!({"iox::database": n})).collect();
            Reply::of(200, "application/json", Json::from(names).to_string())
        }
        "POST" => {
            let body = body_json(request);
            let name = body.get("db").or(body.get("name")).and_then(Json::as_str).unwrap_or_default().to_string();
            if name.is_empty() {
                return Reply::v3_error(400, "invalid db name: db name cannot be empty", None);
            }
            let mut store = server.store_mut();
            if store.databases.contains_key(&name) {
                return Reply::v3_error(409, "attempted to create a resource that already exists", None);
            }
            store.databases.insert(name, Database::new("autogen", server.retention, 0));
            Reply::empty(200)
        }
        "DELETE" => match request.given("db").and_then(|db| server.store_mut().databases.remove(db)) {
            Some(_) => Reply::empty(200),
            None => Reply::v3_error(404, "the requested resource was not found", None),
        },
        _ => Reply::empty(405),
    }
}
