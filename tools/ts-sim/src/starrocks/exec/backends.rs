//! `SHOW BACKENDS`, `SHOW COMPUTE NODES`, `SHOW FRONTENDS` (dossier starrocks 7).

use serde_json::{Map, Value as Json};

use super::Session;
use super::query::{Columns, Made};
use super::virtual_table::{text, texts};
use crate::starrocks::value::Value;

/// Column and its value of an idle backend.
const BACKEND: [(&str, &str); 28] = [
    ("BackendId", "10001"),
    ("IP", ""),
    ("HeartbeatPort", "9050"),
    ("BePort", "9060"),
    ("HttpPort", ""),
    ("BrpcPort", "8060"),
    ("LastStartTime", "2025-01-01 00:00:00"),
    ("LastHeartbeat", "2025-01-01 00:00:00"),
    ("Alive", "true"),
    ("SystemDecommissioned", "false"),
    ("ClusterDecommissioned", "false"),
    ("TabletNum", "10"),
    ("DataUsedCapacity", "1.000 GB"),
    ("AvailCapacity", "99.000 GB"),
    ("TotalCapacity", "100.000 GB"),
    ("UsedPct", "1.00 %"),
    ("MaxDiskUsedPct", "1.00 %"),
    ("ErrMsg", ""),
    ("Version", ""),
    ("Status", "{}"),
    ("DataTotalCapacity", "100.000 GB"),
    ("DataUsedPct", "1.00 %"),
    ("CpuCores", "8"),
    ("MemLimit", "16.000GB"),
    ("NumRunningQueries", "0"),
    ("MemUsedPct", "5.00 %"),
    ("CpuUsedPct", "2.0 %"),
    ("Location", ""),
];

/// The backends, each loaded as the metrics tape says.
pub fn backends(session: &Session) -> (Columns, Made) {
    let step = session.server.metrics.step();
    let version = session.server.version.current();
    let rows = session.server.addresses.backends.iter().enumerate().map(|(number, registered)| {
        let (host, port) = registered.rsplit_once(':').unwrap_or(("127.0.0.1", "8040"));
        let id = (10_001 + number).to_string();
        row(&step, &[("BackendId", &id), ("IP", host), ("HttpPort", port), ("Version", &version)])
    });
    let names: Vec<&str> = BACKEND.iter().map(|(name, _)| *name).collect();
    (texts(&names), rows.collect())
}

/// A row of SHOW BACKENDS: what the step says, else what is known of the backend, else what an idle one shows.
fn row(step: &Map<String, Json>, known: &[(&str, &str)]) -> Vec<Value<'static>> {
    let cell = |(name, idle): &(&str, &str)| {
        let known = known.iter().find(|(known, _)| known == name).map_or(*idle, |(_, value)| value);
        text(match step.get(*name) {
            Some(Json::String(text)) => text.clone(),
            // Numbers of percentages may be given bare.
            Some(value) if name.ends_with("Pct") => format!("{value} %"),
            Some(value) => value.to_string(),
            None => known.to_string(),
        })
    };
    BACKEND.iter().map(cell).collect()
}

/// None: a shared-nothing cluster has only backends.
pub fn compute_nodes() -> (Columns, Made) {
    let names = [
        "ComputeNodeId",
        "IP",
        "HeartbeatPort",
        "BePort",
        "HttpPort",
        "BrpcPort",
        "LastStartTime",
        "LastHeartbeat",
        "Alive",
        "SystemDecommissioned",
        "ClusterDecommissioned",
        "ErrMsg",
        "Version",
        "CpuCores",
        "MemLimit",
        "NumRunningQueries",
        "MemUsedPct",
        "CpuUsedPct",
        "HasStoragePath",
        "StarletPort",
        "WorkerId",
        "WarehouseName",
        "TabletNum",
    ];
    (texts(&names), Vec::new())
}

/// One frontend, the leader.
pub fn frontends(session: &Session) -> (Columns, Made) {
    let port = |address: &str| address.rsplit_once(':').map_or(String::new(), |(_, port)| port.to_string());
    let addresses = &session.server.addresses;
    let names = [
        "Name",
        "IP",
        "EditLogPort",
        "HttpPort",
        "QueryPort",
        "RpcPort",
        "Role",
        "ClusterId",
        "Join",
        "Alive",
        "Version",
    ];
    let (http, mysql) = (port(&addresses.fe), port(&addresses.mysql));
    let version = session.server.version.current();
    let row = ["fe1", "127.0.0.1", "9010", &http, &mysql, "9020", "LEADER", "1", "true", "true", &version];
    (texts(&names), vec![row.iter().map(text).collect()])
}
