//! In which order matrices follow each other, and which of their axes are the inputs.

use core::cmp::Ordering;

use lacewing_models::recipe::Layout;

use super::names::{Stem, numbered};

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

    /// Whether its biases tell its layout.
    pub(super) const fn tells_layout(&self) -> bool {
        self.bias.is_some() && self.rows != self.columns
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
    pub(super) told: Told,
    /// The layout is as matrices by such names have it; neither biases nor shapes tell it.
    pub(super) is_layout_assumed: bool,
}

/// What tells an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Numbers in names.
    Names,
    /// It is the only one that fits, and the numbers that there are agree.
    Shapes,
    /// Several fit; the tensors are stored in this one.
    Stored,
}

impl Told {
    pub(super) const fn by(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Shapes => "shapes",
            Self::Stored => "their order in the file, one of several that fit",
        }
    }
}

/// The layouts that all matrices can have.
pub(super) fn layouts<'m, 'n: 'm>(matrices: impl Iterator<Item = &'m Matrix<'n>> + Clone) -> Vec<Layout> {
    let allowed = |layout: &Layout| matrices.clone().all(|matrix| matrix.allows(*layout));
    [Layout::OutIn, Layout::InOut].into_iter().filter(allowed).collect()
}

/// The order of matrices that stand in the order of their names. `stored` are the names of tensors in the order in which they
/// were written, where the file keeps it. Numbers in names are never contradicted: what fits only against them is stored in the
/// other layout, more likely than numbered backwards.
/// Layouts `among` those of the rest of the network are taken before others.
pub(super) fn order<'n>(
    matrices: &[Matrix<'n>],
    among: &[Layout],
    stored: Option<&[String]>,
) -> Result<Order<'n>, String> {
    let own = layouts(matrices.iter());
    let shared: Vec<Layout> = own.iter().copied().filter(|layout| among.contains(layout)).collect();
    let possible = if shared.is_empty() { own } else { shared };
    let pairs = || matrices.iter().zip(matrices.iter().skip(1));
    let is_numbered = pairs().all(|(one, next)| comes_before(one, next));
    if is_numbered && let Some(layout) = possible.iter().find(|layout| follow(matrices, **layout)) {
        return Ok(found(matrices.iter().map(|matrix| (*matrix, *layout)).collect(), Told::Names));
    }
    let search = Search::of(matrices, &possible, true);
    match &search.found[..] {
        [matrices] if search.is_whole() => return Ok(found(matrices.clone(), Told::Shapes)),
        [] if search.is_whole() => {}
        _ => {
            let mut ordered = matrices.to_vec();
            let place =
                |matrix: &Matrix<'_>| stored.and_then(|all| all.iter().position(|name| *name == matrix.stem.weight));
            ordered.sort_by_key(place);
            let contradicts = |at: usize| {
                let (one, rest) = (ordered.get(at), ordered.get(at + 1..).unwrap_or_default());
                one.is_some_and(|one| rest.iter().any(|next| comes_before(next, one)))
            };
            let is_numbered_otherwise = (0..ordered.len()).any(contradicts);
            let layout = possible.iter().find(|layout| follow(&ordered, **layout));
            if let Some(layout) = layout.filter(|_| stored.is_some() && !is_numbered_otherwise) {
                return Ok(found(ordered.iter().map(|matrix| (*matrix, *layout)).collect(), Told::Stored));
            }
        }
    }
    let shape = |matrix: &Matrix<'_>| format!("{} {}x{}", matrix.stem.weight, matrix.rows, matrix.columns);
    let shapes = matrices.iter().map(shape).collect::<Vec<_>>().join(", ");
    if !(search.found.is_empty() && search.is_whole()) {
        return Err(format!(
            "several orders of the matrices may fit, and neither numbers in names nor the file say which: {shapes}"
        ));
    }
    Err(match Search::of(matrices, &possible, false).found.first() {
        Some(against) => {
            let against: Vec<&str> = against.iter().map(|(matrix, _)| matrix.stem.weight.as_str()).collect();
            format!(
                "the matrices fit only against their numbers, as {}, or in the order of their numbers with their axes the other \
                 way round: {shapes}",
                against.join(", ")
            )
        }
        None => format!("no order of the matrices fits: {shapes}"),
    })
}

fn comes_before(one: &Matrix<'_>, next: &Matrix<'_>) -> bool {
    numbered(&one.stem.weight, &next.stem.weight) == Some(Ordering::Less)
}

fn found(matrices: Vec<(Matrix<'_>, Layout)>, told: Told) -> Order<'_> {
    let plain: Vec<Matrix<'_>> = matrices.iter().map(|(matrix, _)| *matrix).collect();
    let both = follow(&plain, Layout::OutIn) && follow(&plain, Layout::InOut);
    // Without numbers, the same shapes fit backwards with the axes the other way round.
    let is_layout_assumed = !plain.iter().any(Matrix::tells_layout) && (both || told != Told::Names);
    Order { matrices, told, is_layout_assumed }
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
    /// Whether numbers in names are kept to.
    by_number: bool,
}

impl<'m, 'n> Search<'m, 'n> {
    fn of(matrices: &'m [Matrix<'n>], layouts: &[Layout], by_number: bool) -> Self {
        let mut search = Self { matrices, found: Vec::new(), steps: 0, by_number };
        layouts.iter().for_each(|layout| search.extend(&mut Vec::new(), *layout));
        search
    }

    /// Whether nothing was left out but what is more than two.
    const fn is_whole(&self) -> bool {
        self.steps < MAX_STEPS
    }

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
            let fits = !chain.contains(&at) && end.is_none_or(|end| end == matrix.inputs(layout));
            let waits = |chain: &[usize]| {
                let mut left = matrices.iter().enumerate().filter(|(other, _)| !chain.contains(other));
                left.any(|(_, other)| comes_before(other, matrix))
            };
            if fits && !(self.by_number && waits(chain)) {
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
        let order = order(&matrices.collect::<Vec<_>>(), &[], None)?;
        let names = order.matrices.iter().map(|(matrix, _)| matrix.stem.weight.clone()).collect();
        Ok((names, order.matrices[0].1, order.told == Told::Shapes))
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

    /// With the names as stored: the order found, what told it, and whether the layout was assumed.
    fn stored(matrices: &[(&str, usize, usize, Option<usize>)]) -> Result<(Vec<String>, Told, bool), String> {
        let stems: Vec<Stem> = matrices.iter().map(|(name, ..)| stem(name)).collect();
        let names: Vec<String> = matrices.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let matrix = |((_, rows, columns, bias), stem): (&(&str, usize, usize, Option<usize>), _)| Matrix {
            stem,
            rows: *rows,
            columns: *columns,
            bias: *bias,
        };
        let mut matrices: Vec<Matrix<'_>> = matrices.iter().zip(&stems).map(matrix).collect();
        matrices.sort_by_key(|matrix| matrix.stem.weight.clone());
        let order = order(&matrices, &[], Some(&names))?;
        let names = order.matrices.iter().map(|(matrix, _)| matrix.stem.weight.clone()).collect();
        Ok((names, order.told, order.is_layout_assumed))
    }

    #[test]
    fn as_stored_where_several_fit() {
        let several = [("second.weight", 8, 8, None), ("first.weight", 8, 8, None), ("out.weight", 3, 8, None)];
        let want = |names: &[&str], told, assumed| {
            Ok((names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), told, assumed))
        };
        let names = ["second.weight", "first.weight", "out.weight"];
        assert_eq!(stored(&several), want(&names, Told::Stored, true));
        // Numbers are kept to, whatever the file's order is.
        let numbered = [("fc2.weight", 8, 8, Some(8)), ("fc1.weight", 8, 8, Some(8)), ("out.weight", 3, 8, Some(3))];
        assert_eq!(stored(&numbered), want(&["fc1.weight", "fc2.weight", "out.weight"], Told::Shapes, false));
        // The order in the file does not fit.
        let wrong = [("out.weight", 3, 8, None), ("second.weight", 8, 8, None), ("first.weight", 8, 8, None)];
        assert!(stored(&wrong).unwrap_err().contains("several orders"));
    }

    #[test]
    fn layouts_that_are_assumed() {
        let assumed = |matrices: &[(&str, usize, usize, Option<usize>)]| stored(matrices).map(|found| found.2);
        assert_eq!(assumed(&[("fc1.weight", 8, 8, Some(8)), ("fc2.weight", 8, 8, Some(8))]), Ok(true));
        assert_eq!(assumed(&[("fc1.weight", 8, 8, Some(8)), ("fc2.weight", 3, 8, Some(3))]), Ok(false));
        assert_eq!(assumed(&[("fc1.weight", 8, 12, None), ("fc2.weight", 3, 8, None)]), Ok(false));
        assert_eq!(assumed(&[("hidden.weight", 8, 12, None), ("out.weight", 3, 8, None)]), Ok(true));
    }

    #[test]
    fn numbers_are_not_contradicted() {
        let turned = found(&[("fc1.weight", 4, 6, None), ("fc2.weight", 6, 3, None)]).unwrap_err();
        for said in
            ["only against their numbers, as fc2.weight, fc1.weight", "axes the other way round", "fc1.weight 4x6"]
        {
            assert!(turned.contains(said), "{turned}");
        }
        let kernels =
            found(&[("dense/kernel", 3, 8, None), ("dense_1/kernel", 8, 3, None), ("dense_2/kernel", 3, 4, None)]);
        assert_eq!(kernels.map(|found| found.2), Ok(false));
        let kernels = found(&[("dense/kernel", 8, 3, None), ("dense_1/kernel", 12, 8, None)]).unwrap_err();
        assert!(kernels.contains("against their numbers"), "{kernels}");
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
