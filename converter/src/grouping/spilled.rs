//! Which edges stand beside the windows: those of a window that only a few want, where a group takes so many steps less without them.
//!
//! ```text
//! at every window that is due: now = the edges that no window behind it can serve
//! spill them where they are few, and the steps of the windows to come, without them, are fewer by SAVED an edge
//! ```
//!
//! Only windows that begin at lines: of those that begin anywhere, the next one would begin at the next edge and serve as few.

use super::next_window;

/// Steps that an edge must save: it takes two cycles or so, and a step 2.6 (`kernels`, AVX-512). Letting it save half a step
/// takes away 1 % of the bytes and costs 1 % of the time.
const SAVED: usize = 1;
/// Edges looked at, at most.
const MOST: usize = 12;
/// Lines ahead in which steps are counted; behind them both ways have the same edges left, but for rare cases.
const AHEAD: u16 = 8;

/// Inputs of a junction, and width, alignment and steps of its windows.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub n_in: u16,
    pub width: u8,
    pub alignment: u16,
    pub each: usize,
}

impl Shape {
    fn next(self, rows: &[&[u16]]) -> Option<u16> {
        next_window(rows, self.n_in, self.width, self.alignment)
    }

    /// Takes a window's edges.
    fn serve(self, rows: &mut [&[u16]], start: u16) {
        for row in rows {
            let served = row.iter().take(self.each).take_while(|input| **input - start < u16::from(self.width)).count();
            *row = row.get(served..).unwrap_or_default();
        }
    }

    /// Windows that begin before `end`.
    fn windows(self, mut rows: Vec<&[u16]>, end: u16) -> usize {
        let mut windows = 0;
        while let Some(start) = self.next(&rows).filter(|start| *start < end) {
            self.serve(&mut rows, start);
            windows += 1;
        }
        windows
    }
}

/// How many edges each row spills rather than having the window at `start`. `None` where there shall be a window.
pub(crate) fn spilled(rows: &[&[u16]], start: u16, shape: Shape) -> Option<Vec<usize>> {
    if shape.alignment == 1 {
        return None;
    }
    // Behind the last window there is none.
    let is_last = start >= shape.n_in.saturating_sub(u16::from(shape.width));
    let now = |row: &&[u16]| row.iter().take_while(|input| is_last || **input - start < shape.alignment).count();
    let edges: Vec<usize> = rows.iter().map(now).collect();
    let all: usize = edges.iter().sum();
    if all > MOST {
        return None;
    }
    let end = start.saturating_add(AHEAD * shape.alignment);
    let without = rows.iter().zip(&edges).map(|(row, edges)| row.get(*edges..).unwrap_or_default()).collect();
    let saved = shape.windows(rows.to_vec(), end).saturating_sub(shape.windows(without, end)) * shape.each;
    (saved > 0 && saved >= SAVED * all).then_some(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Shape = Shape { n_in: 160, width: 32, alignment: 16, each: 2 };

    #[test]
    fn what_saves_a_window_is_spilled_and_what_does_not_is_not() {
        // The second window at 0 would serve input 2 alone; without it there is none.
        let (short, long): (&[u16], &[u16]) = (&[5, 7], &[0, 1, 2]);
        let mut rows = [short, long];
        assert_eq!(spilled(&rows, 0, WIDE), None);
        WIDE.serve(&mut rows, 0);
        assert_eq!(rows, [&[], &[2][..]]);
        assert_eq!(spilled(&rows, 0, WIDE), Some(vec![0, 1]));
        // The window that is due at 16 serves input 2 no more, but 33 has to have one: nothing is saved.
        assert_eq!(spilled(&[&[2], &[33, 40]], 0, WIDE), Some(vec![1, 0]));
        assert_eq!(spilled(&[&[2, 20, 21], &[17, 18, 19, 20]], 0, WIDE), None);
        // Three edges and one window.
        assert_eq!(spilled(&[&[2], &[3], &[4]], 0, WIDE), None);
        // Windows that begin anywhere have none.
        assert_eq!(spilled(&[&[2]], 2, Shape { alignment: 1, ..WIDE }), None);
    }

    /// The last window begins off its line, and no other comes behind it.
    #[test]
    fn the_last_window_is_spilled_whole() {
        let last = Shape { n_in: 150, ..WIDE };
        assert_eq!(spilled(&[&[149], &[]], 118, last), Some(vec![1, 0]));
        assert_eq!(spilled(&[&[140, 144, 149], &[120, 121]], 118, last), None);
    }
}
