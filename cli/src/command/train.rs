//! `lacewing train`

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lacewing_models::data::{self, Part};
use lacewing_models::recipe::ExitRecipe;
use lacewing_models::{Dataset, Recipe};
use lacewing_training::{Control, Progress, Spread, train_with};
use rayon::prelude::*;
use serde_json::json;

use crate::args::Train;
use crate::command::{data_or_bundled, will_hold_a_network};
use crate::failure::{Failure, about};
use crate::progress;
use crate::show::percent;

/// Set by an interrupt from the keyboard; the training then stops before its next batch.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn run(args: &Train, out: &mut dyn Write) -> Result<(), Failure> {
    will_hold_a_network(&args.out)?;
    let mut recipe = Recipe::read(&args.recipe)?;
    if let Some(seed) = args.seed {
        recipe.training.seed = seed;
    }
    let from = data_or_bundled(args.data.as_deref());
    let training = data::load_for(&from, Part::Train, &recipe)?;
    let validation = data::load_for(&from, Part::Validation, &recipe)?;
    let log = args.log.as_deref().map(Log::open).transpose()?;
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))?;
    let jobs: Vec<Job> = (0..args.seeds).map(|k| Job::new(&recipe, args, k)).collect();
    let bar = progress::bar(&recipe.name, recipe.training.all_epochs() as u64 * args.seeds);
    let epochs = AtomicU64::new(0);
    let train = |job: &Job| job.run(args, &training, &validation, &bar, (log.as_ref(), &epochs));
    let results = jobs.par_iter().with_max_len(1).map(train).collect::<Result<Vec<_>, String>>();
    bar.finish_and_clear();
    report(&recipe, &jobs, &results?, out)
}

/// One seed.
struct Job {
    recipe: Recipe,
    out: PathBuf,
}

impl Job {
    fn new(recipe: &Recipe, args: &Train, k: u64) -> Self {
        let mut recipe = recipe.clone();
        recipe.training.seed += k;
        let out = if args.seeds == 1 { args.out.clone() } else { with_seed(&args.out, recipe.training.seed) };
        Self { recipe, out }
    }

    /// The validation accuracies of every exit at the end, in int8 where it was trained for that.
    fn run(
        &self,
        args: &Train,
        training: &Dataset,
        validation: &Dataset,
        bar: &indicatif::ProgressBar,
        (log, before): (Option<&Log>, &AtomicU64),
    ) -> Result<Vec<f64>, String> {
        let text = |error: &dyn core::fmt::Display| error.to_string();
        let control = Control { checkpoint: args.checkpoint.as_deref(), stop: Some(&STOP) };
        let mut logged = Ok(());
        let trained = train_with(&self.recipe, training, validation, control, |now| {
            if now.validation.is_some() {
                show(now, bar);
                if args.seeds > 1 {
                    bar.set_position(before.fetch_add(1, Ordering::Relaxed) + 1);
                }
                let written = log.map_or(Ok(()), |log| log.epoch(&self.recipe, now));
                logged = core::mem::replace(&mut logged, Ok(())).and(written);
            }
        });
        let trained = trained.map_err(|error| text(&error))?;
        logged.map_err(|error| format!("the log: {error}"))?;
        trained.save(&self.out).map_err(|error| text(&error))?;
        let accuracies = match trained.int8() {
            Some(int8) => int8.accuracies(validation),
            None => trained.accuracies(validation),
        };
        accuracies.map_err(|error| text(&error))
    }
}

/// `a.safetensors` → `a-seed2.safetensors`
fn with_seed(path: &Path, seed: u64) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-seed{seed}{extension}"))
}

fn report(recipe: &Recipe, jobs: &[Job], results: &[Vec<f64>], out: &mut dyn Write) -> Result<(), Failure> {
    for job in jobs {
        writeln!(out, "{}: {}, seed {}", job.out.display(), recipe.name, job.recipe.training.seed)?;
    }
    for exit in 0..=recipe.exits.len() {
        let each: Vec<f64> = results.iter().filter_map(|accuracies| accuracies.get(exit).copied()).collect();
        let place = place(recipe.exits.get(exit));
        let Spread { mean, deviation, .. } = Spread::of(&each);
        let spread = if each.len() > 1 { format!(" ± {:.2}", 100.0 * deviation) } else { String::new() };
        let int8 = if recipe.training.int8.is_some() { " in int8" } else { "" };
        writeln!(out, "validation accuracy {place}{int8}: {}{spread}", percent(mean))?;
    }
    Ok(())
}

/// Where an exit is, or the end of the trunk.
pub fn place(exit: Option<&ExitRecipe>) -> String {
    exit.map_or_else(|| "at the end".to_owned(), |exit| format!("at the exit after junction {}", exit.after))
}

/// One JSON object a line.
struct Log(Mutex<File>);

impl Log {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self(Mutex::new(file.map_err(about(path))?)))
    }

    fn epoch(&self, recipe: &Recipe, now: &Progress) -> std::io::Result<()> {
        let line = json!({
            "recipe": recipe.name,
            "seed": recipe.training.seed,
            "epoch": now.epoch,
            "epochs": now.epochs,
            "int8": now.int8,
            "loss": now.loss,
            "validation": now.validation,
            "samples_per_second": now.samples_per_second,
        });
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(file, "{line}")
    }
}

/// Moves a bar of epochs.
pub fn show(now: &Progress, bar: &indicatif::ProgressBar) {
    if let Some(validation) = &now.validation {
        let accuracies: Vec<String> = validation.iter().map(|accuracy| percent(*accuracy)).collect();
        bar.set_position(now.epoch as u64);
        let int8 = if now.int8 { "int8, " } else { "" };
        bar.set_message(format!(
            "{int8}loss {:.4}, validation {}, {:.0} images/s",
            now.loss,
            accuracies.join(" / "),
            now.samples_per_second
        ));
    }
}
