//! In which order matrices follow each other, and which of their axes are the inputs.

use lacewing_models::recipe::Layout;

use super::names::Stem;

/// A matrix and the length of its biases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'n> {
    pub(super) stem: &'n Stem,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bias: Option<usize>,
}

impl Matrix<'_> {
    pub(super) const fn inputs(&self, layout: Layout) -> usize {
        match layout {
            Layout::OutIn => self.columns,
            Layout::InOut => self.rows,
        }
    }

    pub(super) const fn outputs(&self, layout: Layout) -> usize {
        match layout {
            Layout::OutIn => self.rows,
            Layout::InOut => self.columns,
        }
    }

    /// Whether this layout is possible: the biases tell it, or, without biases or in a square matrix, the name. What Keras and
    /// scikit-learn call a kernel or coefficients has the inputs first, what PyTorch calls a weight the outputs. Shapes alone do
    /// not tell: what fits in one layout fits the other way round in the other.
    fn allows(&self, layout: Layout) -> bool {
        match self.bias {
            Some(bias) if self.rows != self.columns => bias == self.outputs(layout),
            bias => {
                let name = self.stem.weight.to_ascii_lowercase();
                let is_named = match layout {
                    Layout::OutIn => !name.contains("kernel") && !name.contains("coef"),
                    Layout::InOut => !name.contains("weight"),
                };
                is_named && bias.is_none_or(|bias| bias == self.rows)
            }
        }
    }
}

/// Matrices in order, all of one layout.
#[derive(Debug)]
pub(super) struct Order<'n> {
    pub(super) matrices: Vec<(Matrix<'n>, Layout)>,
    /// The names' order does not fit; this one, the only one that does, is by shape.
    pub(super) by_shape: bool,
}

/// The order of matrices that stand in the order of their names.
pub(super) fn order<'n>(matrices: &[Matrix<'n>]) -> Result<Order<'n>, String> {
    let layouts = [Layout::OutIn, Layout::InOut].into_iter();
    let possible: Vec<Layout> = layouts.filter(|layout| matrices.iter().all(|matrix| matrix.allows(*layout))).collect();
    for layout in &possible {
        if follow(matrices, *layout) {
            return Ok(Order { matrices: matrices.iter().map(|matrix| (*matrix, *layout)).collect(), by_shape: false });
        }
    }
    let mut search = Search { matrices, found: Vec::new(), steps: 0 };
    for layout in possible {
        search.extend(&mut Vec::new(), layout);
    }
    let whole = search.steps < MAX_STEPS;
    match search.found.pop() {
        Some(matrices) if search.found.is_empty() && whole => Ok(Order { matrices, by_shape: true }),
        found => {
            let shape = |matrix: &Matrix<'_>| format!("{} {}x{}", matrix.stem.weight, matrix.rows, matrix.columns);
            let shapes = matrices.iter().map(shape).collect::<Vec<_>>().join(", ");
            let how = if found.is_none() && whole {
                "no order of the matrices fits"
            } else {
                "several orders of the matrices may fit"
            };
            Err(format!("{how}: {shapes}"))
        }
    }
}

fn follow(matrices: &[Matrix<'_>], layout: Layout) -> bool {
    matrices.iter().zip(matrices.iter().skip(1)).all(|(one, next)| one.outputs(layout) == next.inputs(layout))
}

/// Steps of a search; more are needed only where many widths are equal, and then the order cannot be told.
const MAX_STEPS: usize = 100_000;

/// The search for all orders that fit; it ends at the second.
struct Search<'m, 'n> {
    matrices: &'m [Matrix<'n>],
    found: Vec<Vec<(Matrix<'n>, Layout)>>,
    steps: usize,
}

impl<'n> Search<'_, 'n> {
    /// `chain`: places in the names' order.
    fn extend(&mut self, chain: &mut Vec<usize>, layout: Layout) {
        self.steps += 1;
        if self.found.len() >= 2 || self.steps >= MAX_STEPS {
            return;
        }
        if chain.len() == self.matrices.len() {
            let matrix = |at: &usize| self.matrices.get(*at).map(|matrix| (*matrix, layout));
            self.found.extend(chain.iter().map(matrix).collect::<Option<Vec<_>>>());
            return;
        }
        let matrices = self.matrices;
        let end = chain.last().and_then(|last| matrices.get(*last)).map(|last| last.outputs(layout));
        for (at, matrix) in matrices.iter().enumerate() {
            if !chain.contains(&at) && end.is_none_or(|end| end == matrix.inputs(layout)) {
                chain.push(at);
                self.extend(chain, layout);
                chain.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(weight: &str) -> Stem {
        Stem { weight: weight.into(), bias: None, mask: None, branch: None, norms: Vec::new() }
    }

    /// The order found, as positions, and whether it is by shape.
    fn found(matrices: &[(&str, usize, usize, Option<usize>)]) -> Result<(Vec<String>, Layout, bool), String> {
        let stems: Vec<Stem> = matrices.iter().map(|(name, ..)| stem(name)).collect();
        let matrices = matrices.iter().zip(&stems).map(|((_, rows, columns, bias), stem)| Matrix {
            stem,
            rows: *rows,
            columns: *columns,
            bias: *bias,
        });
        let order = order(&matrices.collect::<Vec<_>>())?;
        let names = order.matrices.iter().map(|(matrix, _)| matrix.stem.weight.clone()).collect();
        Ok((names, order.matrices[0].1, order.by_shape))
    }

    #[test]
    fn by_name_or_by_shape() {
        let named = [("fc1.weight", 8, 12, None), ("fc2.weight", 3, 8, None)];
        assert_eq!(found(&named), Ok((vec!["fc1.weight".into(), "fc2.weight".into()], Layout::OutIn, false)));
        let shaped = [("classifier.weight", 3, 8, None), ("hidden.weight", 8, 12, None)];
        assert_eq!(found(&shaped), Ok((vec!["hidden.weight".into(), "classifier.weight".into()], Layout::OutIn, true)));
        let keras = [("a/kernel", 12, 8, Some(8)), ("b/kernel", 8, 3, Some(3))];
        assert_eq!(found(&keras).map(|found| found.1), Ok(Layout::InOut));
        // Biases tell the layout where both orders would fit.
        let biased = [("fc1.weight", 8, 12, Some(12)), ("fc2.weight", 12, 5, Some(5))];
        assert_eq!(found(&biased).map(|found| found.1), Ok(Layout::InOut));
        // Names tell it where there are no biases; by hand, both are possible, and outputs first is tried first.
        assert_eq!(found(&[("W1", 12, 8, None), ("W2", 8, 3, None)]).map(|found| found.1), Ok(Layout::InOut));
        assert_eq!(found(&[("W1", 8, 12, None), ("W2", 3, 8, None)]).map(|found| found.1), Ok(Layout::OutIn));
        assert_eq!(found(&[("x/kernel", 8, 8, Some(8))]).map(|found| found.1), Ok(Layout::InOut));
        assert_eq!(found(&[("x.weight", 8, 8, Some(8))]).map(|found| found.1), Ok(Layout::OutIn));
    }

    #[test]
    fn what_cannot_be_ordered() {
        let none = found(&[("a.weight", 8, 12, None), ("b.weight", 3, 7, None)]).unwrap_err();
        assert!(none.contains("no order") && none.contains("a.weight 8x12"), "{none}");
        let several =
            [("c.weight", 3, 8, None), ("a.weight", 8, 8, None), ("b.weight", 8, 8, None), ("i.weight", 8, 12, None)];
        assert!(found(&several).unwrap_err().contains("several"));
        // Many equal widths and a dead end: the search gives up.
        let mut many: Vec<_> = (0..15).map(|_| ("x.weight", 8, 8, None)).collect();
        many.push(("y.weight", 9, 7, None));
        assert!(found(&many).unwrap_err().contains("several"));
    }
}
