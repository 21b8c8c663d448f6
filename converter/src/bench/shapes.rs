//! Shapes of junctions, read from text files.

use core::str::FromStr;

/// Which edges a junction has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShapeEdges {
    /// All.
    Dense,
    /// Random, constant in-degree.
    Rows {
        /// Share of the inputs that each output reads.
        density: f64,
    },
    /// Random, constant in-degree and out-degree.
    Random {
        /// Outputs that each input reaches.
        out_degree: usize,
    },
    /// Anywhere, in rows of any length.
    Any {
        /// Share of the weights that is there.
        density: f64,
    },
    /// Blocks of outputs and inputs, equally many in each row block.
    Block {
        /// Outputs a block.
        rows: usize,
        /// Inputs a block.
        cols: usize,
        /// Share of the weights that is stored.
        density: f64,
    },
    /// Exactly `n` in every page of `m` inputs.
    NM {
        /// Edges a page.
        n: usize,
        /// Inputs a page.
        m: usize,
    },
}

/// What a junction reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShapeInput {
    /// Random values, this share of them not zero.
    Random {
        /// Share of the values that are not zero.
        nonzero: f64,
    },
    /// A handwritten digit with as many nonzero pixels as the median one: 18 % of them.
    Mnist,
}

/// A junction to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Inputs.
    pub n_in: u16,
    /// Outputs.
    pub n_out: u16,
    /// Which edges.
    pub edges: ShapeEdges,
    /// What it reads.
    pub input: ShapeInput,
    /// The line it came from, one space between words: its name in tables.
    pub name: String,
}

/// A line of a shape file that says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}, `{text}`: expected `N_IN N_OUT`, one of `dense`, `rows RHO`, `random OUT_DEGREE`, `any RHO`, `block RxC RHO`, `nm N:M`, and perhaps `x SHARE` or `x mnist`"
)]
pub struct ShapeError {
    line: usize,
    text: String,
}

/// Reads a shape file: one junction a line, `#` begins a comment.
///
/// # Errors
/// The first line that is no junction.
pub fn parse(file: &str) -> Result<Vec<Shape>, ShapeError> {
    let lines = file.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let shapes = lines.enumerate().filter(|(_, line)| !line.is_empty());
    shapes.map(|(k, text)| parse_line(text).ok_or_else(|| ShapeError { line: k + 1, text: text.to_owned() })).collect()
}

fn parse_line(text: &str) -> Option<Shape> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [n_in, n_out, rest @ ..] = words.as_slice() else { return None };
    let (pattern, input) = match rest {
        [pattern @ .., "x", "mnist"] => (pattern, ShapeInput::Mnist),
        [pattern @ .., "x", nonzero] => (pattern, ShapeInput::Random { nonzero: fraction(nonzero)? }),
        pattern => (pattern, ShapeInput::Random { nonzero: 1.0 }),
    };
    let edges = match pattern {
        ["dense"] => ShapeEdges::Dense,
        ["rows", density] => ShapeEdges::Rows { density: fraction(density)? },
        ["random", out_degree] => ShapeEdges::Random { out_degree: out_degree.parse().ok()? },
        ["any", density] => ShapeEdges::Any { density: fraction(density)? },
        ["block", size, density] => {
            let (rows, cols) = pair(size, 'x')?;
            ShapeEdges::Block { rows, cols, density: fraction(density)? }
        }
        ["nm", ratio] => {
            let (n, m) = pair(ratio, ':')?;
            ShapeEdges::NM { n, m }
        }
        _ => return None,
    };
    let (n_in, n_out) = (n_in.parse().ok()?, n_out.parse().ok()?);
    (n_in > 0 && n_out > 0).then(|| Shape { n_in, n_out, edges, input, name: words.join(" ") })
}

fn pair<T: FromStr>(text: &str, between: char) -> Option<(T, T)> {
    let (a, b) = text.split_once(between)?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// `0.25` or `1/4`, above 0 and at most 1.
fn fraction(text: &str) -> Option<f64> {
    let value = match pair::<f64>(text, '/') {
        Some((a, b)) => a / b,
        None => text.parse().ok()?,
    };
    (value > 0.0 && value <= 1.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_pattern() {
        let shapes = parse("# head\n800 112 rows 1/4\n3 3 dense # tiny\n\n8 4 block 4x1 0.5\n16  16 nm 2:8").unwrap();
        assert_eq!(shapes.iter().map(|s| s.n_in).collect::<Vec<_>>(), [800, 3, 8, 16]);
        assert_eq!(shapes[0].edges, ShapeEdges::Rows { density: 0.25 });
        assert_eq!(shapes[2].edges, ShapeEdges::Block { rows: 4, cols: 1, density: 0.5 });
        assert_eq!((shapes[3].edges, shapes[3].name.as_str()), (ShapeEdges::NM { n: 2, m: 8 }, "16 16 nm 2:8"));
        let shapes = parse("8 8 dense x 0.5\n800 8 random 2 x mnist\n9 8 any 1/3").unwrap();
        assert_eq!(shapes[2].edges, ShapeEdges::Any { density: 1.0 / 3.0 });
        assert_eq!((shapes[0].edges, shapes[0].input), (ShapeEdges::Dense, ShapeInput::Random { nonzero: 0.5 }));
        assert_eq!((shapes[1].edges, shapes[1].input), (ShapeEdges::Random { out_degree: 2 }, ShapeInput::Mnist));
    }

    #[test]
    fn refuses_what_is_no_shape() {
        for bad in [
            "800",
            "800 112",
            "800 112 rows",
            "800 112 rows 2",
            "800 112 rows 1/0",
            "0 3 dense",
            "70000 1 dense",
            "8 8 dense x",
        ] {
            assert!(parse(&format!("4 4 dense\n{bad}")).is_err_and(|error| error.line == 2), "{bad}");
        }
    }
}
