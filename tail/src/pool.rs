//! The threads that compute, behind a bounded queue. What waits in it at once is computed as one batch.

use core::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use lacewing_engine::Refusal;
use tokio::sync::oneshot;

use crate::config::Batching;
use crate::datagrams::Outgoing;
use crate::engines::{Engines, Finished};
use crate::packets::Asked;
use crate::serve::{Counters, count};

/// The longest queue: its places are there from the start.
const LONGEST: usize = 1 << 20;

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
    Rows(oneshot::Sender<Result<Finished, NotFinite>>),
    /// A packet on a stream: it gets the reply's bytes.
    Packet(Asked, oneshot::Sender<Vec<u8>>),
    /// A packet that came as a datagram.
    Datagram(Asked, SocketAddr),
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

/// Logits of this row of a request are NaN or infinite: there is no answer in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotFinite {
    pub(crate) row: usize,
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
        let (jobs, queue) = crossbeam_channel::bounded(queue.clamp(1, LONGEST));
        (Self { jobs }, queue)
    }

    pub(crate) fn submit(&self, job: Job) -> Result<(), Busy> {
        // Where the workers are gone nobody will serve either.
        self.jobs.try_send(job).map_err(|_| Busy)
    }
}

/// Works until the last [`Pool`] is gone. Datagrams are answered through `socket`.
pub(crate) fn work(
    mut engines: Engines<'_>,
    queue: &Receiver<Job>,
    batching: Batching,
    socket: Option<&UdpSocket>,
    counters: &Counters,
) {
    let (mut waiting, mut replies) = (Vec::new(), Replies::default());
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
            batch(&mut engines, model, waiting.drain(..same), &mut replies, counters);
            if let Some(socket) = socket {
                let failed = |to, error| tracing::debug!(%error, %to, "replying to a datagram");
                replies.datagrams.send(socket, failed);
            }
        }
    }
}

/// Replies on their way, and room to write one.
#[derive(Default)]
struct Replies {
    datagrams: Outgoing,
    out: Vec<u8>,
}

/// Runs jobs of one model as one.
fn batch(
    engines: &mut Engines<'_>,
    model: usize,
    jobs: impl Iterator<Item = Job>,
    replies: &mut Replies,
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
    let mut first = 0;
    for (len, to) in recipients {
        let (answers, logits) = finished.rows(first, len / width);
        first += len / width;
        // Finite values may be so large that sums leave the range of f32, and the class of such logits is none.
        let classes = logits.len() / answers.len().max(1);
        let bad = logits.iter().position(|logit| !logit.is_finite()).map(|at| NotFinite { row: at / classes.max(1) });
        match to {
            Recipient::Rows(reply) => {
                let finished = || Finished { answers: answers.to_vec(), logits: logits.to_vec() };
                drop(reply.send(bad.map_or_else(|| Ok(finished()), Err)));
            }
            Recipient::Packet(asked, reply) if bad.is_some() => {
                let _ = reply.send(asked.refusal(Refusal::NotFinite));
            }
            Recipient::Datagram(asked, from) if bad.is_some() => {
                count(&counters.refused);
                replies.datagrams.push(&asked.refusal(Refusal::NotFinite), from);
            }
            Recipient::Packet(asked, reply) => {
                let _ = reply.send(asked.reply(answers.first(), logits, usize::MAX, &mut replies.out).to_vec());
            }
            Recipient::Datagram(asked, from) => {
                count(&counters.packets);
                let reply = asked.reply(answers.first(), logits, crate::DATAGRAM, &mut replies.out);
                replies.datagrams.push(reply, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::{Busy, Job, Pool, Recipient};

    fn job() -> Job {
        Job { model: 0, values: Vec::new(), to: Recipient::Rows(oneshot::channel().0) }
    }

    #[test]
    fn a_full_queue_takes_nothing_until_somebody_works() {
        let (pool, queue) = Pool::new(1);
        assert_eq!(pool.submit(job()), Ok(()));
        assert_eq!(pool.submit(job()), Err(Busy));
        assert!(queue.try_recv().is_ok());
        assert_eq!(pool.submit(job()), Ok(()));
        drop(queue);
        assert_eq!(pool.submit(job()), Err(Busy));
    }

    #[test]
    fn lengths_that_no_queue_has() {
        for len in [0, usize::MAX] {
            let (pool, _queue) = Pool::new(len);
            assert_eq!(pool.submit(job()), Ok(()));
        }
    }
}
