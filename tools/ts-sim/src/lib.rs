//! Simulators of the systems that tsferry reads and writes, with faults on demand.
//!
//! A double that shares code with its subject proves nothing: this crate has its own parsers and encoders, written from
//! the recordings of real servers, and imports no client, no row format and no line protocol of ours.

pub mod args;
mod csv;
pub mod faults;
pub mod influx;
pub mod listen;
mod load;
mod netns;
pub mod proxy;
pub mod request_log;
pub mod starrocks;
pub mod tdengine;
pub mod wire;

use std::time::Duration;

use cli::{Run, Stop, Tool};
use fault::{Error, Kind, Result};

use crate::args::{Args, System};
use crate::faults::Faults;
use crate::listen::Listener;

/// What ts-sim says of itself.
pub const TOOL: Tool = Tool {
    name: "ts-sim",
    stage: cli::Stage::Control,
    about: "Simulate a time-series database: the real protocol, data in memory, faults on demand",
    description: "\
The base URL goes to stdout, and into --ready-file, once requests are answered; SIGTERM ends it (exit 143).

A fault is KIND[=ARG][@K[-L][/PATHPREFIX]]. K counts the data requests (writes and queries) that match the prefix, from
1; without @ every request. Kinds: status=CODE[:retry-after=S] delay=500ms cut-body lost-reply reset-upload
slow-read=1MB/s queue-full no-reply (these in front of a real server too: ts-sim proxy); for TDengine also code=0x0216 truncate-rest=N close-ws restart, and, counting
result blocks, cut-block ws-error=0x022D. For StarRocks's loads publish-timeout=1s late-commit=1s filtered=N lose-rows=N
label-evict too-many-versions running-txns http-limit mem-limit truncated-body fail=TEXT be-unreachable; for its SELECTs
of rows mysql-kill=N silent-loss=N query-timeout busy, over Arrow Flight SQL flight-kill=N flight-loss=N, and for logins \
refuse-login.",
    examples: &[
        ("a StarRocks that commits the second load and never says so", "ts-sim starrocks --sql tables.sql --fault lost-reply@2"),
        ("a million generated rows behind TDengine's protocol", "ts-gen meters --rows 1000000 | ts-sim tdengine --load power.meters=- --listen 127.0.0.1:6041"),
        ("an InfluxDB 1.8 that fails the second write", "ts-sim influx --flavor 1.8 --database db --fault 'status=503@2'"),
        ("a TDengine whose REST replies stop after 1000 rows, in silence", "ts-sim tdengine --load power.meters=meters.csv --fault truncate-rest=1000"),
        ("a StarRocks whose second SELECT keeps three rows back", "ts-sim starrocks --load d.t=t.csv --fault silent-loss=3@2"),
        ("a real server, whose third write is done and never answered", "ts-sim proxy --upstream http://127.0.0.1:8086 --fault 'lost-reply@3/write'"),
    ],
    environment: &[],
};

/// Serves one system on a private runtime until a signal comes; an error before that is one of arguments, data or address.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Conditions with thousands of terms are deep trees; untouched stack costs nothing.
        .thread_stack_size(64 << 20)
        .enable_all()
        .build()
        .map_err(|e| Error::caused(Kind::LocalIo, "cannot start the runtime", e))?;
    let faults = Faults::parse(&args.system.common().fault).map_err(Error::usage)?;
    let stop = run.stop();
    runtime.block_on(async move {
        let listener = Listener::open(args.system.common()).await?;
        tokio::select! {
            error = stopped(stop) => Err(error),
            ended = serve(args.system, faults, listener) => ended,
        }
    })
}

async fn serve(system: System, faults: Faults, listener: Listener) -> Result<()> {
    match system {
        System::Tdengine(args) => tdengine::serve(args, faults, listener).await,
        System::Influx(args) => influx::serve(args, faults, listener).await,
        System::Starrocks(args) => starrocks::serve(args, faults, listener).await,
        System::Proxy(args) => proxy::serve(args, faults, listener).await,
    }
}

async fn stopped(stop: Stop) -> Error {
    loop {
        if let Err(error) = stop.check() {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
