//! What is in a file of a trained network, and what converting it would gain, as data for tables and JSON.

use std::collections::HashMap;

use lacewing_models::Recipe;
use serde::Serialize;

use crate::choose::dense_bytes;
use crate::convert::ConvertError;
use crate::find::Degrees;
use crate::import::{Imported, import_reading};
use crate::inspect::activation_name;
use crate::int8::given;
use crate::network::TrainedJunction;
use crate::plan::{Goal, PlannedJunction, plan};
use crate::reading::Reading;
use crate::source::Source;

/// A trained network, before it is converted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceInspection {
    /// The network's name.
    pub name: String,
    /// Inputs.
    pub n_in: usize,
    /// Classes.
    pub classes: usize,
    /// The junctions, in the order in which they run.
    pub junctions: Vec<SourceJunction>,
    /// The trunk junctions behind which there are exits.
    pub exits: Vec<usize>,
    /// Bytes of weights, indices and biases in the smallest packings, and of dense ones.
    pub bytes: usize,
    /// See `bytes`.
    pub dense_bytes: usize,
    /// Multiplications of one run, every exit's branch included, and those of dense junctions.
    pub macs: usize,
    /// See `macs`.
    pub dense_macs: usize,
    /// How the file was understood.
    pub notes: Vec<String>,
}

/// One junction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceJunction {
    /// `junction 1`, or `exit 1, junction 1`.
    pub place: String,
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// The activation: `none`, `relu` …
    pub activation: &'static str,
    /// Edges.
    pub nnz: usize,
    /// nnz / (n_in · n_out).
    pub density: f64,
    /// Edges of an output.
    pub in_degree: Degrees,
    /// Edges of an input.
    pub out_degree: Degrees,
    /// What was found in the edges, in words.
    pub structure: String,
    /// Outputs that compute the same as one before them: same edges, weights and bias.
    pub duplicate_outputs: usize,
    /// An earlier junction with the same edges and weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// The smallest packing.
    pub packing: String,
    /// Why it is that.
    pub reason: String,
    /// Bytes of weights and indices in it.
    pub bytes: usize,
    /// Bytes of dense weights.
    pub dense_bytes: usize,
}

/// Reads the network in `source`, by `recipe`, by the one inside, or by the file's own layers, and looks at it.
///
/// # Errors
/// The file cannot be read or makes no network.
pub fn inspect_source(source: &mut Source, recipe: Option<Recipe>) -> Result<SourceInspection, ConvertError> {
    let reading = Reading::of(source, recipe, None)?;
    let Imported { network, recipe, mut warnings } = import_reading(source, reading)?;
    if given::read(source, &recipe)?.is_some() {
        warnings.push("it computes in int8: bytes are those of f32 weights, of which convert writes a quarter".into());
    }
    let planned = plan(&network, Goal::Size, &|_, _| {})?;
    let mut junctions = Vec::new();
    for (junction, planned) in network.junctions().zip(&planned) {
        let same = network.junctions().take(junctions.len()).find(|earlier| earlier.edges == junction.edges);
        junctions.push(look(junction, planned, same.map(|earlier| earlier.id.to_string())));
    }
    let biases: usize = network.junctions().map(|junction| 4 * junction.edges.n_out()).sum();
    let sum = |of: fn(&SourceJunction) -> usize| junctions.iter().map(of).sum::<usize>();
    Ok(SourceInspection {
        n_in: network.input.width,
        classes: network.classes,
        exits: network.exits.iter().map(|exit| exit.after).collect(),
        bytes: biases + sum(|junction| junction.bytes),
        dense_bytes: biases + sum(|junction| junction.dense_bytes),
        macs: sum(|junction| junction.nnz),
        dense_macs: sum(|junction| junction.n_in * junction.n_out),
        notes: warnings,
        name: network.name,
        junctions,
    })
}

fn look(junction: &TrainedJunction, planned: &PlannedJunction, same_as: Option<String>) -> SourceJunction {
    let edges = &junction.edges;
    SourceJunction {
        place: junction.id.to_string(),
        n_in: edges.n_in(),
        n_out: edges.n_out(),
        activation: activation_name(junction.activation),
        nnz: edges.nnz(),
        density: edges.density(),
        in_degree: planned.structure.in_degrees,
        out_degree: planned.structure.out_degrees,
        structure: planned.structure.to_string(),
        duplicate_outputs: duplicate_outputs(junction),
        same_as,
        packing: planned.choice.packing.to_string(),
        reason: planned.choice.reason.clone(),
        bytes: planned.choice.bytes,
        dense_bytes: dense_bytes(edges),
    }
}

fn duplicate_outputs(junction: &TrainedJunction) -> usize {
    let mut seen: HashMap<(&[u16], Vec<u32>, u32), ()> = HashMap::new();
    let mut biases = junction.bias.iter();
    let repeats = junction.edges.rows().filter(|(inputs, weights)| {
        let bias = biases.next().map_or(0, |bias| bias.to_bits());
        seen.insert((inputs, weights.iter().map(|weight| weight.to_bits()).collect(), bias), ()).is_some()
    });
    repeats.count()
}
