//! The MySQL protocol of the frontend, by the crate opensrv-mysql; the answers are ours.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use opensrv_mysql::{
    AsyncMysqlIntermediary, AsyncMysqlShim, Column, ColumnFlags, ErrorKind, InitWriter, OkResponse, ParamParser,
    QueryResultWriter, RowWriter, StatementMetaWriter,
};
use tokio::io::{AsyncWrite, BufWriter};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use super::exec::query::{Columns, Made};
use super::exec::{Answer, Refusal, Scan, Session, Source};
use super::server::Server;
use super::sql::redacted::redacted;
use super::value::Value;
use super::version::Version;
use crate::faults::{Fault, NO_REPLY_HOLD};

/// Accepts connections for ever.
pub async fn run(server: Arc<Server>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(server.clone(), stream));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let refused = Arc::new(AtomicBool::new(false));
    let direct = Arc::new(AtomicBool::new(false));
    let inner = BufWriter::with_capacity(1 << 18, writer);
    let out = Out { inner, refused: refused.clone(), direct: direct.clone() };
    let shim = Shim { session: Session::new(server), refused, direct };
    // An error here is a client that went away, or a fault that ended the connection.
    let _ = AsyncMysqlIntermediary::run_on(shim, reader, out).await;
}

/// The way to the client. The library refuses a login with a number of its own (1698): StarRocks' is 1045.
struct Out {
    inner: BufWriter<OwnedWriteHalf>,
    refused: Arc<AtomicBool>,
    /// Nothing waits in the buffer: what is written before the connection is killed has to arrive.
    direct: Arc<AtomicBool>,
}

impl AsyncWrite for Out {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A packet comes in one call: its header, then its content.
        if self.refused.load(Ordering::Relaxed)
            && let [head, error] = bufs
            && error.first() == Some(&0xFF)
            && error.len() > 9
        {
            let mut changed = error.to_vec();
            changed[1..3].copy_from_slice(&1045u16.to_le_bytes());
            return Pin::new(&mut self.inner).poll_write_vectored(cx, &[*head, io::IoSlice::new(&changed)]);
        }
        if self.direct.load(Ordering::Relaxed) {
            std::task::ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            return Pin::new(self.inner.get_mut()).poll_write_vectored(cx, bufs);
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

struct Shim {
    session: Session,
    refused: Arc<AtomicBool>,
    direct: Arc<AtomicBool>,
}

type Writer<'a> = QueryResultWriter<'a, Out>;

#[async_trait]
impl AsyncMysqlShim<Out> for Shim {
    type Error = io::Error;

    fn version(&self) -> String {
        self.session.server.version.mysql().to_string()
    }

    fn connect_id(&self) -> u32 {
        self.session.id as u32
    }

    async fn authenticate(&self, plugin: &str, user: &[u8], salt: &[u8], answer: &[u8]) -> bool {
        let server = &self.session.server;
        let refuse = matches!(server.faults.mysql_verdict("/mysql/login"), Some(Fault::RefuseLogin));
        let known = plugin == "mysql_native_password"
            && user == server.args.user.as_bytes()
            && answer == scrambled(server.args.password.as_bytes(), salt);
        let accepted = known && !refuse;
        self.refused.store(!accepted, Ordering::Relaxed);
        accepted
    }

    async fn on_prepare<'a>(&'a mut self, _query: &'a str, info: StatementMetaWriter<'a, Out>) -> io::Result<()> {
        // Before 3.2 a server has no prepared statements at all (dossier starrocks 5.3); later ones have them for SELECT,
        // which the simulator has not.
        let message: &[u8] = match self.session.server.version < Version(3, 2, 0) {
            true => b"Unsupported command(COM_STMT_PREPARE)",
            false => b"the simulator has no prepared statements",
        };
        info.error(ErrorKind::ER_UNKNOWN_COM_ERROR, message).await
    }

    async fn on_execute<'a>(&'a mut self, _: u32, _: ParamParser<'a>, results: Writer<'a>) -> io::Result<()> {
        results.error(ErrorKind::ER_UNKNOWN_COM_ERROR, &b"Unsupported command"[..]).await
    }

    async fn on_close<'a>(&'a mut self, _: u32) {}

    async fn on_init<'a>(&'a mut self, database: &'a str, writer: InitWriter<'a, Out>) -> io::Result<()> {
        match self.session.use_database(database) {
            Ok(()) => writer.ok().await,
            Err(refusal) => writer.error(ErrorKind::ER_BAD_DB_ERROR, refusal.message.as_bytes()).await,
        }
    }

    async fn on_query<'a>(&'a mut self, query: &'a str, results: Writer<'a>) -> io::Result<()> {
        let path = redacted(query, 200);
        let entry = self.session.server.log.begin("MYSQL", &path, None);
        // A statement may work for seconds: other connections go on meanwhile.
        let answer = tokio::task::block_in_place(|| self.session.run(query));
        entry.end(query.len() as u64, if answer.is_ok() { 200 } else { 400 });
        match answer {
            Ok(Answer::Done { affected, info }) => {
                results.completed(OkResponse { affected_rows: affected, info, ..OkResponse::default() }).await
            }
            Ok(Answer::Rows { columns, source }) => {
                let heads: Vec<Column> = columns
                    .iter()
                    .map(|(name, ty)| Column {
                        table: String::new(),
                        column: name.clone(),
                        coltype: ty.mysql(),
                        colflags: ColumnFlags::empty(),
                    })
                    .collect();
                match source {
                    Source::Made(rows) => made(rows, &columns, &heads, results).await,
                    Source::Scan(scan) => self.send(scan, &heads, results).await,
                    files @ Source::Files(_) => {
                        // Few rows are looked at in this way: they are read first, then sent.
                        let mut rows = Vec::new();
                        let read = tokio::task::block_in_place(|| {
                            files.each(|row| {
                                rows.push(row.iter().cloned().map(Value::owned).collect::<Vec<_>>());
                                Ok(())
                            })
                        });
                        match read {
                            Ok(()) => made(rows, &columns, &heads, results).await,
                            Err(refusal) => refuse(results, &refusal).await,
                        }
                    }
                }
            }
            Err(refusal) => refuse(results, &refusal).await,
        }
    }
}

impl Shim {
    /// Streams the rows of a table, and commits what faults ask for.
    async fn send(&self, mut scan: Scan, heads: &[Column], results: Writer<'_>) -> io::Result<()> {
        let mut kill = u64::MAX;
        let mut withheld = 0;
        match self.session.server.faults.mysql_verdict(&format!("/mysql/{}", scan.table)) {
            Some(Fault::MysqlKill(rows)) => {
                kill = rows;
                self.direct.store(true, Ordering::Relaxed);
            }
            Some(Fault::SilentLoss(rows)) => withheld = rows,
            Some(Fault::QueryTimeout) => {
                let seconds = self.session.variable("query_timeout");
                let message = format!(
                    "Query exceeded time limit of {seconds} seconds. Please retry with the increased query_timeout."
                );
                return refuse(results, &Refusal { code: 1064, message }).await;
            }
            Some(Fault::Busy) => {
                let message = "Failed to get query slot: the pending query queue is full".to_string();
                return refuse(results, &Refusal { code: 1064, message }).await;
            }
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::NoReply) => {
                tokio::time::sleep(NO_REPLY_HOLD).await;
                return Err(io::Error::other("held on purpose"));
            }
            _ => {}
        }
        let heads: Vec<Column> = heads.to_vec();
        let mut out: RowWriter<'_, Out> = results.start(&heads).await?;
        let mut text = Vec::new();
        let mut sent = 0;
        loop {
            if sent >= kill {
                // What was sent stays sent: the client sees rows and then the end of the connection.
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "killed on purpose"));
            }
            let row = match scan.next_row() {
                Ok(Some(_)) if withheld > 0 => {
                    withheld -= 1;
                    continue;
                }
                Ok(Some(row)) => row,
                Ok(None) => return out.finish().await,
                Err(message) => return out.finish_error(ErrorKind::ER_PARSE_ERROR, &message.as_bytes()).await,
            };
            for column in 0..scan.width() {
                text.clear();
                match scan.write(&row.0, row.1, column, &mut text) {
                    Ok(there) => out.write_col(there.then_some(&text[..]))?,
                    Err(message) => return out.finish_error(ErrorKind::ER_PARSE_ERROR, &message.as_bytes()).await,
                }
            }
            out.end_row().await?;
            sent += 1;
        }
    }
}

async fn made(rows: Made, columns: &Columns, heads: &[Column], results: Writer<'_>) -> io::Result<()> {
    let heads = heads.to_vec();
    let mut out = results.start(&heads).await?;
    let mut text = Vec::new();
    for row in &rows {
        for (value, (_, ty)) in row.iter().zip(columns) {
            text.clear();
            let there = !ty.is_opaque() && value.write(ty, &mut text);
            out.write_col(there.then_some(&text[..]))?;
        }
        out.end_row().await?;
    }
    out.finish().await
}

async fn refuse(results: Writer<'_>, refusal: &Refusal) -> io::Result<()> {
    results.error(ErrorKind::from(refusal.code), refusal.message.as_bytes()).await
}

/// The answer that mysql_native_password wants: SHA1(password) XOR SHA1(salt, SHA1(SHA1(password))).
fn scrambled(password: &[u8], salt: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = sha1(&[password]);
    let twice = sha1(&[&once]);
    once.iter().zip(sha1(&[salt, &twice])).map(|(a, b)| a ^ b).collect()
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    use sha1::Digest;
    let mut hash = sha1::Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}
