//! Random masks.

use crate::mask::Mask;
use crate::rng::Draws;

/// Attempted switches an edge. A switch exchanges the inputs of two edges, as a random transposition does in a deck of
/// cards, and ½·E·ln E transpositions mix a deck of E; at density ½ a quarter of the attempts succeed, so 32 attempts
/// suffice for every junction within the size limit.
const SWITCHES_PER_EDGE: usize = 32;

/// A random bipartite graph with constant degrees and no double edge. `out_degree` is already known to be possible.
///
/// A regular graph is randomised by switches that keep it regular and simple, so that it ends after a known number of
/// steps; above density ½ the complement is drawn, where switches succeed more often.
pub(super) fn regular(n_in: usize, n_out: usize, out_degree: usize, draws: &mut Draws) -> Mask {
    if 2 * out_degree > n_out {
        return complement(&regular(n_in, n_out, n_out - out_degree, draws));
    }
    let in_degree = n_in * out_degree / n_out;
    let inputs = draws.permutation(n_in);
    let outputs = draws.permutation(n_out);
    let mut mask = Mask::empty(n_in, n_out);
    let mut edges = Vec::with_capacity(n_in * out_degree);
    // Counting round the inputs, in_degree ≤ n_in at a time, gives every output in_degree different inputs, and every
    // input n_in · out_degree / n_in edges.
    for (at, &input) in inputs.iter().cycle().take(n_in * out_degree).enumerate() {
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

#[cfg(test)]
mod tests {
    use crate::pattern::Pattern;

    #[test]
    fn degrees_are_constant_and_edges_single() {
        for (n_in, n_out, out_degree) in
            [(800, 40, 2), (40, 40, 9), (800, 100, 50), (100, 100, 75), (6, 4, 2), (5, 5, 4), (7, 10, 10), (1, 1, 1)]
        {
            let mask = Pattern::Random { out_degree }.mask(n_in, n_out, 3).unwrap();
            assert_eq!(mask.out_degrees(), vec![out_degree; n_in]);
            assert_eq!(mask.in_degrees(), vec![n_in * out_degree / n_out; n_out]);
        }
    }

    #[test]
    fn every_edge_is_as_likely_as_every_other() {
        let (n_in, n_out, out_degree, draws) = (12, 8, 2, 1000);
        let mut counts = vec![0_usize; n_in * n_out];
        for seed in 0..draws {
            let mask = Pattern::Random { out_degree }.mask(n_in, n_out, seed).unwrap();
            for (count, byte) in counts.iter_mut().zip(mask.to_bytes()) {
                *count += usize::from(byte);
            }
        }
        // Binomial with p = 1/4: mean 250, standard deviation 14; six of them.
        assert!(counts.iter().all(|count| count.abs_diff(250) < 84), "{counts:?}");
    }

    #[test]
    fn the_seed_makes_the_mask() {
        let draw = |seed| Pattern::Random { out_degree: 10 }.mask(100, 50, seed).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
