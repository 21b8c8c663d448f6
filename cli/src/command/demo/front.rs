//! Every network on one front: accuracy against bytes, against multiplications and against instructions.

use std::io::Write;

use lacewing_converter::evaluate::Evaluation;
use lacewing_converter::inspect::inspect;

use super::Flagship;
use super::networks::Network;
use crate::Failure;
use crate::show::{count, percent, table};

/// A network, or the device's part of one, as a point.
struct Point {
    name: String,
    parameters: usize,
    accuracy: f64,
    bytes: usize,
    macs: usize,
}

pub fn show(
    networks: &[Network],
    wholes: &[Evaluation],
    flagship: &Flagship<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut points = Vec::new();
    for (network, evaluation) in networks.iter().zip(wholes) {
        let model = network.whole()?;
        points.push(Point {
            name: network.recipe.name.clone(),
            parameters: network.parameters,
            accuracy: evaluation.accuracy,
            bytes: model.bytes().len(),
            macs: inspect(&model).totals.macs,
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
    });
    points.sort_by_key(|point| point.bytes);
    let mut rows = table(&["network", "parameters", "accuracy", "bytes", "front", "MACs", "front"]);
    for point in &points {
        let star = |cost: fn(&Point) -> usize| if on_front(point, &points, cost) { "*" } else { "" }.to_owned();
        rows.add_row([
            point.name.clone(),
            count(point.parameters),
            percent(point.accuracy),
            count(point.bytes),
            star(|point| point.bytes),
            count(point.macs),
            star(|point| point.macs),
        ]);
    }
    writeln!(out, "every network on one front (*: none is as good for less)\n{rows}")?;
    Ok(())
}

/// Whether no other point is at least as accurate for at most the same cost, and better in one of the two.
fn on_front(point: &Point, points: &[Point], cost: fn(&Point) -> usize) -> bool {
    !points.iter().any(|other| {
        other.accuracy >= point.accuracy
            && cost(other) <= cost(point)
            && (other.accuracy > point.accuracy || cost(other) < cost(point))
    })
}

#[cfg(test)]
mod tests {
    use super::{Point, on_front};

    #[test]
    fn a_point_is_on_the_front_unless_beaten() {
        let point =
            |accuracy: f64, bytes: usize| Point { name: String::new(), parameters: 0, accuracy, bytes, macs: 0 };
        let points = [point(0.9, 100), point(0.95, 200), point(0.94, 210), point(0.95, 300), point(0.9, 100)];
        let front = points.each_ref().map(|p| on_front(p, &points, |p| p.bytes));
        assert_eq!(front, [true, true, false, false, true]);
    }
}
