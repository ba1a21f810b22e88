//! The HTTP sides of frontend and backend.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::server::Server;
use crate::listen::Listener;

/// The frontend's HTTP port.
pub async fn run_fe(server: Arc<Server>, listener: Listener) {
    loop {
        let stream = listener.accept().await;
        tokio::spawn(connection(server.clone(), stream));
    }
}

/// The backend's HTTP port.
pub async fn run_be(server: Arc<Server>, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(server.clone(), stream));
        }
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream) {
    let service = hyper::service::service_fn(move |request| answer(server.clone(), request));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    server.log.record(request.method().as_str(), request.uri().path(), 0, 404);
    let mut response = Response::new(Full::new(Bytes::from_static(b"not found")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
