//! Trains recipes with several seeds and prints the mean accuracy of every exit on validation and test images:
//!
//! ```text
//! cargo run --release -p lacewing-training --example accuracy -- [--seeds N] [--save DIR] RECIPE.toml ...
//! ```
//!
//! Without recipes, every one in `models/recipes`. `--save` writes the networks of the first seed to `DIR`, each under
//! its recipe's name. For a network with an exit it shows what thresholds do, on the validation images, and what the
//! recipe's threshold does, on the test images. Test images are read when everything has been trained.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use core::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use lacewing_models::data::{self, Part};
use lacewing_models::recipe::Metric;
use lacewing_models::{Dataset, Recipe};
use lacewing_training::{Trained, train};
use rayon::prelude::*;

type Failure = Box<dyn Error + Send + Sync>;

struct Arguments {
    seeds: u64,
    save: Option<PathBuf>,
    recipes: Vec<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let recipes = arguments.recipes.iter().map(Recipe::read).collect::<Result<Vec<_>, _>>()?;
    let runs: Vec<Recipe> = recipes.iter().flat_map(|recipe| with_seeds(recipe, arguments.seeds)).collect();
    // One network to a core.
    let save = arguments.save.as_deref();
    let run = |(k, recipe)| train_one(recipe, save.filter(|_| k % arguments.seeds as usize == 0));
    let trained = runs.par_iter().enumerate().with_max_len(1).map(run).collect::<Result<Vec<_>, Failure>>()?;
    let mut out = io::stdout().lock();
    for (recipe, networks) in recipes.iter().zip(trained.chunks(arguments.seeds as usize)) {
        report(&mut out, recipe, networks)?;
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments { seeds: 3, save: None, recipes: Vec::new() };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--seeds" => arguments.seeds = given.next().ok_or("--seeds needs a number")?.parse()?,
            "--save" => arguments.save = Some(given.next().ok_or("--save needs a directory")?.into()),
            _ => arguments.recipes.push(argument.into()),
        }
    }
    if arguments.seeds == 0 {
        return Err("--seeds must be at least 1".into());
    }
    if arguments.recipes.is_empty() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/recipes");
        let files = std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
        arguments.recipes = files.collect::<Result<_, _>>()?;
        arguments.recipes.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        arguments.recipes.sort();
    }
    Ok(arguments)
}

/// The recipe with its own seed and those that follow.
fn with_seeds(recipe: &Recipe, seeds: u64) -> impl Iterator<Item = Recipe> {
    let first = recipe.training.seed;
    (first..first + seeds).map(move |seed| {
        let mut recipe = recipe.clone();
        recipe.training.seed = seed;
        recipe
    })
}

fn load(recipe: &Recipe, part: Part) -> Result<Dataset, Failure> {
    Ok(data::load_for(data::bundled_mnist(), part, recipe)?)
}

fn train_one(recipe: &Recipe, save: Option<&Path>) -> Result<Trained, Failure> {
    let start = Instant::now();
    let trained = train(recipe, &load(recipe, Part::Train)?, &load(recipe, Part::Validation)?, |_| {})?;
    if let Some(directory) = save {
        trained.save(&directory.join(&recipe.name).with_extension("safetensors"))?;
    }
    let (name, seed, seconds) = (&recipe.name, recipe.training.seed, start.elapsed().as_secs_f64());
    writeln!(io::stderr(), "{name}, seed {seed}: {seconds:.1} s")?;
    Ok(trained)
}

fn report(out: &mut impl Write, recipe: &Recipe, networks: &[Trained]) -> Result<(), Failure> {
    let (validation, test) = (load(recipe, Part::Validation)?, load(recipe, Part::Test)?);
    let nonzeros: Vec<String> =
        networks[0].nonzeros().map(|(junction, nonzeros)| format!("{junction}: {nonzeros}")).collect();
    writeln!(out, "\n{}  (nonzeros: {})", recipe.name, nonzeros.join("; "))?;
    let show = |out: &mut dyn Write, what: &str, dataset: &Dataset| -> Result<(), Failure> {
        let seeds: Vec<Vec<f64>> =
            networks.iter().map(|network| network.accuracies(dataset)).collect::<Result<_, _>>()?;
        for exit in 0..seeds[0].len() {
            let each: Vec<f64> = seeds.iter().map(|accuracies| accuracies[exit]).collect();
            let mean = each.iter().sum::<f64>() / each.len() as f64;
            let name = if exit == recipe.exits.len() { "end".into() } else { format!("exit {}", exit + 1) };
            writeln!(out, "  {what:10}  {name:6}  mean {mean:.4}  seeds {each:.4?}")?;
        }
        Ok(())
    };
    show(out, "validation", &validation)?;
    show(out, "test", &test)?;
    if let [exit] = recipe.exits.as_slice()
        && exit.metric == Metric::MaxProbability
    {
        for threshold in [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98] {
            gate(out, "validation", networks, &validation, (threshold, exit.temperature))?;
        }
        gate(out, "test", networks, &test, (exit.threshold, exit.temperature))?;
    }
    Ok(())
}

/// The share of samples answered at the first exit, and the accuracy of the network as a whole, mean over the seeds.
fn gate(
    out: &mut dyn Write,
    what: &str,
    networks: &[Trained],
    dataset: &Dataset,
    (threshold, temperature): (f32, f32),
) -> Result<(), Failure> {
    let classes = networks[0].recipe().classes;
    let (mut answered, mut correct) = (0, 0);
    for network in networks {
        let logits = network.logits(dataset)?;
        let rows = logits[0].chunks(classes).zip(logits[1].chunks(classes)).zip(dataset.labels());
        for ((exit, end), &label) in rows {
            let largest = exit.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let probability = 1.0 / exit.iter().map(|logit| ((logit - largest) / temperature).exp()).sum::<f32>();
            let taken = probability >= threshold;
            answered += usize::from(taken);
            let row = if taken { exit } else { end };
            correct += usize::from((0..classes).all(|class| row[class] <= row[usize::from(label)]));
        }
    }
    let total = (networks.len() * dataset.len()) as f64;
    let (answered, correct) = (answered as f64 / total, correct as f64 / total);
    writeln!(out, "  {what:10}  threshold {threshold:.3}  answered at the exit {answered:.4}  accuracy {correct:.4}")?;
    Ok(())
}
