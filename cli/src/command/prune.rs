//! `lacewing prune`

use std::io::Write;

use lacewing_converter::prune::prune;
use lacewing_models::Projection;

use crate::args::Prune;
use crate::command::tuning::{Data, hand_over, import};
use crate::command::will_hold_a_network;
use crate::failure::Failure;
use crate::show::{count, percent, table};

pub fn run(args: &Prune, out: &mut dyn Write) -> Result<(), Failure> {
    let projection = Projection::parse(&args.pattern, args.density)?;
    will_hold_a_network(&args.tuning.out)?;
    let mut imported = import(&args.model, &args.tuning)?;
    let data = Data::load(&args.tuning, &imported.recipe)?;
    let end = |accuracies: Vec<f64>| accuracies.last().copied().unwrap_or(0.0);
    let dense = hand_over(&imported.network, &imported.recipe)?;
    let mut accuracies = vec![("before", end(dense.accuracies(&data.validation)?))];
    let pruned = prune(&mut imported.network, &mut imported.recipe, &projection, args.junctions.as_deref())?;
    let projected = hand_over(&imported.network, &imported.recipe)?;
    accuracies.push(("projected", end(projected.accuracies(&data.validation)?)));
    let tuned = data.tune(projected, &args.tuning, |_| true)?;
    accuracies.push(("trained on", end(tuned.accuracies(&data.validation)?)));
    tuned.save(&args.tuning.out)?;
    for warning in &imported.warnings {
        writeln!(out, "note: {warning}")?;
    }
    let mut junctions = table(&["junction", "edges", "kept", "of Σ w²"]);
    for junction in &pruned {
        junctions.add_row([
            junction.place.clone(),
            count(junction.before),
            count(junction.after),
            percent(junction.kept),
        ]);
    }
    writeln!(out, "{}: {} pruned to {}\n{junctions}", args.tuning.out.display(), imported.network.name, args.pattern)?;
    for (when, accuracy) in accuracies {
        writeln!(out, "validation accuracy {when}: {}", percent(accuracy))?;
    }
    Ok(())
}
