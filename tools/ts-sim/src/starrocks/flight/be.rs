//! The backend: who has a ticket gets its rows, nobody is asked for a name.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::TicketStatementQuery;
use arrow_flight::sql::server::FlightSqlService;
use arrow_flight::{HandshakeRequest, HandshakeResponse, Ticket};
use futures_util::stream::{Stream, unfold};
use tonic::{Request, Response, Status, Streaming};

use super::columns::Sender;
use super::line::Cut;
use super::{Pending, Results, reply};
use crate::faults::{Fault, NO_REPLY_HOLD};
use crate::starrocks::exec::Scan;
use crate::starrocks::server::Server;

/// Rows of a message: what a chunk of the real one holds.
const CHUNK: usize = 4096;
/// What was sent before a connection is killed has to arrive.
const ARRIVAL: Duration = Duration::from_millis(50);

/// The backend.
pub struct Back {
    pub(super) server: Arc<Server>,
    pub(super) results: Arc<Results>,
}

/// Rows on their way.
struct Flow {
    scan: Scan,
    sender: Sender,
    /// Rows that are kept back from the beginning.
    withheld: u64,
    /// Rows until the connection is killed.
    kill: u64,
    cut: Cut,
}

impl Flow {
    fn batch(&mut self) -> Result<Option<RecordBatch>, Status> {
        let most = usize::try_from(self.kill).unwrap_or(usize::MAX).min(CHUNK);
        let mut columns = vec![Vec::new(); self.scan.width()];
        let mut rows = 0;
        while rows < most
            && let Some((chunk, row)) = self.scan.next_row().map_err(Status::internal)?
        {
            if self.withheld > 0 {
                self.withheld -= 1;
                continue;
            }
            for (at, values) in columns.iter_mut().enumerate() {
                values.push(self.scan.value(&chunk, row, at).map_err(Status::internal)?.owned());
            }
            rows += 1;
        }
        self.kill -= rows as u64;
        match rows {
            0 => Ok(None),
            rows => self.sender.batch(&columns, rows).map(Some).map_err(Status::internal),
        }
    }
}

#[tonic::async_trait]
impl FlightSqlService for Back {
    type FlightService = Back;

    async fn do_handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        Err(Status::unimplemented("a backend knows no logins"))
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let ticket = String::from_utf8_lossy(&ticket.statement_handle).into_owned();
        let entry = self.server.log.begin("DOGET", &ticket, None);
        let Some(Pending { columns, scan }) = self.results.take(&ticket) else {
            entry.end(0, 404);
            return Err(Status::invalid_argument(format!("no result is known for {ticket}")));
        };
        entry.end(0, 200);
        let sender = Sender::new(&columns, self.server.version).map_err(Status::unimplemented)?;
        let schema = sender.schema.clone();
        let cut = request.extensions().get::<Cut>().cloned().unwrap_or_default();
        let mut flow = Flow { scan, sender, withheld: 0, kill: u64::MAX, cut };
        match self.server.faults.flight_verdict(&format!("/flight/{}", flow.scan.table)) {
            Some(Fault::FlightLoss(rows)) => flow.withheld = rows,
            Some(Fault::FlightKill(rows)) => flow.kill = rows,
            Some(Fault::QueryTimeout) => return Err(Status::internal("Query exceeded time limit of 300 seconds.")),
            Some(Fault::Busy) => return Err(Status::unavailable("too many queries")),
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::NoReply) => tokio::time::sleep(NO_REPLY_HOLD).await,
            _ => {}
        }
        let batches = unfold(Some(flow), |flow| async {
            let mut flow = flow?;
            if flow.kill == 0 {
                tokio::time::sleep(ARRIVAL).await;
                flow.cut.now();
                return Some((Err(Status::aborted("killed on purpose")), None));
            }
            match flow.batch() {
                Ok(batch) => batch.map(|batch| (Ok(batch), Some(flow))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(reply(schema, batches))
    }

    async fn register_sql_info(&self, _: i32, _: &arrow_flight::sql::SqlInfo) {}
}
