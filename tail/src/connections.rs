//! Accepting connections: never more than allowed, none that stalls for ever.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;

use crate::serve::Shared;

/// A connection whose reads and writes time out.
pub(crate) type Connection = Pin<Box<TimeoutStream<TcpStream>>>;

/// Pause after a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until told to stop, and waits for connections to end while there are as many as allowed.
pub(crate) async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    serve: impl Fn(Connection, Arc<Shared>) -> F,
) {
    let room = Arc::new(Semaphore::new(shared.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    while let Some((permit, accepted)) = tokio::select! {
        () = shared.stop.stopped() => None,
        next = next(&listener, &room) => next,
    } {
        match accepted {
            Ok(stream) => {
                let served = serve(with_timeouts(stream, &shared), Arc::clone(&shared));
                tasks.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, io::Result<TcpStream>)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    Some((permit, listener.accept().await.map(|(stream, _)| stream)))
}

fn with_timeouts(stream: TcpStream, shared: &Shared) -> Connection {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(shared.limits.idle));
    stream.set_write_timeout(Some(shared.limits.time));
    Box::pin(stream)
}
