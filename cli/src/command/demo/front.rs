//! Every network on one front: accuracy against bytes, against multiplications and against instructions.

use std::io::Write;

use lacewing_converter::evaluate::Evaluation;
use lacewing_converter::inspect::inspect;
use serde::Deserialize;

use super::Flagship;
use super::networks::Network;
use crate::failure::Failure;
use crate::show::{count, percent, table};

/// A network, or the device's part of one, as a point.
struct Point {
    name: String,
    parameters: usize,
    accuracy: f64,
    bytes: usize,
    macs: usize,
    /// Instructions of one image on a Cortex-M4, where they were counted.
    instructions: Option<usize>,
}

/// What was counted under QEMU: whole networks, and heads of those that are split.
const RECORD: &str = include_str!("../../../../benches/record/cortex-m4/instructions.toml");

#[derive(Deserialize)]
struct Record {
    target: String,
    machine: String,
    date: String,
    inputs: usize,
    #[serde(default)]
    network: Vec<Count>,
}

#[derive(Deserialize)]
struct Count {
    name: String,
    part: String,
    instructions: usize,
}

impl Record {
    fn of(&self, name: &str, part: &str) -> Option<usize> {
        let count = self.network.iter().find(|count| count.name == name && count.part == part);
        count.map(|count| count.instructions)
    }
}

pub fn show(
    networks: &[Network],
    wholes: &[Evaluation],
    flagship: &Flagship<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let record: Record = toml::from_str(RECORD)?;
    let mut points = Vec::new();
    for (network, evaluation) in networks.iter().zip(wholes) {
        let model = network.whole()?;
        points.push(Point {
            name: network.recipe.name.clone(),
            parameters: network.parameters,
            accuracy: evaluation.accuracy,
            bytes: model.bytes().len(),
            macs: inspect(&model).totals.macs,
            instructions: record.of(&network.recipe.name, "whole"),
        });
    }
    let head = flagship.sparse.head()?;
    let plan = inspect(&head);
    points.push(Point {
        name: format!("{} (head; tail elsewhere)", flagship.sparse.recipe.name),
        parameters: plan.totals.macs + plan.junctions.iter().map(|junction| junction.n_out).sum::<usize>(),
        accuracy: flagship.with_exit.accuracy,
        bytes: head.bytes().len(),
        macs: plan.totals.macs,
        instructions: record.of(&flagship.sparse.recipe.name, "head"),
    });
    points.sort_by_key(|point| point.bytes);
    let mut rows = table(&["network", "parameters", "accuracy", "bytes", "MACs", "instructions"]);
    for point in &points {
        let marked = |cost: fn(&Point) -> Option<usize>| match cost(point) {
            Some(cost_here) if on_front(point, &points, cost) => format!("{} *", count(cost_here)),
            Some(cost_here) => format!("{}  ", count(cost_here)),
            None => "-  ".to_owned(),
        };
        rows.add_row([
            point.name.clone(),
            count(point.parameters),
            percent(point.accuracy),
            marked(|point| Some(point.bytes)),
            marked(|point| Some(point.macs)),
            marked(|point| point.instructions),
        ]);
    }
    writeln!(
        out,
        "every network on one front (*: none is as accurate for less)\n{rows}\n\
         instructions: one image, mean of {}, {} under QEMU ({}), counted {}; pooling the input is not counted;\n\
         of the head with its tail elsewhere, what the device holds and runs: the tail's bytes and work are the server's",
        record.inputs, record.target, record.machine, record.date
    )?;
    Ok(())
}

/// Whether no other point is at least as accurate for at most the same cost, and better in one of the two. Points whose cost
/// is not known take no part.
fn on_front(point: &Point, points: &[Point], cost: fn(&Point) -> Option<usize>) -> bool {
    let Some(here) = cost(point) else { return false };
    !points.iter().filter_map(|other| Some((other.accuracy, cost(other)?))).any(|(accuracy, cost)| {
        accuracy >= point.accuracy && cost <= here && (accuracy > point.accuracy || cost < here)
    })
}

#[cfg(test)]
mod tests {
    use super::{Point, on_front};

    #[test]
    fn a_point_is_on_the_front_unless_beaten() {
        let point = |accuracy, bytes, instructions| Point {
            name: String::new(),
            parameters: 0,
            accuracy,
            bytes,
            macs: 0,
            instructions,
        };
        let points = [
            point(0.9, 100, None),
            point(0.95, 200, Some(7)),
            point(0.94, 210, Some(6)),
            point(0.95, 300, Some(8)),
            point(0.9, 100, Some(6)),
        ];
        let by_bytes = points.each_ref().map(|p| on_front(p, &points, |p| Some(p.bytes)));
        assert_eq!(by_bytes, [true, true, false, false, true]);
        let by_instructions = points.each_ref().map(|p| on_front(p, &points, |p| p.instructions));
        assert_eq!(by_instructions, [false, true, true, false, false]);
    }
}
