//! Which rows share windows: the order of rows that keeps the windows packing's padding small.
//!
//! In a step the lanes of a group pick from one window, and a lane without an edge there is padding. For given rows the fewest
//! steps come of a simple rule, taken by [`next_window`]: the window begins at the first input that any row still wants, and
//! each row takes its first edge in it. What is left to choose is which rows share a group. That is done greedily: a group
//! begins with the first row left, and the row joins it that adds the fewest steps, of the next rows left.

/// Rows looked at for each place in a group, at most.
const CANDIDATES: usize = 64;

/// Edges looked at in all, about: a few seconds.
const BUDGET: usize = 4_000_000_000;

/// The first input of the window of the next step, or `None` where no row has an edge left.
pub(crate) fn next_window(rows: &[&[u16]], n_in: u16, width: u8) -> Option<u16> {
    let wanted = rows.iter().filter_map(|row| row.first().copied()).min()?;
    Some(wanted.min(n_in.saturating_sub(u16::from(width))))
}

/// Steps that a group of these rows takes.
fn steps(rows: &mut [&[u16]], n_in: u16, width: u8) -> usize {
    let mut steps = 0;
    while let Some(start) = next_window(rows, n_in, width) {
        for row in &mut *rows {
            if let Some((first, later)) = row.split_first()
                && first - start < u16::from(width)
            {
                *row = later;
            }
        }
        steps += 1;
    }
    steps
}

/// The order of rows, `lanes` of them a group; the same for the same rows. Bounded work: fewer candidates where rows are long
/// and many.
pub(crate) fn order(rows: &[&[u16]], n_in: u16, lanes: u8, width: u8) -> Vec<u16> {
    let edges: usize = rows.iter().map(|row| row.len()).sum();
    let candidates = (BUDGET / (2 * usize::from(lanes) * edges).max(1)).min(CANDIDATES);
    let mut left: Vec<u16> = (0..u16::try_from(rows.len()).unwrap_or(u16::MAX)).collect();
    if candidates < 2 {
        return left;
    }
    let row = |number: u16| rows.get(usize::from(number)).copied().unwrap_or_default();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let mut group = vec![left.remove(0)];
        while group.len() < usize::from(lanes) && !left.is_empty() {
            let cost = |(_, candidate): &(usize, &u16)| {
                let mut members: Vec<&[u16]> = group.iter().chain([*candidate]).map(|number| row(*number)).collect();
                steps(&mut members, n_in, width)
            };
            let best = left.iter().take(candidates).enumerate().min_by_key(cost).map_or(0, |(at, _)| at);
            group.push(left.remove(best));
        }
        order.append(&mut group);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_window_begins_at_the_first_input_wanted_and_ends_within_the_inputs() {
        assert_eq!(next_window(&[&[5, 9], &[3, 4], &[]], 20, 8), Some(3));
        assert_eq!(next_window(&[&[19], &[]], 20, 8), Some(12));
        assert_eq!(next_window(&[&[], &[]], 20, 8), None);
    }

    #[test]
    fn steps_are_as_many_as_the_fullest_window_needs() {
        // One window holds all; three edges of one row take three steps.
        assert_eq!(steps(&mut [&[0, 1, 2], &[7]], 20, 8), 3);
        // 8 lies outside the window that begins at 0.
        assert_eq!(steps(&mut [&[0], &[8]], 20, 8), 2);
        assert_eq!(steps(&mut [&[0], &[7]], 20, 8), 1);
    }

    #[test]
    fn rows_that_share_windows_come_together() {
        let (a, b): (&[u16], &[u16]) = (&[0, 30], &[15, 45]);
        let rows = [a, b, a, b, a, b, a, b];
        assert_eq!(order(&rows, 60, 4, 8), [0, 2, 4, 6, 1, 3, 5, 7]);
        assert!(order(&[], 60, 4, 8).is_empty());
        // Every row once, the last group ragged, empty rows too.
        let mut ragged = order(&[a, b, &[], b, a], 60, 4, 8);
        ragged.sort_unstable();
        assert_eq!(ragged, [0, 1, 2, 3, 4]);
    }
}
