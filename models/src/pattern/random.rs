//! Random masks.

use crate::mask::Mask;
use crate::rng::Draws;

/// Attempted switches an edge. A switch exchanges the inputs of two edges, as a random transposition does in a deck of
/// cards, and ½·E·ln E transpositions mix a deck of E; at density ½ a quarter of the attempts succeed, so 32 attempts
/// suffice for every junction within the size limit.
const SWITCHES_PER_EDGE: usize = 32;

/// A random bipartite graph without double edges in which every output has `in_degree` inputs and the out-degrees of
/// two inputs differ by one at most; not at all where `n_out · in_degree` is a multiple of `n_in`. `in_degree ≤ n_in`.
///
/// An even graph is randomised by switches that keep it even and simple, so that it ends after a known number of steps;
/// above density ½ the complement is drawn, where switches succeed more often.
pub(super) fn even(n_in: usize, n_out: usize, in_degree: usize, draws: &mut Draws) -> Mask {
    if 2 * in_degree > n_in {
        return complement(&even(n_in, n_out, n_in.saturating_sub(in_degree), draws));
    }
    let inputs = draws.permutation(n_in);
    let outputs = draws.permutation(n_out);
    let mut mask = Mask::empty(n_in, n_out);
    let mut edges = Vec::with_capacity(n_out * in_degree);
    // Counting round the inputs gives every output different ones, and every input as many edges as every other, or one
    // more.
    for (at, &input) in inputs.iter().cycle().take(n_out * in_degree).enumerate() {
        let output = outputs[at / in_degree];
        mask.insert(output, input);
        edges.push((output, input));
    }
    for _ in 0..SWITCHES_PER_EDGE * edges.len() {
        let (a, b) = (draws.below(edges.len()), draws.below(edges.len()));
        let ((output_a, input_a), (output_b, input_b)) = (edges[a], edges[b]);
        if !mask.contains(output_a, input_b) && !mask.contains(output_b, input_a) {
            mask.remove(output_a, input_a);
            mask.remove(output_b, input_b);
            mask.insert(output_a, input_b);
            mask.insert(output_b, input_a);
            edges[a].1 = input_b;
            edges[b].1 = input_a;
        }
    }
    mask
}

fn complement(mask: &Mask) -> Mask {
    let mut rest = Mask::dense(mask.n_in(), mask.n_out());
    for output in 0..mask.n_out() {
        for input in mask.row(output) {
            rest.remove(output, input);
        }
    }
    rest
}

/// `edges` edges anywhere, every choice as likely as every other. `edges ≤ n_in · n_out`.
pub(super) fn anywhere(n_in: usize, n_out: usize, edges: usize, draws: &mut Draws) -> Mask {
    let mut mask = Mask::empty(n_in, n_out);
    let (mut wanted, mut places) = (edges, n_in * n_out);
    for output in 0..n_out {
        for input in 0..n_in {
            if draws.below(places) < wanted {
                mask.insert(output, input);
                wanted -= 1;
            }
            places -= 1;
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use crate::pattern::Pattern;

    #[test]
    fn every_edge_is_as_likely_as_every_other() {
        let (n_in, n_out, draws) = (12, 8, 1000);
        for pattern in [Pattern::Random { out_degree: 2 }, Pattern::RandomDensity { density: 0.25 }] {
            let mut counts = vec![0_usize; n_in * n_out];
            for seed in 0..draws {
                let mask = pattern.mask(n_in, n_out, seed).unwrap();
                for (count, byte) in counts.iter_mut().zip(mask.to_bytes()) {
                    *count += usize::from(byte);
                }
            }
            // Binomial with p = 1/4: mean 250, standard deviation 14; six of them.
            assert!(counts.iter().all(|count| count.abs_diff(250) < 84), "{counts:?}");
        }
    }

    #[test]
    fn density_is_met_to_the_edge() {
        for (density, edges) in [(0.1, 8000), (1.0, 80_000), (1e-9, 1), (0.33334, 26_667)] {
            assert_eq!(Pattern::RandomDensity { density }.mask(800, 100, 4).unwrap().nnz(), edges);
        }
    }
}
