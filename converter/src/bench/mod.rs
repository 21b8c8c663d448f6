//! Measures junctions and networks beside the fastest dense there is: what `lacewing bench` and the criterion benches print.
//!
//! Batch 1, one thread, f32. *Best dense* is the fastest of our own dense kernels (the one that skips zero inputs is one of
//! them), the `gemm` crate and `matrixmultiply`, in the same run: at batch 1 `matrixmultiply` alone is no baseline. A ratio is
//! the median over rounds of (best dense / contender), and in each round every contender has run once, so that a busy machine
//! slows all of them alike.

use std::io::{self, Write};

use lacewing_engine::{EngineError, ParseError};
use lacewing_kernels::{IsaError, JunctionError};
use serde::Serialize;
use thiserror::Error;

use crate::convert::ConvertError;
use crate::import::ImportError;
use crate::source::SourceError;

pub mod aligned;
pub mod batch;
pub mod contender;
pub mod draw;
pub mod junction;
pub mod measure;
pub mod network;
#[allow(unsafe_code, reason = "other people's products: their doors are not safe")]
pub mod peers;
pub mod shapes;

use measure::Times;

/// The junctions that are measured where no other list is given, in the form that [`shapes::parse`] reads.
pub const SHAPES: &str = include_str!("../../shapes/junctions.txt");

/// One junction or network, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The shape's line, or the network's name.
    pub name: String,
    /// Edges.
    pub edges: usize,
    /// Weights of the dense one.
    pub dense_weights: usize,
    /// Edges over weights of the dense one.
    pub density: f64,
    /// All that took part, the dense ones first.
    pub rows: Vec<Row>,
}

/// One contender's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Packing with its numbers and kernel, or crate.
    pub name: String,
    /// Whether it multiplies every weight, zeros too.
    pub dense: bool,
    /// Whether it is the dense one with the least median time: what ratios are taken to.
    pub best_dense: bool,
    /// Median time of a call, ns.
    pub median_ns: f64,
    /// Least time of a call, ns.
    pub least_ns: f64,
    /// Median over rounds of (best dense / this one).
    pub ratio: f64,
    /// Multiplications of stored weights, 10⁹ a second: of a sparse contender its edges, padding left out.
    pub gmacs: f64,
    /// Multiplications that dense would have taken for the same result, 10⁹ a second.
    pub dense_gmacs: f64,
    /// Bytes of weights and index, of a network the model file's.
    pub bytes: usize,
}

/// What a row is about.
struct Entrant {
    name: String,
    dense: bool,
    bytes: usize,
}

impl Comparison {
    /// `entrants`, as they were measured: the dense ones first.
    fn new(name: &str, edges: usize, dense_weights: usize, entrants: Vec<Entrant>, times: &Times) -> Self {
        let dense = entrants.iter().take_while(|entrant| entrant.dense).count();
        let best = times.fastest(0..dense).unwrap_or(0);
        let row = |(k, Entrant { name, dense, bytes }): (usize, Entrant)| {
            let ns = times.median(k);
            Row {
                name,
                dense,
                best_dense: k == best,
                median_ns: ns,
                least_ns: times.least(k),
                ratio: times.ratio(best, k),
                gmacs: if dense { dense_weights } else { edges } as f64 / ns,
                dense_gmacs: dense_weights as f64 / ns,
                bytes,
            }
        };
        let rows = entrants.into_iter().enumerate().map(row).collect();
        Self { name: name.into(), edges, dense_weights, density: edges as f64 / dense_weights as f64, rows }
    }

    /// Counts every call as `samples` samples.
    fn times_samples(&mut self, samples: usize) {
        for row in &mut self.rows {
            (row.gmacs, row.dense_gmacs) = (row.gmacs * samples as f64, row.dense_gmacs * samples as f64);
        }
    }

    /// The table, for people.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n{} ({} edges, density {:.4})", self.name, self.edges, self.density)?;
        writeln!(
            out,
            "  {:<52} {:>9} {:>9} {:>7} {:>8} {:>9} {:>9}",
            "packing and kernel", "median ns", "least ns", "ratio", "GMAC/s", "as dense", "bytes"
        )?;
        for row in &self.rows {
            let mark = if row.best_dense { "  best dense" } else { "" };
            let Row { name, median_ns, least_ns, ratio, gmacs, dense_gmacs, bytes, .. } = row;
            writeln!(
                out,
                "  {name:<52} {median_ns:>9.0} {least_ns:>9.0} {ratio:>6.2}x {gmacs:>8.2} {dense_gmacs:>9.2} {bytes:>9}{mark}"
            )?;
        }
        out.flush()
    }
}

/// Something could not be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The shape cannot be drawn.
    #[error(transparent)]
    Draw(#[from] draw::DrawError),
    /// The index proof refused a junction; none that was drawn is.
    #[error(transparent)]
    Junction(#[from] JunctionError),
    /// `LACEWING_ISA` asks for what cannot be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// A contender computes something else than the reference: its time would be worth nothing.
    #[error("{shape}: {contender} gives {found} for output {output} where the reference gives {wanted}")]
    Wrong {
        /// The junction or network.
        shape: String,
        /// Who.
        contender: String,
        /// Which output, from 0.
        output: usize,
        /// What it gave.
        found: f32,
        /// What is right.
        wanted: f32,
    },
    /// A bundled network's file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A bundled network carries no recipe.
    #[error("the bundled network {0} carries no recipe")]
    NoRecipe(String),
    /// A bundled network is not what its recipe says.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A bundled network was not converted.
    #[error(transparent)]
    Convert(#[from] Box<ConvertError>),
    /// What was converted is refused.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// No engine could be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A table.
    #[error("cannot write the table: {0}")]
    Io(#[from] io::Error),
    /// The input has another width.
    #[error(transparent)]
    Width(#[from] lacewing_engine::WrongLength),
}

impl From<ConvertError> for BenchError {
    fn from(error: ConvertError) -> Self {
        Self::Convert(Box::new(error))
    }
}
