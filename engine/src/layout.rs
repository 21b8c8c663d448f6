//! Where activations lie in the scratch.
//!
//! Two regions take turns along the trunk: the junction at depth d reads region d mod 2 and writes the other one. While a
//! branch runs, the region that the trunk has just read is free, so the branch begins there; a third region exists only for
//! branches of more than one operation.
//!
//! ```text
//! trunk at depth d     region d mod 2 → region (d + 1) mod 2
//! branch at depth d    region d mod 2 → other → third → other → …
//! ```
//!
//! A fourth region exists only where f32 and int8 meet inside a network: what an operation reads is converted into it, and int8
//! logits, for an exit that shows f32. int8 features of a head that hands over f32 are converted into the region that the trunk's
//! last operation has read.

/// Regions start at multiples of this many bytes, so that any element can lie in them.
const ALIGN: usize = 16;

/// A region of the scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// Trunk at even depth; the input.
    Even,
    /// Trunk at odd depth.
    Odd,
    /// Second and fourth … operation of a branch.
    Third,
    /// Values converted between f32 and int8.
    Stage,
}

impl Region {
    /// Where the trunk's values of this depth lie.
    pub(crate) const fn of_depth(depth: usize) -> Self {
        if depth.is_multiple_of(2) { Self::Even } else { Self::Odd }
    }

    /// Where operation `at` (from 0) of a branch behind `depth` trunk operations reads and writes.
    pub(crate) const fn of_branch(depth: usize, at: usize) -> (Self, Self) {
        let free = Self::of_depth(depth + 1);
        if at == 0 {
            (Self::of_depth(depth), free)
        } else if at.is_multiple_of(2) {
            (Self::Third, free)
        } else {
            (free, Self::Third)
        }
    }
}

/// Sizes of the regions in bytes, multiples of [`ALIGN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub even: usize,
    pub odd: usize,
    pub third: usize,
    pub stage: usize,
}

impl Layout {
    /// A layout with room for nothing.
    pub(crate) const EMPTY: Self = Self { even: 0, odd: 0, third: 0, stage: 0 };

    /// This layout, grown so that `bytes` fit the region.
    #[must_use]
    pub(crate) const fn with(mut self, region: Region, bytes: usize) -> Self {
        let size = match region {
            Region::Even => &mut self.even,
            Region::Odd => &mut self.odd,
            Region::Third => &mut self.third,
            Region::Stage => &mut self.stage,
        };
        let needed = bytes.next_multiple_of(ALIGN);
        if *size < needed {
            *size = needed;
        }
        self
    }

    /// Bytes in all.
    pub(crate) const fn len(&self) -> usize {
        self.even + self.odd + self.third + self.stage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_never_writes_what_the_trunk_still_needs() {
        for depth in 0..4 {
            let trunk = Region::of_depth(depth);
            let mut reads = trunk;
            for at in 0..5 {
                let (from, to) = Region::of_branch(depth, at);
                assert_eq!(from, reads, "each operation reads what the one before it wrote");
                assert!(to != trunk && to != from);
                reads = to;
            }
        }
    }

    #[test]
    fn regions_hold_the_widest() {
        let layout = Layout::EMPTY.with(Region::Even, 3200).with(Region::Even, 160).with(Region::Odd, 161);
        assert_eq!((layout.even, layout.odd, layout.third, layout.len()), (3200, 176, 0, 3376));
    }
}
