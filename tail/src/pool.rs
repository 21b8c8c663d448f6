//! The threads that compute, behind a bounded queue.

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

use crate::engines::{Engines, Finished};

/// Work for a thread that has engines.
pub(crate) enum Job {
    /// Rows of inputs for a model, by its place in the list.
    Rows { model: usize, values: Vec<f32>, reply: oneshot::Sender<Finished> },
    /// A packet; the reply is `None` where the bytes are none.
    Packet { bytes: Vec<u8>, reply: oneshot::Sender<Option<Vec<u8>>> },
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

#[derive(Clone, Debug)]
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
pub(crate) fn work(mut engines: Engines<'_>, queue: &Receiver<Job>) {
    let mut out = Vec::new();
    for job in queue {
        // Whoever does not wait any more gets nothing: their receiver is dropped.
        match job {
            Job::Rows { reply, .. } if reply.is_closed() => {}
            Job::Rows { model, values, reply } => {
                if let Some(finished) = engines.rows(model, &values) {
                    let _ = reply.send(finished);
                }
            }
            Job::Packet { reply, .. } if reply.is_closed() => {}
            Job::Packet { bytes, reply } => {
                let _ = reply.send(engines.packet(&bytes, usize::MAX, &mut out).map(<[u8]>::to_vec));
            }
        }
    }
}
