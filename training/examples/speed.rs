//! Seconds to an epoch of 60,000 samples: sparse networks beside their dense twins, in one run.
//!
//! ```text
//! cargo run --release -p lacewing-training --example speed -- [--threads N] [--epochs N] [RECIPE.toml ...]
//! ```
//!
//! Without recipes, the paper's two networks with out-degrees 2 9 10 and 25 25 10 on MNIST's training images. An epoch is
//! the training pass with its shuffle, without evaluation; the fastest of the epochs counts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use core::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, Pattern, Recipe};
use lacewing_training::train;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (mut threads, mut epochs, mut recipes) = (2, 3, Vec::<PathBuf>::new());
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--threads" => threads = given.next().ok_or("--threads needs a number")?.parse()?,
            "--epochs" => epochs = given.next().ok_or("--epochs needs a number")?.parse()?,
            _ => recipes.push(argument.into()),
        }
    }
    if recipes.is_empty() {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/recipes");
        recipes =
            ["paper-800-40-40-10", "paper-800-100-100-10"].map(|n| directory.join(n).with_extension("toml")).into();
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{:28} {:>10} {:>12} {:>12} {:>7}", "network", "nonzeros", "s an epoch", "dense twin", "ratio")?;
    for path in recipes {
        let recipe = Recipe::read(&path)?;
        let data = data::load_for(data::bundled_mnist(), Part::AllTrain, &recipe)?;
        let (nonzeros, sparse) = seconds(&recipe, &data, epochs)?;
        let mut twin = recipe.clone();
        let branches = twin.exits.iter_mut().flat_map(|exit| &mut exit.junctions);
        twin.junctions.iter_mut().chain(branches).for_each(|junction| junction.pattern = Pattern::Dense);
        let (_, dense) = seconds(&twin, &data, epochs)?;
        writeln!(out, "{:28} {nonzeros:>10} {sparse:>12.3} {dense:>12.3} {:>7.2}", recipe.name, dense / sparse)?;
    }
    Ok(())
}

/// Nonzeros, and the seconds of the fastest epoch.
fn seconds(recipe: &Recipe, data: &Dataset, epochs: usize) -> Result<(usize, f64), Failure> {
    let mut recipe = recipe.clone();
    recipe.training.epochs = epochs;
    // One sample to validate on: evaluation is not what is measured.
    let one = Dataset::new(data.width(), data.sample(0).to_vec(), vec![data.label(0) as u16])?;
    let mut fastest = f64::INFINITY;
    let trained = train(&recipe, data, &one, |now| {
        if now.validation.is_some() {
            fastest = fastest.min(data.len() as f64 / now.samples_per_second);
        }
    })?;
    Ok((trained.nonzeros().map(|(_, nonzeros)| nonzeros).sum(), fastest))
}
