//! Arrow Flight SQL: the frontend takes statements, the backend gives the rows of tables (dossier starrocks 3.5; tickets,
//! locations and errors as in StarRocks's sources of 3.5 to 4.1).
//!
//! | file | what |
//! |---|---|
//! | `fe` | the frontend: logins, statements, prepared statements, what it answers itself |
//! | `be` | the backend: the rows of a ticket, and what goes wrong with them |
//! | `columns` | values into Arrow arrays, as old and as new versions type them |
//! | `line` | connections that can be broken |

mod be;
mod columns;
mod fe;
mod line;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightServiceServer;
use arrow_schema::SchemaRef;
use futures_util::stream::{Stream, StreamExt as _};
use tokio::net::TcpListener;
use tonic::transport::Server as Tonic;
use tonic::{Response, Status};

use super::exec::Scan;
use super::server::Server;

/// The first version that has it (dossier starrocks 3.2).
pub const SINCE: super::version::Version = super::version::Version(3, 5, 1);

/// A result that waits at the backend.
struct Pending {
    columns: super::exec::query::Columns,
    scan: Scan,
}

/// Results that nobody has fetched yet, by the ticket's text.
#[derive(Default)]
struct Results(Mutex<HashMap<String, Pending>>);

impl Results {
    fn put(&self, ticket: String, pending: Pending) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, pending);
    }

    /// Given once.
    fn take(&self, ticket: &str) -> Option<Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket)
    }
}

/// Serves the frontend's and the backend's port for ever.
pub async fn run(server: Arc<Server>, fe: TcpListener, be: TcpListener) {
    let results = Arc::new(Results::default());
    let front = FlightServiceServer::new(fe::Front::new(server.clone(), results.clone()));
    let back = FlightServiceServer::new(be::Back { server, results });
    // Both end with the process.
    let (_, _) = tokio::join!(
        Tonic::builder().add_service(front).serve_with_incoming(line::accept(fe)),
        Tonic::builder().add_service(back).serve_with_incoming(line::accept(be))
    );
}

type Sent = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Batches of one schema as a reply.
fn reply(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static,
) -> Response<Sent> {
    let batches = batches.map(|batch| batch.map_err(|status| FlightError::Tonic(Box::new(status))));
    let data = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    Response::new(Box::pin(data.map(|data| data.map_err(Status::from))))
}
