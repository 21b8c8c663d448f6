//! Shapes of junctions, read from text files.

use core::str::FromStr;

/// Which edges a junction has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edges {
    /// All.
    Dense,
    /// Random rows of constant in-degree.
    Rows {
        /// Share of the inputs that each output reads.
        density: f64,
    },
    /// Blocks of outputs and inputs, equally many in each row block.
    Block {
        /// Outputs a block.
        rows: u8,
        /// Inputs a block.
        cols: u8,
        /// Share of the weights that is stored.
        density: f64,
    },
    /// Exactly `n` in every page of `m` inputs.
    NM {
        /// Edges a page.
        n: u8,
        /// Inputs a page.
        m: u8,
    },
}

/// A junction to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Inputs.
    pub n_in: u16,
    /// Outputs.
    pub n_out: u16,
    /// Which edges.
    pub edges: Edges,
    /// The line it came from, one space between words: its name in tables.
    pub name: String,
}

/// A line of a shape file that says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, `{text}`: expected `N_IN N_OUT` and one of `dense`, `rows RHO`, `block RxC RHO`, `nm N:M`")]
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
    let [n_in, n_out, pattern @ ..] = words.as_slice() else { return None };
    let edges = match pattern {
        ["dense"] => Edges::Dense,
        ["rows", density] => Edges::Rows { density: fraction(density)? },
        ["block", size, density] => {
            let (rows, cols) = pair(size, 'x')?;
            Edges::Block { rows, cols, density: fraction(density)? }
        }
        ["nm", ratio] => {
            let (n, m) = pair(ratio, ':')?;
            Edges::NM { n, m }
        }
        _ => return None,
    };
    let (n_in, n_out) = (n_in.parse().ok()?, n_out.parse().ok()?);
    (n_in > 0 && n_out > 0).then(|| Shape { n_in, n_out, edges, name: words.join(" ") })
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
        assert_eq!(shapes[0].edges, Edges::Rows { density: 0.25 });
        assert_eq!(shapes[2].edges, Edges::Block { rows: 4, cols: 1, density: 0.5 });
        assert_eq!((shapes[3].edges, shapes[3].name.as_str()), (Edges::NM { n: 2, m: 8 }, "16 16 nm 2:8"));
    }

    #[test]
    fn refuses_what_is_no_shape() {
        for bad in
            ["800", "800 112", "800 112 rows", "800 112 rows 2", "800 112 rows 1/0", "0 3 dense", "70000 1 dense"]
        {
            assert!(parse(&format!("4 4 dense\n{bad}")).is_err_and(|error| error.line == 2), "{bad}");
        }
    }
}
