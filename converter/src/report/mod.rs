//! What a model does on data, as one HTML page: no script, nothing from the network; charts are inline SVG. And [`fronts()`], the
//! chart of a sweep.

mod charts;
mod drawing;
mod fronts;
mod page;
mod pictures;
mod variants;

use lacewing_engine::{Exit, Model, Part};
use lacewing_models::Dataset;
use thiserror::Error;

use crate::convert::ConvertError;
use crate::evaluate::{EvaluateError, Evaluation, check_data, check_parts, evaluate};
use crate::latency::{Contender, Latency, latencies};
use crate::repack::RepackError;
use crate::thresholds::{Curve, Observation, STEPS, ThresholdError, curves, observe};
pub use fronts::{ExitSeries, FrontPoint, Series, exit_fronts, fronts};
use variants::{Variant, variants};

/// Turns of latency measurement.
const ROUNDS: usize = 4;

/// A report could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Models and data do not go together.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Exits cannot be looked at.
    #[error(transparent)]
    Observe(#[from] ThresholdError),
    /// The network cannot be taken apart.
    #[error(transparent)]
    Repack(#[from] RepackError),
    /// Its dense or int8 twin cannot be made.
    #[error("the network's dense and int8 twins, to compare with: {0}")]
    Convert(#[from] ConvertError),
    /// A chart cannot be drawn.
    #[error("a chart cannot be drawn: {0}")]
    Chart(String),
}

/// Everything that the page shows.
struct Facts<'m, 'd> {
    title: &'m str,
    models: Vec<&'m Model<'m>>,
    data: &'d Dataset,
    observed: Vec<Observation>,
    evaluation: Evaluation,
    curves: Vec<Curve>,
    /// Those that have a branch.
    exits: Vec<Exit>,
    /// Of the head, and of the head with its tail.
    latency: Vec<(&'static str, Latency)>,
    /// Dense and sparse, f32 and int8.
    variants: Vec<Variant>,
}

impl Facts<'_, '_> {
    /// The place of the exit that takes a sample: of those that would, the first.
    fn taken_by(&self, sample: usize) -> Option<usize> {
        let o = self.observed.get(sample)?;
        let takes = |(place, exit): (usize, &Exit)| {
            o.said_at(place).is_some_and(|said| said.is_taken(exit.metric, exit.threshold))
        };
        self.exits.iter().enumerate().position(takes)
    }

    /// Share of the samples that an exit takes: the end of a whole network is none.
    fn exit_rate(&self) -> f64 {
        let taken = (0..self.observed.len()).filter(|sample| self.taken_by(*sample).is_some()).count();
        taken as f64 / self.observed.len().max(1) as f64
    }

    /// What a class is called.
    fn name_of(&self, class: usize) -> String {
        let name = self.models.first().and_then(|model| model.class_name(class));
        name.map_or_else(|| class.to_string(), str::to_owned)
    }
}

/// The page about `head` (a head or a whole network) and its tail on `data`.
///
/// # Errors
/// Models and data do not go together.
pub fn report(
    title: &str,
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<String, ReportError> {
    check_parts(head, tail)?;
    check_data(head, data)?;
    if head.part() == Part::Head && tail.is_none() {
        return Err(ThresholdError::NoTail.into());
    }
    let observed = observe(head, tail, data, progress)?;
    let evaluation = evaluate(head, tail, data, None, progress)?;
    let alone = Contender { head, tail: None };
    let mut contenders = vec![(alone, data)];
    contenders.extend(tail.map(|_| (Contender { head, tail }, data)));
    let names = ["head alone", "with its tail, in one process"];
    let latency = names.into_iter().zip(latencies(&contenders, ROUNDS, &|| ())?).collect();
    let facts = Facts {
        title,
        models: core::iter::once(head).chain(tail).collect(),
        data,
        curves: curves(&observed.iter().collect::<Vec<_>>(), STEPS),
        observed,
        evaluation,
        exits: head.exits().filter(|exit| exit.branch > 0).copied().collect(),
        latency,
        variants: variants(head, tail, data)?,
    };
    page::page(&facts)
}
