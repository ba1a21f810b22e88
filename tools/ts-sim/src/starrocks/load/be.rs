//! The BE's HTTP side.

use std::sync::Arc;

use super::{merge, metrics_page, stream, transaction};
use crate::starrocks::http::{Call, Outcome, Reply, Upload};
use crate::starrocks::server::Server;

/// Answers a request.
pub async fn answer(server: &Arc<Server>, call: &Call, upload: &mut Upload) -> Outcome {
    let parts = call.parts();
    match (call.method.as_str(), parts.as_slice()) {
        ("PUT", ["api", database, table, "_stream_load"]) if merge::is_asked(server, call) => {
            merge::load(server, call, database, table, upload).await
        }
        ("PUT", ["api", database, table, "_stream_load"]) => stream::load(server, call, database, table, upload).await,
        ("POST" | "PUT", ["api", "transaction", op]) => transaction::answer(server, call, op, upload).await,
        // Needs no credentials (dossier starrocks 1.7).
        ("GET", ["api", "_load_error_log"]) => {
            match server.loads.logs.get(call.backend(), call.param("file").unwrap_or_default()) {
                Some(text) => Outcome::text(text),
                None => Outcome::Reply(Reply::text(404, "file not exist")),
            }
        }
        ("GET", ["metrics"]) => {
            Outcome::text(metrics_page::page(server, call.node, call.param("type") == Some("json")))
        }
        ("GET", ["api", "health"]) => Outcome::json("{\"status\": \"OK\",\"msg\": \"To Be Added\"}".to_owned()),
        _ => Outcome::Reply(Reply::text(404, "not found")),
    }
}
