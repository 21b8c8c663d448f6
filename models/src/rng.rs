//! The random numbers behind masks: a function of the seed alone, on every platform and with every version of the
//! libraries beneath, since only ChaCha8's own output is used.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The key is the seed, little-endian, and 24 zero bytes.
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        let (low, _) = key.split_at_mut(8);
        low.copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `0..bound`; 0 where `bound` is 0. Lemire's multiplication (arXiv 1805.10941), by 64 × 64 bits.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let reject_under = if bound == 0 { 0 } else { bound.wrapping_neg() % bound };
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= reject_under {
                return (product >> 64) as usize;
            }
        }
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// The numbers `0..len` in random order.
    pub fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::Draws;

    #[test]
    fn draws_are_pinned() {
        // ChaCha8 with key 07 00 … 00, nonce and counter 0: another number here changes every mask ever drawn.
        let mut draws = Draws::new(7);
        let numbers: Vec<usize> = (0..6).map(|_| draws.below(1000)).collect();
        assert_eq!(numbers, [764, 465, 5, 301, 386, 336]);
        assert_eq!((draws.below(1), draws.below(0)), (0, 0));
    }

    #[test]
    fn draws_are_even() {
        let mut draws = Draws::new(1);
        let mut counts = [0_usize; 5];
        for _ in 0..10_000 {
            counts[draws.below(5)] += 1;
        }
        // Five standard deviations of a binomial with p = 1/5 are 200.
        assert!(counts.iter().all(|count| count.abs_diff(2000) < 200), "{counts:?}");
    }
}
