//! The threads that compute, behind a bounded queue. What waits in it at once is computed as one batch.

use core::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

use crate::config::Batching;
use crate::engines::{Engines, Finished};
use crate::packets::Asked;
use crate::serve::{Counters, count};

/// Inputs for a model, and who waits for what comes of them.
pub(crate) struct Job {
    /// The model's place in the list.
    pub(crate) model: usize,
    /// One row after the other.
    pub(crate) values: Vec<f32>,
    pub(crate) to: Recipient,
}

/// Who waits.
pub(crate) enum Recipient {
    /// A request over HTTP.
    Rows(oneshot::Sender<Finished>),
    /// A packet on a stream: it gets the reply's bytes.
    Packet(Asked, oneshot::Sender<Vec<u8>>),
    /// A packet that came as a datagram.
    Datagram(Asked, Arc<UdpSocket>, SocketAddr),
}

impl Recipient {
    fn is_gone(&self) -> bool {
        match self {
            Self::Rows(reply) => reply.is_closed(),
            Self::Packet(_, reply) => reply.is_closed(),
            Self::Datagram(..) => false,
        }
    }
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

#[derive(Clone)]
pub(crate) struct Pool {
    jobs: Sender<Job>,
}

impl Pool {
    /// The pool's door, and the end of the queue that [`work`] takes.
    pub(crate) fn new(queue: usize) -> (Self, Receiver<Job>) {
        let (jobs, queue) = crossbeam_channel::bounded(queue.max(1));
        (Self { jobs }, queue)
    }

    pub(crate) fn submit(&self, job: Job) -> Result<(), Busy> {
        // Where the workers are gone nobody will serve either.
        self.jobs.try_send(job).map_err(|_| Busy)
    }
}

/// Works until the last [`Pool`] is gone.
pub(crate) fn work(mut engines: Engines<'_>, queue: &Receiver<Job>, batching: Batching, counters: &Counters) {
    let (mut waiting, mut out) = (Vec::new(), Vec::new());
    while let Ok(job) = queue.recv() {
        let until = (!batching.window.is_zero()).then(|| Instant::now() + batching.window);
        waiting.push(job);
        while waiting.len() < batching.requests {
            match queue.try_recv().ok().or_else(|| queue.recv_deadline(until?).ok()) {
                Some(job) => waiting.push(job),
                None => break,
            }
        }
        // Whoever does not wait any more gets nothing.
        waiting.retain(|job| !job.to.is_gone());
        waiting.sort_by_key(|job| job.model);
        while let Some(model) = waiting.first().map(|job| job.model) {
            let same = waiting.iter().take_while(|job| job.model == model).count();
            batch(&mut engines, model, waiting.drain(..same), &mut out, counters);
        }
    }
}

/// Runs jobs of one model as one.
fn batch(
    engines: &mut Engines<'_>,
    model: usize,
    jobs: impl Iterator<Item = Job>,
    out: &mut Vec<u8>,
    counters: &Counters,
) {
    let (mut values, mut recipients) = (Vec::new(), Vec::new());
    for job in jobs {
        recipients.push((job.values.len(), job.to));
        if values.is_empty() {
            values = job.values;
        } else {
            values.extend(job.values);
        }
    }
    let Some((finished, width)) = engines.run(model, &values) else { return };
    let mut rest = finished;
    for (len, to) in recipients {
        let mine = rest.split_rows(len / width);
        match to {
            Recipient::Rows(reply) => drop(reply.send(mine)),
            Recipient::Packet(asked, reply) => {
                let _ = reply.send(asked.reply(&mine, usize::MAX, out).to_vec());
            }
            Recipient::Datagram(asked, socket, from) => {
                count(&counters.packets);
                if let Err(error) = socket.send_to(asked.reply(&mine, crate::DATAGRAM, out), from) {
                    tracing::debug!(%error, %from, "replying to a datagram");
                }
            }
        }
    }
}
