//! StarRocks: a frontend's MySQL protocol, a frontend's and a backend's HTTP, over one in-memory store.
//!
//! Facts are from StarRocks' source, documents and issues as gathered in dossier starrocks; `[memory]` in a comment marks
//! what none of them confirmed.

pub mod aggregates;
mod column;
pub mod datetime;
pub mod exec;
pub mod http;
pub mod load;
mod load_file;
pub mod loading;
pub mod metrics;
mod mysql_wire;
pub mod partition;
pub mod rows;
pub mod schema;
pub mod server;
pub mod sql;
pub mod store;
pub mod types;
pub mod value;
pub mod version;

use std::sync::Arc;

use fault::{Error, Kind, Result};
use tokio::net::TcpListener;

use crate::args::StarrocksArgs;
use crate::faults::Faults;
use crate::listen::{Listener, write_atomically};
use crate::netns;
use server::{Addresses, Server};

/// Serves until the process is ended: MySQL, the frontend's HTTP and the backend's HTTP, each on a socket of its own.
pub async fn serve(args: StarrocksArgs, faults: Faults, listener: Listener) -> Result<()> {
    let mysql = bind(&args.mysql_listen).await?;
    if args.be_name.len() > args.be_listen.len() {
        return Err(Error::usage("--be-name: more names than backends (--be-listen)"));
    }
    let mut backends = Vec::new();
    for at in &args.be_listen {
        backends.push(match &args.be_netns {
            None => bind(at).await?,
            Some(name) => netns::listen(name, at)?,
        });
    }
    let address = |socket: &TcpListener| {
        let address = socket.local_addr();
        address.map_err(|e| Error::caused(Kind::LocalIo, "cannot read the socket's address", e))
    };
    let mysql_at = address(&mysql)?;
    let be_at = backends.iter().map(address).collect::<Result<Vec<_>>>()?;
    let be_port = be_at.first().map_or(0, std::net::SocketAddr::port);
    let fe_at = listener.url().trim_start_matches("http://").to_string();
    let (_, fe_port) = fe_at.rsplit_once(':').unwrap_or(("", "8030"));
    let line = format!("starrocks://{}@{mysql_at}?http={fe_port}&be={be_port}\n", args.user);
    let ready_file = args.common.ready_file.clone();
    let registered = |(at, address): (usize, &std::net::SocketAddr)| {
        args.be_name.get(at).cloned().unwrap_or_else(|| address.to_string())
    };
    let registered = be_at.iter().enumerate().map(registered).collect();
    let addresses = Addresses { mysql: mysql_at.to_string(), fe: fe_at, backends: registered };
    let log = listener.log.clone();
    let server = Arc::new(Server::build(args, faults, addresses, log)?);
    if let Some(path) = &ready_file {
        write_atomically(path, &line)
            .map_err(|e| Error::caused(Kind::LocalIo, format!("cannot write the ready file {}", path.display()), e))?;
    }
    cli::stdout::write_all(line.as_bytes())?;
    for (number, socket) in backends.into_iter().enumerate() {
        tokio::spawn(http::run_be(server.clone(), number, socket));
    }
    tokio::join!(mysql_wire::run(server.clone(), mysql), http::run_fe(server, listener));
    Ok(())
}

async fn bind(address: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|e| Error::caused(Kind::Usage, format!("cannot listen on {address}"), e))
}
