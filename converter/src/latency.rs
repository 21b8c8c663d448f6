//! How long one sample takes, several models side by side.

use std::time::Instant;

use lacewing_engine::Model;
use lacewing_models::Dataset;
use serde::Serialize;

use crate::evaluate::EvaluateError;
use crate::runner::Runner;
use crate::scratch::HeapScratch;

/// Samples that one model runs before the next one's turn: long enough that its weights are in its caches, short enough that
/// a noisy moment of the machine meets every model.
const TURN: usize = 250;

/// A model to be timed: what runs on a sample until it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Contender<'m> {
    /// The head, or a whole network.
    pub head: &'m Model<'m>,
    /// Finishes what the head hands over, in the same process; without it the run ends with the hand-over.
    pub tail: Option<&'m Model<'m>>,
}

/// Times of single samples: from the input in place to the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of the samples took no longer.
    pub median_ns: u64,
    /// 99 of 100 samples took no longer.
    pub p99_ns: u64,
    /// Samples timed.
    pub samples: usize,
}

/// Times `rounds` turns of each contender on the samples of its data set, one thread, one sample at a time.
///
/// # Errors
/// A contender does not fit its data, or head and tail do not fit each other.
pub fn latencies(
    contenders: &[(Contender<'_>, &Dataset)],
    rounds: usize,
    progress: &dyn Fn(),
) -> Result<Vec<Latency>, EvaluateError> {
    let mut times: Vec<Vec<u64>> = vec![Vec::with_capacity(rounds * TURN); contenders.len()];
    for round in 0..rounds {
        for ((contender, data), times) in contenders.iter().zip(&mut times) {
            turn(contender, data, round * TURN, times)?;
            progress();
        }
    }
    Ok(times.into_iter().map(summary).collect())
}

fn turn(contender: &Contender<'_>, data: &Dataset, first: usize, times: &mut Vec<u64>) -> Result<(), EvaluateError> {
    if data.is_empty() {
        return Err(EvaluateError::NoSamples);
    }
    let mut head_scratch = HeapScratch::new(contender.head.scratch_len());
    let mut tail_scratch = HeapScratch::new(contender.tail.map_or(0, Model::scratch_len));
    let mut head = Runner::new(contender.head, head_scratch.bytes())?;
    let mut tail = contender.tail.map(|tail| Runner::new(tail, tail_scratch.bytes())).transpose()?;
    for sample in first..first + TURN {
        head.load(data.sample(sample % data.len()))?;
        let start = Instant::now();
        head.run_through(tail.as_mut())?;
        times.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn summary(mut times: Vec<u64>) -> Latency {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(0);
    Latency { median_ns: at(50), p99_ns: at(99), samples: times.len() }
}
