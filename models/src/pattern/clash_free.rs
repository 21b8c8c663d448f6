//! Clash-free patterns: Dey et al., arXiv 1812.01164, the section on clash-free connection patterns.
//!
//! The values of the n_in left neurons lie in z memories of depth D = n_in / z: neuron i at address i / z (rounded down)
//! of memory i mod z. Edges are counted from the outputs, the in-degree d edges of output 0 first. In each cycle the next
//! z edges are processed, and read one address of each memory: no two of them clash. A *sweep* is D cycles, and reads every
//! left neuron once; a junction takes as many sweeps as its out-degree.
//!
//! Within a sweep each memory's addresses come in an order: a seed address counted up modulo D, the seeds being the
//! same in all sweeps (type 1) or drawn afresh for each (type 2), or any permutation, drawn afresh for each (type 3).
//! With *memory dither* the z edges of a cycle read the memories in an order that is drawn afresh for each sweep.
//!
//! One thing the definition leaves open: an output whose edges lie in two sweeps could meet the same neuron in both.
//! Draws are restricted to those in which it does not, memory by memory, so that no edge is double.

use thiserror::Error;

use crate::mask::Mask;
use crate::rng::Draws;

/// Type and dither of a clash-free pattern.
#[derive(Clone, Copy)]
pub(super) struct Family {
    /// 1, 2 or 3.
    pub kind: u8,
    pub dither: bool,
}

/// Draws a mask. z divides `n_in`, and the in-degree is whole.
pub(super) fn mask(n_in: usize, n_out: usize, out_degree: usize, z: usize, family: Family, draws: &mut Draws) -> Mask {
    let (depth, in_degree) = (n_in / z, n_in * out_degree / n_out);
    let mut sweep = Sweep::first(z, depth, family, draws);
    let mut mask = Mask::empty(n_in, n_out);
    for s in 0..out_degree {
        if s > 0 {
            let before = s * n_in % in_degree;
            let shared = Shared { before, after: if before == 0 { 0 } else { in_degree - before } };
            sweep = sweep.next(&shared, family, draws);
        }
        for (edge, input) in sweep.inputs().enumerate() {
            mask.insert((s * n_in + edge) / in_degree, input);
        }
    }
    mask
}

/// How many of the last edges of one sweep and of the first of the next belong to the same output.
struct Shared {
    before: usize,
    after: usize,
}

/// One pass over all left neurons.
struct Sweep {
    /// The memory that each of a cycle's z edges reads.
    memories: Vec<usize>,
    /// The order of each memory's addresses.
    addresses: Vec<Vec<usize>>,
}

impl Sweep {
    fn first(z: usize, depth: usize, family: Family, draws: &mut Draws) -> Self {
        let memories = if family.dither { draws.permutation(z) } else { (0..z).collect() };
        let addresses = (0..z).map(|_| match family.kind {
            3 => draws.permutation(depth),
            _ => counted_up(draws.below(depth), depth),
        });
        Self { addresses: addresses.collect(), memories }
    }

    fn next(&self, shared: &Shared, family: Family, draws: &mut Draws) -> Self {
        let memories = if family.dither { self.next_dither(shared, draws) } else { self.memories.clone() };
        let before = self.last_edges(shared.before);
        let after = first_edges(&memories, shared.after);
        let orders = self.addresses.iter().zip(before).zip(after).map(|((order, before), after)| match family.kind {
            1 => order.clone(),
            2 => next_seed(order, before, after, draws),
            _ => next_permutation(order, before, after, draws),
        });
        Self { addresses: orders.collect(), memories }
    }

    /// A new order of memories in which no memory owes the shared output more addresses than it has. Only an in-degree
    /// close to n_in leaves few such orders; the present one is always among them.
    fn next_dither(&self, shared: &Shared, draws: &mut Draws) -> Vec<usize> {
        const TRIES: usize = 100;
        let depth = self.addresses.first().map_or(0, Vec::len);
        let before = self.last_edges(shared.before);
        for _ in 0..TRIES {
            let memories = draws.permutation(self.memories.len());
            let after = first_edges(&memories, shared.after);
            if before.iter().zip(after).all(|(before, after)| before + after <= depth) {
                return memories;
            }
        }
        self.memories.clone()
    }

    /// Left neurons in the order in which they are read.
    fn inputs(&self) -> impl Iterator<Item = usize> + '_ {
        let (z, depth) = (self.memories.len(), self.addresses.first().map_or(0, Vec::len));
        (0..depth)
            .flat_map(move |cycle| self.memories.iter().map(move |&memory| self.addresses[memory][cycle] * z + memory))
    }

    /// Reads of each memory among the sweep's last `edges`.
    fn last_edges(&self, edges: usize) -> Vec<usize> {
        let mut reads = vec![0; self.memories.len()];
        for (slot, &memory) in self.memories.iter().enumerate() {
            reads[memory] = (edges + slot) / self.memories.len();
        }
        reads
    }
}

/// Reads of each memory among a sweep's first `edges`.
fn first_edges(memories: &[usize], edges: usize) -> Vec<usize> {
    let z = memories.len();
    let mut reads = vec![0; z];
    for (slot, &memory) in memories.iter().enumerate() {
        reads[memory] = (edges + z - 1 - slot) / z;
    }
    reads
}

fn counted_up(seed: usize, depth: usize) -> Vec<usize> {
    (0..depth).map(|cycle| (seed + cycle) % depth).collect()
}

/// A seed whose first `after` addresses are none of the last `before` of `order`, which counts up too.
fn next_seed(order: &[usize], before: usize, after: usize, draws: &mut Draws) -> Vec<usize> {
    let depth = order.len();
    let free = if before == 0 || after == 0 { depth } else { (depth + 1).saturating_sub(before + after) };
    counted_up(order.first().map_or(0, |seed| seed + draws.below(free)), depth)
}

/// A permutation whose first `after` addresses are none of the last `before` of `order`.
fn next_permutation(order: &[usize], before: usize, after: usize, draws: &mut Draws) -> Vec<usize> {
    let (free, taken) = order.split_at(order.len().saturating_sub(before));
    let mut next = free.to_vec();
    draws.shuffle(&mut next);
    let mut rest = next.split_off(after.min(next.len()));
    rest.extend_from_slice(taken);
    draws.shuffle(&mut rest);
    next.append(&mut rest);
    next
}

/// Why a mask is not clash-free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Clash {
    /// The left neurons do not fill z memories evenly.
    #[error("{n_in} inputs do not fill {z} memories evenly")]
    Memories {
        /// Number of inputs.
        n_in: usize,
        /// Number of memories.
        z: usize,
    },
    /// However an output's edges are ordered, a cycle reads a memory twice.
    #[error("output {output} makes a cycle read memory {memory} twice")]
    Twice {
        /// The output, from 0.
        output: usize,
        /// The memory, from 0.
        memory: usize,
    },
    /// However an output's edges are ordered, a cycle that it completes leaves a memory unread.
    #[error("output {output} leaves memory {memory} unread in a cycle that it completes")]
    Unread {
        /// The output, from 0.
        output: usize,
        /// The memory, from 0.
        memory: usize,
    },
}

/// Proves that the edges of a mask, counted output after output, can be processed z at a time with every cycle reading
/// each of z memories (input i in memory i mod z) at most once. The order of an output's own edges is free; the proof is
/// exact, as each cycle's share of an output is forced by the outputs before it.
///
/// # Errors
/// The first output that makes it impossible.
pub fn verify_clash_free(mask: &Mask, z: usize) -> Result<(), Clash> {
    if z == 0 || !mask.n_in().is_multiple_of(z) {
        return Err(Clash::Memories { n_in: mask.n_in(), z });
    }
    // Whether the cycle that is under way has read each memory, and how many it has read.
    let mut read = vec![false; z];
    let mut filled = 0;
    for output in 0..mask.n_out() {
        let mut owed = vec![0_usize; z];
        for input in mask.row(output) {
            owed[input % z] += 1;
        }
        let mut edges: usize = owed.iter().sum();
        if filled + edges >= z {
            // This output completes the cycle under way with exactly the memories unread in it, and then whole cycles.
            edges -= z - filled;
            let whole_cycles = edges / z;
            for (memory, (owed, read)) in owed.iter_mut().zip(&mut read).enumerate() {
                let takes = whole_cycles + usize::from(!*read);
                *owed = owed.checked_sub(takes).ok_or(Clash::Unread { output, memory })?;
                *read = false;
            }
            edges %= z;
            filled = 0;
        }
        for (memory, (&owed, read)) in owed.iter().zip(&mut read).enumerate() {
            if owed + usize::from(*read) > 1 {
                return Err(Clash::Twice { output, memory });
            }
            *read |= owed == 1;
        }
        filled += edges;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_papers_addressing() {
        // 12 left neurons in 4 memories of depth 3, seeds (1, 0, 2, 2).
        let addresses = [1, 0, 2, 2].map(|seed| counted_up(seed, 3)).to_vec();
        let sweep = Sweep { memories: (0..4).collect(), addresses };
        assert_eq!(sweep.inputs().collect::<Vec<_>>(), [4, 1, 10, 11, 8, 5, 2, 3, 0, 9, 6, 7]);
        let dithered = Sweep { memories: vec![2, 0, 3, 1], ..sweep };
        assert_eq!(dithered.inputs().collect::<Vec<_>>(), [10, 4, 11, 1, 2, 8, 3, 5, 6, 0, 7, 9]);
    }

    #[test]
    fn reads_at_the_ends_of_a_sweep_are_counted() {
        let sweep = Sweep { memories: vec![2, 0, 1], addresses: vec![vec![0, 1, 2]; 3] };
        let inputs: Vec<usize> = sweep.inputs().collect();
        for edges in 0..=9 {
            let count =
                |part: &[usize]| [0, 1, 2].map(|memory| part.iter().filter(|&i| i % 3 == memory).count()).to_vec();
            assert_eq!(first_edges(&sweep.memories, edges), count(&inputs[..edges]));
            assert_eq!(sweep.last_edges(edges), count(&inputs[9 - edges..]));
        }
    }

    #[test]
    fn types_differ_in_what_changes_between_sweeps() {
        let none = Shared { before: 0, after: 0 };
        let differences = |order: &[usize]| {
            let mut steps: Vec<usize> = order.windows(2).map(|pair| (pair[1] + 50 - pair[0]) % 50).collect();
            steps.dedup();
            steps
        };
        for kind in 1..=3 {
            let (family, draws) = (Family { kind, dither: false }, &mut Draws::new(5));
            let first = Sweep::first(8, 50, family, draws);
            let next = first.next(&none, family, draws);
            assert_eq!(next.addresses == first.addresses, kind == 1);
            assert_eq!(next.addresses.iter().all(|order| differences(order) == [1]), kind < 3);
            assert_eq!(next.memories, first.memories);
            let dithered = first.next(&none, Family { dither: true, ..family }, draws);
            assert_ne!(dithered.memories, first.memories);
        }
    }

    #[test]
    fn clashes_are_found() {
        // Two memories: evens and odds. Output 0 reads 0 and 2 in one cycle.
        let mut mask = Mask::empty(4, 2);
        for (output, input) in [(0, 0), (0, 2), (1, 1), (1, 3)] {
            mask.insert(output, input);
        }
        assert_eq!(verify_clash_free(&mask, 2), Err(Clash::Unread { output: 0, memory: 1 }));
        assert_eq!(verify_clash_free(&mask, 3), Err(Clash::Memories { n_in: 4, z: 3 }));
        assert_eq!(verify_clash_free(&mask, 0), Err(Clash::Memories { n_in: 4, z: 0 }));
        // Four memories: both outputs fit in the one cycle.
        assert_eq!(verify_clash_free(&mask, 4), Ok(()));
        // One output of three edges, two in memory 0: the cycle of four cannot hold them.
        let mut mask = Mask::empty(8, 1);
        for input in [0, 1, 4] {
            mask.insert(0, input);
        }
        assert_eq!(verify_clash_free(&mask, 4), Err(Clash::Twice { output: 0, memory: 0 }));
    }
}
