//! The edges of a junction, in the order in which a training stores their weights.

use core::fmt;

/// The tables of [`Edges`]; the caller owns them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tables<'a> {
    /// Group `g` of outputs has the entries `starts[g]..starts[g + 1]`; one more than there are groups, from 0 on.
    pub starts: &'a [u32],
    /// The input of each entry, ascending within a group.
    pub inputs: &'a [u16],
    /// Only for groups of one output, else empty: input `i` has the edges `column_starts[i]..column_starts[i + 1]` of the two
    /// tables that follow.
    pub column_starts: &'a [u32],
    /// The output of each of those edges, ascending within an input.
    pub outputs: &'a [u16],
    /// Where the weight of each of those edges is.
    pub places: &'a [u32],
}

/// The edges of one junction, proved: every index in its tables lies inside.
///
/// Outputs go in groups of one or eight that read the same inputs. An entry is one input of a group; its weights, one for
/// each output of the group, stand together: weight `r` of entry `k` is number `k · rows + r`.
#[derive(Clone, Copy, Debug)]
pub struct Edges<'a> {
    n_in: usize,
    n_out: usize,
    rows: usize,
    tables: Tables<'a>,
}

/// Why [`Edges::new`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgesError {
    /// Groups are of one output or of eight, and fill `n_out`.
    Rows,
    /// A table of starts has the wrong length, does not rise from 0, or does not end where its table ends.
    Starts,
    /// An input is not below `n_in`, or not above the one before it in its group.
    Input,
    /// The tables by input do not list each edge once, in order.
    Columns,
}

impl fmt::Display for EdgesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "outputs must go in groups of one or eight that fill the junction",
            Self::Starts => "starts must rise from 0 to the number of entries, one more than there are groups",
            Self::Input => "inputs must ascend within a group and lie below n_in",
            Self::Columns => "the tables by input must list every edge once, outputs ascending",
        })
    }
}

impl core::error::Error for EdgesError {}

impl<'a> Edges<'a> {
    /// Checks the tables of a junction of `n_in` inputs and `n_out` outputs in groups of `rows`.
    ///
    /// # Errors
    /// The first rule that the tables break.
    pub fn new(n_in: usize, n_out: usize, rows: usize, tables: Tables<'a>) -> Result<Self, EdgesError> {
        if !matches!(rows, 1 | 8) || !n_out.is_multiple_of(rows) {
            return Err(EdgesError::Rows);
        }
        check_starts(tables.starts, n_out / rows, tables.inputs.len())?;
        for group in tables.starts.array_windows().filter_map(|&[begin, end]| between(tables.inputs, begin, end)) {
            let ascending = group.array_windows().all(|[a, b]| a < b);
            if !ascending || group.last().is_some_and(|&last| usize::from(last) >= n_in) {
                return Err(EdgesError::Input);
            }
        }
        let edges = Self { n_in, n_out, rows, tables };
        if rows == 1 {
            edges.check_columns()?
        } else if !tables.column_starts.is_empty() {
            Err(EdgesError::Columns)?
        }
        Ok(edges)
    }

    fn check_columns(&self) -> Result<(), EdgesError> {
        let Tables { starts, inputs, column_starts, outputs, places } = self.tables;
        check_starts(column_starts, self.n_in, inputs.len()).map_err(|_| EdgesError::Columns)?;
        if outputs.len() != inputs.len() || places.len() != inputs.len() {
            return Err(EdgesError::Columns);
        }
        for (input, &[begin, end]) in column_starts.array_windows().enumerate() {
            let mut before = None;
            let column = between(outputs, begin, end).zip(between(places, begin, end)).ok_or(EdgesError::Columns)?;
            for (&output, &place) in column.0.iter().zip(column.1) {
                let row = usize::from(output);
                let here = starts.get(row).zip(starts.get(row + 1)).is_some_and(|(&a, &b)| (a..b).contains(&place));
                let reads = inputs.get(place as usize).is_some_and(|&i| usize::from(i) == input);
                if !here || !reads || before.is_some_and(|before| before >= output) {
                    return Err(EdgesError::Columns);
                }
                before = Some(output);
            }
        }
        // As many as there are edges, none twice (outputs ascend within an input, inputs within an output): all of them.
        Ok(())
    }

    /// Inputs of the junction.
    #[must_use]
    pub const fn n_in(&self) -> usize {
        self.n_in
    }

    /// Outputs of the junction.
    #[must_use]
    pub const fn n_out(&self) -> usize {
        self.n_out
    }

    /// Outputs to a group: 1 or 8.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Weights: edges of the junction.
    #[must_use]
    pub const fn n_weights(&self) -> usize {
        self.tables.inputs.len() * self.rows
    }

    /// The entries of each group: where the first one stands, and their inputs.
    pub fn groups(&self) -> impl Iterator<Item = (usize, &'a [u16])> + use<'a> {
        let inputs = self.tables.inputs;
        self.tables
            .starts
            .array_windows()
            .map(move |&[begin, end]| (begin as usize, between(inputs, begin, end).unwrap_or_default()))
    }

    /// The edges of each input, with groups of one output: their outputs, and where their weights are.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'a [u16], &'a [u32])> + use<'a> {
        let Tables { column_starts, outputs, places, .. } = self.tables;
        column_starts.array_windows().map(move |&[begin, end]| {
            (between(outputs, begin, end).unwrap_or_default(), between(places, begin, end).unwrap_or_default())
        })
    }
}

fn between<T>(table: &[T], begin: u32, end: u32) -> Option<&[T]> {
    table.get(begin as usize..end as usize)
}

fn check_starts(starts: &[u32], groups: usize, entries: usize) -> Result<(), EdgesError> {
    let ends = starts.first() == Some(&0) && starts.last().is_some_and(|&last| last as usize == entries);
    let rises = starts.array_windows().all(|[a, b]| a <= b);
    if starts.len() == groups + 1 && ends && rises { Ok(()) } else { Err(EdgesError::Starts) }
}
