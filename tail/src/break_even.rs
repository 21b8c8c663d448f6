//! From how many rows on it is faster to run them side by side.

use core::time::Duration;
use std::time::Instant;

use lacewing_engine::{AsTrained, BATCH, BatchEngine, Engine};

/// Runs of each engine, of which the shortest counts: nothing else makes a run shorter.
const RUNS: usize = 7;

/// A batch costs the same however many of its columns are taken, so the rows that are worth one are how often a row's run fits
/// into it: at least 2, and more than [`BATCH`] where a batch is never worth it. Measured on inputs of which half are 0, as a
/// ReLU leaves them.
pub(crate) fn least_rows(one: &mut Engine<'_>, many: &mut BatchEngine<'_>) -> usize {
    let row: Vec<f32> = (0..one.model().n_in()).map(|at| (at % 2) as f32).collect();
    let alone = shortest(|| {
        // The width is the model's.
        let _ = one.load(&row);
        let _ = one.run(&mut AsTrained);
    });
    let together = shortest(|| {
        let _ = many.run_batch([row.as_slice(); BATCH], &mut AsTrained, |_, _, _| ());
    });
    let rows = together.as_nanos().div_ceil(alone.as_nanos().max(1));
    usize::try_from(rows).unwrap_or(usize::MAX).max(2)
}

fn shortest(mut run: impl FnMut()) -> Duration {
    let timed = (0..RUNS).map(|_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    });
    timed.min().unwrap_or_default()
}
