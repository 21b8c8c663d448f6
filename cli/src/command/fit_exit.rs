//! `lacewing fit-exit`

use std::io::Write;

use lacewing_models::JunctionId;
use lacewing_models::recipe::ExitRecipe;

use crate::args::FitExit;
use crate::command::tuning::{Data, hand_over, import};
use crate::command::will_hold_a_network;
use crate::failure::Failure;
use crate::show::percent;

pub fn run(args: &FitExit, out: &mut dyn Write) -> Result<(), Failure> {
    will_hold_a_network(&args.tuning.out)?;
    let imported = import(&args.model, &args.tuning)?;
    let data = Data::load(&args.tuning, &imported.recipe)?;
    let mut trained = hand_over(&imported.network, &imported.recipe)?;
    for after in &args.after {
        let exit = ExitRecipe::dense(*after, args.hidden, imported.network.classes, args.threshold);
        trained = trained.with_exit(exit, args.tuning.seed)?;
    }
    // Their numbers are known only when all of them are in their places.
    let exits = trained.recipe().exits.iter().enumerate();
    let new: Vec<usize> = exits.filter(|(_, exit)| args.after.contains(&exit.after)).map(|(at, _)| at + 1).collect();
    let tuned =
        data.tune(trained, &args.tuning, |id| matches!(id, JunctionId::Exit { exit, .. } if new.contains(&exit)))?;
    tuned.save(&args.tuning.out)?;
    for warning in &imported.warnings {
        writeln!(out, "note: {warning}")?;
    }
    writeln!(out, "{}: {}", args.tuning.out.display(), imported.network.name)?;
    let accuracies = tuned.accuracies(&data.validation)?;
    for (exit, accuracy) in tuned.recipe().exits.iter().zip(&accuracies) {
        let fitted = if args.after.contains(&exit.after) { "fitted" } else { "as it was" };
        writeln!(
            out,
            "validation accuracy at the exit after junction {}: {}, {fitted}",
            exit.after,
            percent(*accuracy)
        )?;
    }
    if let Some(accuracy) = accuracies.last() {
        writeln!(out, "validation accuracy at the end: {}, as it was", percent(*accuracy))?;
    }
    Ok(())
}
