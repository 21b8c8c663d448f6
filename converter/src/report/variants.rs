//! The same network dense and sparse, in f32 and int8: what each takes in bytes and time.

use lacewing_engine::{KernelSet, Model, Part};
use lacewing_models::{Dataset, JunctionId};

use super::{ROUNDS, ReportError};
use crate::convert::{Converted, convert_network, convert_network_i8};
use crate::edges::Edges;
use crate::int8::Quantising;
use crate::latency::{Contender, latencies};
use crate::network::{Network, TrainedJunction};
use crate::repack::{RepackError, network_of};

/// Samples that ranges of int8 values are taken from.
const RANGES: usize = 500;

/// One of them.
pub(super) struct Variant {
    pub name: &'static str,
    /// Of all model files.
    pub bytes: usize,
    /// Median microseconds of a sample, from input to answer, exits at work.
    pub micros: f64,
}

/// Converted by size and timed on `data`; none for models that are int8 already, whose f32 numbers are gone.
pub(super) fn variants(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
) -> Result<Vec<Variant>, ReportError> {
    if !head.is_f32() || tail.is_some_and(|tail| !tail.is_f32()) {
        return Ok(Vec::new());
    }
    let sparse = whole(head, tail)?;
    let dense = filled(&sparse);
    let ranges = some(data);
    let how = Quantising::default();
    let converted = [
        ("dense, f32", convert_network(&dense, None)?),
        ("sparse, f32", convert_network(&sparse, None)?),
        ("dense, int8", convert_network_i8(&dense, &ranges, &how)?),
        ("sparse, int8", convert_network_i8(&sparse, &ranges, &how)?),
    ];
    let parse = |bytes| Model::parse(bytes, &KernelSet::ALL).map_err(RepackError::from);
    let models =
        converted.iter().map(|(_, files)| Ok((parse(&files.head)?, files.tail.as_deref().map(parse).transpose()?)));
    let models = models.collect::<Result<Vec<_>, RepackError>>()?;
    let contenders: Vec<_> =
        models.iter().map(|(head, tail)| (Contender { head, tail: tail.as_ref() }, data)).collect();
    let times = latencies(&contenders, ROUNDS, &|| ())?;
    let bytes = |files: &Converted| files.head.len() + files.tail.as_ref().map_or(0, |tail| tail.len());
    let variants = converted.iter().zip(times).map(|((name, files), time)| Variant {
        name,
        bytes: bytes(files),
        micros: time.median_ns as f64 / 1000.0,
    });
    Ok(variants.collect())
}

/// Head and tail as the one network that they were.
fn whole(head: &Model<'_>, tail: Option<&Model<'_>>) -> Result<Network, RepackError> {
    let mut network = network_of(head)?;
    network.input.scale = Some(head.input_scaling().scale);
    let Some(tail) = tail.filter(|_| head.part() == Part::Head) else { return Ok(network) };
    let rest = network_of(tail)?;
    let (junctions, exits) = (network.trunk.len(), network.exits.len());
    for mut junction in rest.trunk {
        junction.id = JunctionId::Trunk(network.trunk.len() + 1);
        network.trunk.push(junction);
    }
    for (number, mut exit) in (exits + 1..).zip(rest.exits) {
        exit.after += junctions;
        for (at, junction) in (1..).zip(&mut exit.branch) {
            junction.id = JunctionId::Exit { exit: number, junction: at };
        }
        network.exits.push(exit);
    }
    Ok(network)
}

/// The same with every edge there, those that were not there with a weight of 0.
fn filled(network: &Network) -> Network {
    let mut dense = network.clone();
    let branches = dense.exits.iter_mut().flat_map(|exit| &mut exit.branch);
    dense.trunk.iter_mut().chain(branches).for_each(fill);
    dense
}

fn fill(junction: &mut TrainedJunction) {
    let widths = (u16::try_from(junction.edges.n_in()), u16::try_from(junction.edges.n_out()));
    if let (Ok(n_in), Ok(n_out)) = widths
        && let Some(edges) = Edges::from_dense(n_in, n_out, &junction.edges.to_dense(), |_, _, _| true)
    {
        junction.edges = edges;
    }
}

fn some(data: &Dataset) -> Dataset {
    let samples = data.len().min(RANGES);
    let values = (0..samples).flat_map(|at| data.sample(at)).copied().collect();
    let labels = data.labels().iter().take(samples).copied().collect();
    Dataset::new(data.width(), values, labels).unwrap_or_else(|_| data.clone())
}
