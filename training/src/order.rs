//! Random numbers of a training: functions of the recipe's seed alone, on every platform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for; streams of one seed are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// The initial weights.
    Weights = 1,
    /// The order of the samples.
    Order = 2,
}

/// The random numbers of `seed` for one purpose.
pub(crate) fn rng(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// Fisher–Yates. The multiplication's bias is below 2^−32 for any data set that fits in memory here.
pub(crate) fn shuffle(order: &mut [u32], rng: &mut ChaCha8Rng) {
    for last in (1..order.len()).rev() {
        let other = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::{Stream, rng, shuffle};

    #[test]
    fn shuffles_are_permutations_that_depend_on_seed_and_stream() {
        let shuffled = |seed, stream| {
            let mut order: Vec<u32> = (0..1000).collect();
            shuffle(&mut order, &mut rng(seed, stream));
            order
        };
        let one = shuffled(1, Stream::Order);
        assert_eq!(one, shuffled(1, Stream::Order));
        assert_ne!(one, shuffled(2, Stream::Order));
        assert_ne!(one, shuffled(1, Stream::Weights));
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
        assert!(one.iter().zip(&sorted).filter(|(a, b)| a == b).count() < 20);
    }
}
