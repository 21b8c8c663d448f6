//! The device's side, where it has std: hand over, and answer from the exit where the link fails.
//!
//! A hand-over may be sent more than once, always under one sequence number. That is safe: a tail's answer is a function of
//! the features, and a reply that is not to this very packet is passed over (PACKET.md). So a request is *idempotent*, and
//! each call gives one answer. A tail that computes many together may add in another order: then logits differ by rounding, and
//! the class only where two logits are that close.

mod features;
mod kserve;
mod stream;
mod udp;

use core::time::Duration;
use std::io;
use std::time::Instant;

use lacewing_engine::{Answer, PacketError, Refusal, Reply, Verdict};
use rand::RngExt;
use thiserror::Error;

pub use crate::answer::TailAnswer;
pub use crate::oip::Tensors;

pub use features::AnyFeatures;
pub use kserve::KserveLink;
pub use stream::TcpLink;
pub use udp::UdpLink;

/// A way to a tail.
pub trait Link {
    /// Hands `features` over once and waits for the answer, at longest until `until`.
    ///
    /// # Errors
    /// There is no answer.
    fn ask(&mut self, features: &AnyFeatures<'_>, until: Instant) -> Result<TailAnswer, LinkError>;
}

impl<L: Link + ?Sized> Link for Box<L> {
    fn ask(&mut self, features: &AnyFeatures<'_>, until: Instant) -> Result<TailAnswer, LinkError> {
        (**self).ask(features, until)
    }
}

/// Why a tail did not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing came in time.
    #[error("the tail did not answer in time")]
    TimedOut,
    /// The link failed.
    #[error("the link to the tail failed: {0}")]
    Io(#[from] io::Error),
    /// The link failed a little while ago, and is given time.
    #[error("the link failed a little while ago: it was not tried")]
    Resting,
    /// The packet cannot be made.
    #[error("the features make no packet: {0}")]
    Packet(#[from] PacketError),
    /// The packet is larger than the link's datagrams.
    #[error("the packet has {len} bytes, a datagram of this link {most}: drop zeros, send f16, or use a stream")]
    TooLarge {
        /// Bytes of the packet.
        len: usize,
        /// Bytes of a datagram.
        most: usize,
    },
    /// The tail refused the packet.
    #[error("the tail refused: {refusal}{}", both_ids(*refusal, *ours, *theirs))]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The head's pair id.
        ours: u32,
        /// The pair id of a tail that is served.
        theirs: u32,
    },
    /// The server says no.
    #[error("the server answers {status}: {message}")]
    Status {
        /// HTTP's.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The server does not speak the protocol.
    #[error("the server's response: {0}")]
    Response(String),
}

/// Where they matter.
fn both_ids(refusal: Refusal, ours: u32, theirs: u32) -> String {
    match refusal {
        Refusal::WrongPair => format!(" (the head's pair id is {ours:08x}, the tail's {theirs:08x})"),
        _ => String::new(),
    }
}

impl LinkError {
    /// Whether the same request may fare better a little later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::TimedOut | Self::Io(_) | Self::Resting => true,
            Self::Refused { refusal: Refusal::Busy | Refusal::NotUnderstood, .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Packet(_) | Self::TooLarge { .. } | Self::Refused { .. } | Self::Response(_) => false,
        }
    }
}

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the call to the answer, whoever gives it.
    pub deadline: Duration,
    /// Times to send.
    pub attempts: u32,
    /// To wait for one answer before sending again.
    pub attempt: Duration,
    /// Before the second attempt, half to once this long, by chance; twice as long before each further one.
    pub pause: Duration,
    /// After a failure, for which the link is not tried; half to once this long, by chance, and twice as long after each
    /// further failure, up to 64 times.
    pub rest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [deadline, attempt, pause, rest] = [100, 30, 2, 20].map(Duration::from_millis);
        Self { deadline, attempts: 3, attempt, pause, rest }
    }
}

/// How a hand-over ended.
#[derive(Debug)]
pub enum Finished {
    /// The tail answered.
    Tail(TailAnswer),
    /// It did not: this is the exit's own answer.
    Fallback {
        /// The exit's.
        answer: Answer,
        /// Why there is no other.
        because: LinkError,
    },
}

impl Finished {
    /// The class, whoever says so.
    #[must_use]
    pub const fn class(&self) -> u16 {
        match self {
            Self::Tail(answer) => answer.class,
            Self::Fallback { answer, .. } => answer.class,
        }
    }
}

/// Asks a tail over a link, and answers from the exit where that fails.
#[derive(Debug)]
pub struct Client<L> {
    link: L,
    patience: Patience,
    sequence: u32,
    failures: u32,
    resting_until: Option<Instant>,
}

impl<L: Link> Client<L> {
    /// Numbers its packets from a number drawn by chance, so that a device that starts again does not repeat itself.
    #[must_use]
    pub fn new(link: L, patience: Patience) -> Self {
        Self { link, patience, sequence: rand::rng().random(), failures: 0, resting_until: None }
    }

    /// The link.
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// Hands `features` over, of an f32 head or an int8 one, under the next sequence number; where no answer comes before the deadline, `fallback` is the
    /// answer.
    ///
    /// # Errors
    /// No answer came, and there is no fallback.
    pub fn finish<'f>(
        &mut self,
        features: &(impl Into<AnyFeatures<'f>> + Copy),
        fallback: Option<Answer>,
    ) -> Result<Finished, LinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        match self.ask(&(*features).into().with_sequence(self.sequence)) {
            Ok(answer) => Ok(Finished::Tail(answer)),
            Err(because) => match fallback {
                Some(answer) => Ok(Finished::Fallback { answer, because }),
                None => Err(because),
            },
        }
    }

    fn ask(&mut self, features: &AnyFeatures<'_>) -> Result<TailAnswer, LinkError> {
        let start = Instant::now();
        if self.resting_until.is_some_and(|until| start < until) {
            return Err(LinkError::Resting);
        }
        // While the link is being tried again after a failure, one attempt has to do.
        let attempts = if self.failures > 0 { 1 } else { self.patience.attempts };
        let asked = self.attempt(features, attempts, start + self.patience.deadline);
        match &asked {
            Err(error) if error.is_passing() => {
                let rest = self.patience.rest.saturating_mul(1 << self.failures.min(6));
                self.failures = self.failures.saturating_add(1);
                self.resting_until = Some(Instant::now() + jittered(rest));
            }
            // An answer, or a refusal: the link is there.
            Ok(_) | Err(_) => (self.failures, self.resting_until) = (0, None),
        }
        asked
    }

    fn attempt(
        &mut self,
        features: &AnyFeatures<'_>,
        attempts: u32,
        deadline: Instant,
    ) -> Result<TailAnswer, LinkError> {
        let mut pause = self.patience.pause;
        for left in (0..attempts.max(1)).rev() {
            let until = deadline.min(Instant::now() + self.patience.attempt);
            match self.link.ask(features, until) {
                Err(error) if error.is_passing() => {
                    let wait = jittered(pause);
                    if left == 0 || Instant::now() + wait >= deadline {
                        return Err(error);
                    }
                    std::thread::sleep(wait);
                    pause = pause.saturating_mul(2);
                }
                ended => return ended,
            }
        }
        Err(LinkError::TimedOut)
    }
}

/// Half to all of `time`.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// The time left; none is an error.
fn left(until: Instant) -> Result<Duration, LinkError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(LinkError::TimedOut) } else { Ok(left) }
}

/// An error of the system, or its way to say that time is up.
fn failed(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LinkError::TimedOut,
        _ => LinkError::Io(error),
    }
}

/// The answer in `bytes`, where they are the reply to `packet`; `None` for anything else.
fn reply_in(bytes: &[u8], packet: &[u8], features: &AnyFeatures<'_>) -> Option<Result<TailAnswer, LinkError>> {
    let (reply, logits) = Reply::parse(bytes).ok()?;
    let checksum = packet.last_chunk().map(|bytes| u32::from_le_bytes(*bytes))?;
    if reply.sequence != features.sequence() || reply.request != checksum {
        return None;
    }
    let ours = features.pair_id();
    Some(match reply.verdict {
        Verdict::Answer(_) if reply.pair_id != ours => return None,
        Verdict::Answer(Answer { class, exit, confidence }) => {
            let logits = logits.values().collect();
            Ok(TailAnswer { class, exit: Some(exit), confidence: Some(confidence), logits })
        }
        Verdict::Refused(refusal) => Err(LinkError::Refused { refusal, ours, theirs: reply.pair_id }),
    })
}
