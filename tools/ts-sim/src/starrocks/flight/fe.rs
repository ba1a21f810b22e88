//! The frontend: logins, statements, and the results that it makes by itself.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{RecordBatch, StringArray};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::server::FlightSqlService;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    CommandGetSqlInfo, CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt as _, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc,
    Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures_util::stream::{self, Stream};
use prost::Message as _;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status, Streaming};

use super::columns::Sender;
use super::{Pending, Results, reply};
use crate::faults::Fault;
use crate::starrocks::exec::{Answer, Session, Source};
use crate::starrocks::server::Server;

/// `CloseSessionResult` with the status "closed".
const CLOSED: &[u8] = &[8, 1];

/// The frontend.
pub struct Front {
    server: Arc<Server>,
    results: Arc<Results>,
    sessions: Mutex<HashMap<String, Arc<Mutex<Login>>>>,
    number: AtomicU64,
    info: Option<SqlInfoData>,
}

/// A client's session.
struct Login {
    session: Session,
    /// Statements that wait to be run, by their handle.
    prepared: HashMap<Vec<u8>, String>,
    /// Results that the frontend has made, by the query's id.
    made: HashMap<String, RecordBatch>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    pub(super) fn new(server: Arc<Server>, results: Arc<Results>) -> Front {
        let mut info = SqlInfoDataBuilder::new();
        info.append(SqlInfo::FlightSqlServerName, "StarRocks");
        info.append(SqlInfo::FlightSqlServerVersion, "1.0.0");
        info.append(SqlInfo::FlightSqlServerArrowVersion, "18.0.0");
        info.append(SqlInfo::FlightSqlServerReadOnly, false);
        let info = info.build().ok();
        Front { server, results, sessions: Mutex::default(), number: AtomicU64::new(1), info }
    }

    /// The token's session.
    fn login(&self, metadata: &MetadataMap) -> Result<(String, Arc<Mutex<Login>>), Status> {
        let bearer =
            metadata.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        let token = bearer.ok_or_else(|| Status::unauthenticated("no token"))?;
        let found = held(&self.sessions).get(token).cloned();
        let found = found.ok_or_else(|| {
            Status::unauthenticated(format!("invalid bearer token [{token}], please try to reconnect."))
        })?;
        Ok((token.to_owned(), found))
    }

    /// Runs a statement and says where its rows are.
    fn execute(&self, query: &str, token: &str, login: &Mutex<Login>) -> Result<FlightInfo, Status> {
        let entry = self.server.log.begin("FLIGHT", &query.chars().take(200).collect::<String>(), None);
        let mut login = held(login);
        let answer = tokio::task::block_in_place(|| login.session.run(query));
        let id = login.session.query_id();
        entry.end(query.len() as u64, if answer.is_ok() { 200 } else { 400 });
        let failed = |text: &str| Status::internal(format!("failed to process query [queryID={id}] [error={text}]"));
        let made = match answer.map_err(|refusal| failed(&refusal.message))? {
            Answer::Rows { columns, source: Source::Scan(scan) } => {
                let sender = Sender::new(&columns, self.server.version).map_err(|text| failed(&text))?;
                let ticket = format!("{id}:{:x}-1", self.number.fetch_add(1, Ordering::Relaxed));
                self.results.put(ticket.clone(), Pending { columns, scan });
                let at = self.server.addresses.flight_be.as_deref().unwrap_or_default();
                return info(&sender.schema, ticket, at);
            }
            // What the frontend answers itself are texts.
            Answer::Rows { columns, source } => {
                let mut cells: Vec<Vec<Option<String>>> = vec![Vec::new(); columns.len()];
                let read = source.each(|row| {
                    for ((value, (_, ty)), cells) in row.iter().zip(&columns).zip(&mut cells) {
                        cells.push(value.show(ty).map(|text| String::from_utf8_lossy(&text).into_owned()));
                    }
                    Ok(())
                });
                read.map_err(|refusal| failed(&refusal.message))?;
                texts(columns.into_iter().map(|(name, _)| name).zip(cells).collect())?
            }
            Answer::Done { .. } => texts(vec![("StatusResult".to_owned(), vec![Some("0".to_owned())])])?,
        };
        let reply = info(
            &made.schema(),
            format!("{token}:{id}"),
            self.server.addresses.flight_fe.as_deref().unwrap_or_default(),
        );
        login.made.insert(id, made);
        reply
    }
}

fn texts(columns: Vec<(String, Vec<Option<String>>)>) -> Result<RecordBatch, Status> {
    let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(name, DataType::Utf8, true)).collect();
    let arrays = columns.into_iter().map(|(_, cells)| Arc::new(StringArray::from(cells)) as _).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| Status::internal(e.to_string()))
}

/// One endpoint, at `host:port`.
fn info(schema: &Schema, ticket: String, at: &str) -> Result<FlightInfo, Status> {
    let ticket = TicketStatementQuery { statement_handle: ticket.into() };
    endpoint(schema, ticket.as_any().encode_to_vec(), at)
}

fn endpoint(schema: &Schema, ticket: Vec<u8>, at: &str) -> Result<FlightInfo, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket)).with_location(format!("grpc+tcp://{at}"));
    let info = FlightInfo::new().try_with_schema(schema).map_err(|e| Status::internal(e.to_string()))?;
    Ok(info.with_endpoint(endpoint).with_total_records(-1).with_total_bytes(-1))
}

#[tonic::async_trait]
impl FlightSqlService for Front {
    type FlightService = Front;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        let header = request.metadata().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        // Clients in Go leave the padding out.
        let basic = header.strip_prefix("Basic ").map(|text| text.trim_end_matches('='));
        let basic = basic.and_then(|text| STANDARD_NO_PAD.decode(text).ok()).unwrap_or_default();
        let basic = String::from_utf8_lossy(&basic).into_owned();
        let (user, password) = basic.split_once(':').unwrap_or_default();
        let entry = self.server.log.begin("FLIGHT", "handshake", None);
        let refuse = matches!(self.server.faults.flight_verdict("/flight/login"), Some(Fault::RefuseLogin));
        if refuse || !self.server.knows(user, password) {
            entry.end(0, 401);
            return Err(Status::unauthenticated(format!("Access denied for user: {user}")));
        }
        entry.end(0, 200);
        // As a frontend names itself in it from 4.1 on.
        let token = format!("127.0.0.1|{:032x}", self.number.fetch_add(1, Ordering::Relaxed));
        let session = Session::new(self.server.clone());
        let login = Login { session, prepared: HashMap::new(), made: HashMap::new() };
        held(&self.sessions).insert(token.clone(), Arc::new(Mutex::new(login)));
        let bearer: AsciiMetadataValue =
            format!("Bearer {token}").parse().map_err(|_| Status::internal("a token that fits no header"))?;
        let mut reply = Response::new(Box::pin(stream::empty()) as _);
        reply.metadata_mut().insert("authorization", bearer);
        Ok(reply)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let (token, login) = self.login(request.metadata())?;
        self.execute(&query.query, &token, &login).map(Response::new)
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let (_, login) = self.login(request.metadata())?;
        let handle = format!("statement-{}", self.number.fetch_add(1, Ordering::Relaxed)).into_bytes();
        held(&login).prepared.insert(handle.clone(), query.query);
        // The real one does not plan yet either: a schema that is not empty says that there will be rows.
        let schema = Schema::new(vec![Field::new("r", DataType::Utf8, true)]);
        let options = IpcWriteOptions::default();
        let message = IpcMessage::try_from(SchemaAsIpc::new(&schema, &options));
        let IpcMessage(schema) = message.map_err(|e| Status::internal(e.to_string()))?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.into(),
            dataset_schema: schema,
            parameter_schema: Default::default(),
        })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let (token, login) = self.login(request.metadata())?;
        let text = held(&login).prepared.get(query.prepared_statement_handle.as_ref()).cloned();
        let text = text.ok_or_else(|| Status::not_found("no such prepared statement"))?;
        self.execute(&text, &token, &login).map(Response::new)
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let (_, login) = self.login(request.metadata())?;
        held(&login).prepared.remove(query.prepared_statement_handle.as_ref());
        Ok(())
    }

    /// A result that the frontend has made: `TOKEN:QUERY`.
    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        _: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let ticket = String::from_utf8_lossy(&ticket.statement_handle).into_owned();
        let (token, id) = ticket.rsplit_once(':').unwrap_or_default();
        let login = held(&self.sessions).get(token).cloned();
        let made = login.and_then(|login| held(&login).made.remove(id));
        let made = made.ok_or_else(|| Status::not_found(format!("cannot find result of the query [{id}]")))?;
        Ok(reply(made.schema(), stream::iter([Ok(made)])))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.login(request.metadata())?;
        let at = self.server.addresses.flight_fe.as_deref().unwrap_or_default();
        let info = self.info.as_ref().ok_or_else(|| Status::internal("no information"))?;
        endpoint(&info.schema(), query.as_any().encode_to_vec(), at).map(Response::new)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let info = self.info.as_ref().ok_or_else(|| Status::internal("no information"))?;
        let batch = info.record_batch(query.info).map_err(|e| Status::internal(e.to_string()))?;
        let schema: SchemaRef = batch.schema();
        Ok(reply(schema, stream::iter([Ok(batch)])))
    }

    /// What newer clients say before they go.
    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        if request.get_ref().r#type != "CloseSession" {
            return Err(Status::unimplemented(format!("no such action: {}", request.get_ref().r#type)));
        }
        let (token, _) = self.login(request.metadata())?;
        held(&self.sessions).remove(&token);
        let closed = arrow_flight::Result { body: CLOSED.into() };
        Ok(Response::new(Box::pin(stream::iter([Ok(closed)]))))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
