//! StarRocks: a frontend's MySQL protocol, a frontend's and a backend's HTTP and Arrow Flight SQL, over one in-memory store.
//!
//! Facts are from StarRocks' source, documents and issues as gathered in dossier starrocks; `[memory]` in a comment marks
//! what none of them confirmed.

pub mod aggregates;
mod column;
pub mod datetime;
pub mod exec;
mod flight;
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

/// Serves until the process is ended: MySQL, HTTP and (with `--flight-listen`) Arrow Flight SQL of the frontend and of the
/// backend, each on a socket of its own.
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
    let flight = match &args.flight_listen {
        Some(address) => {
            let be = match &args.be_netns {
                None => bind(&args.be_flight_listen).await?,
                Some(name) => netns::listen(name, &args.be_flight_listen)?,
            };
            Some((bind(address).await?, be))
        }
        None => None,
    };
    let address = |socket: &TcpListener| {
        let address = socket.local_addr();
        address.map_err(|e| Error::caused(Kind::LocalIo, "cannot read the socket's address", e))
    };
    let mysql_at = address(&mysql)?;
    let be_at = backends.iter().map(address).collect::<Result<Vec<_>>>()?;
    let be_port = be_at.first().map_or(0, std::net::SocketAddr::port);
    let fe_at = listener.url().trim_start_matches("http://").to_string();
    let (_, fe_port) = fe_at.rsplit_once(':').unwrap_or(("", "8030"));
    let mut line = format!("starrocks://{}@{mysql_at}?http={fe_port}&be={be_port}", args.user);
    let ready_file = args.common.ready_file.clone();
    let registered = |(at, address): (usize, &std::net::SocketAddr)| {
        args.be_name.get(at).cloned().unwrap_or_else(|| address.to_string())
    };
    let registered: Vec<String> = be_at.iter().enumerate().map(registered).collect();
    let (mut flight_fe, mut flight_be) = (None, None);
    if let Some((fe, be)) = &flight {
        let (fe, be) = (address(fe)?, address(be)?);
        line.push_str(&format!("&flight={}", fe.port()));
        // A backend has one name for all of its ports.
        let host = registered.first().and_then(|name| name.rsplit_once(':')).map_or("127.0.0.1", |(host, _)| host);
        (flight_fe, flight_be) = (Some(fe.to_string()), Some(format!("{host}:{}", be.port())));
    }
    line.push('\n');
    let addresses = Addresses { mysql: mysql_at.to_string(), fe: fe_at, backends: registered, flight_fe, flight_be };
    let log = listener.log.clone();
    if flight.is_some() && version::Version::parse(&args.server_version).is_some_and(|v| v < flight::SINCE) {
        return Err(Error::usage("--flight-listen: there is Arrow Flight SQL from 3.5.1 on: say --server-version"));
    }
    let server = Arc::new(Server::build(args, faults, addresses, log)?);
    if let Some(path) = &ready_file {
        write_atomically(path, &line)
            .map_err(|e| Error::caused(Kind::LocalIo, format!("cannot write the ready file {}", path.display()), e))?;
    }
    cli::stdout::write_all(line.as_bytes())?;
    for (number, socket) in backends.into_iter().enumerate() {
        tokio::spawn(http::run_be(server.clone(), number, socket));
    }
    if let Some((fe, be)) = flight {
        tokio::spawn(flight::run(server.clone(), fe, be));
    }
    tokio::join!(mysql_wire::run(server.clone(), mysql), http::run_fe(server, listener));
    Ok(())
}

async fn bind(address: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|e| Error::caused(Kind::Usage, format!("cannot listen on {address}"), e))
}
