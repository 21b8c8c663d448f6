//! Requests over HTTP at a rate. A request's time runs from when it was due, so that a slow server is not asked less.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::{Failure, percentiles};

#[derive(clap::Args)]
pub struct Args {
    /// The tail's address.
    at: SocketAddr,
    /// Its name.
    #[arg(long, default_value = "tail")]
    model: String,
    /// Features of a request.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Requests a second, over all connections.
    #[arg(long)]
    rate: f64,
    #[arg(long, default_value_t = 64)]
    connections: u32,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

pub fn run(args: Args) -> Result<String, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(ask(Arc::new(args)))
}

async fn ask(args: Arc<Args>) -> Result<String, Failure> {
    let begun = Instant::now() + Duration::from_millis(200);
    let connections: Vec<_> =
        (0..args.connections).map(|at| tokio::spawn(connection(Arc::clone(&args), at, begun))).collect();
    let mut all = Vec::new();
    for connection in connections {
        all.extend(connection.await??);
    }
    let rate = all.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(format!("{} answered, {rate:.0} requests/s of {:.0}, {}", all.len(), args.rate, percentiles(all)))
}

async fn connection(args: Arc<Args>, at: u32, begun: Instant) -> Result<Vec<u64>, Failure> {
    let stream = TcpStream::connect(args.at).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let between = Duration::from_secs_f64(f64::from(args.connections) / args.rate);
    let first = begun + between * at / args.connections;
    let count = (args.seconds / between.as_secs_f64()) as u32;
    // The tensor alone: 1 by turns with 0, what a ReLU leaves.
    let body: Bytes = (0..args.width).flat_map(|at| ((at % 2) as f32).to_le_bytes()).collect();
    let path = format!("/v2/models/{}/infer", args.model);
    let mut late = Vec::new();
    for due in (0..count).map(|k| first + between * k) {
        sleep_until(due).await;
        let request = Request::post(&path).header("host", "tail").header("inference-header-content-length", "0");
        let response = sender.send_request(request.body(Full::new(body.clone()))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        late.push(due.elapsed().as_nanos() as u64);
    }
    Ok(late)
}
