//! `lacewing train`

use std::io::Write;

use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};
use lacewing_training::{Progress, train};

use crate::Failure;
use crate::args::Train;
use crate::command::data_or_bundled;
use crate::progress;
use crate::show::percent;

pub fn run(args: &Train, out: &mut dyn Write) -> Result<(), Failure> {
    let mut recipe = Recipe::read(&args.recipe)?;
    if let Some(seed) = args.seed {
        recipe.training.seed = seed;
    }
    let from = data_or_bundled(args.data.as_deref());
    let training = data::load_for(&from, Part::Train, &recipe)?;
    let validation = data::load_for(&from, Part::Validation, &recipe)?;
    let bar = progress::bar(&recipe.name, recipe.training.epochs as u64);
    let mut accuracies = Vec::new();
    let trained = train(&recipe, &training, &validation, |now| {
        show(now, &bar);
        if let Some(validation) = &now.validation {
            accuracies.clone_from(validation);
        }
    })?;
    bar.finish_and_clear();
    trained.save(&args.out)?;
    writeln!(out, "{}: {} after {} epochs", args.out.display(), recipe.name, recipe.training.epochs)?;
    for (exit, accuracy) in recipe.exits.iter().zip(&accuracies) {
        writeln!(out, "validation accuracy at the exit after junction {}: {}", exit.after, percent(*accuracy))?;
    }
    if let Some(accuracy) = accuracies.last() {
        writeln!(out, "validation accuracy at the end: {}", percent(*accuracy))?;
    }
    Ok(())
}

/// Moves a bar of epochs.
pub fn show(now: &Progress, bar: &indicatif::ProgressBar) {
    if let Some(validation) = &now.validation {
        let accuracies: Vec<String> = validation.iter().map(|accuracy| percent(*accuracy)).collect();
        bar.set_position(now.epoch as u64);
        bar.set_message(format!(
            "loss {:.4}, validation {}, {:.0} images/s",
            now.loss,
            accuracies.join(" / "),
            now.samples_per_second
        ));
    }
}
