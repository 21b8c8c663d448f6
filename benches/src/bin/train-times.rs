//! Times trainings. `epochs` times whole epochs of recipes on the 60,000 images of MNIST, shuffle included and evaluation not, and prints one
//! JSON object: the least and the median seconds of an epoch. `steps` times steps of 1024-1024-1024-10, batch 256, with its two
//! hidden junctions sparse, against the same network dense (whose products are `matrixmultiply`'s), and prints a table of ratios.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, Subcommand};
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, Recipe};
use lacewing_training::{Progress, train};

type Failure = Box<dyn core::error::Error + Send + Sync>;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// Threads; as many as there are cores where left out.
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
    /// Epochs timed, after one that is not.
    #[arg(long, global = true, default_value_t = 7)]
    epochs: usize,
}

#[derive(Subcommand)]
enum What {
    /// Epochs of recipes.
    Epochs {
        /// The recipes.
        #[arg(required = true)]
        recipes: Vec<PathBuf>,
        /// Instead of the recipes' own.
        #[arg(long)]
        batch: Option<usize>,
    },
    /// Steps against dense ones.
    Steps,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    pool.install(|| match &args.what {
        What::Epochs { recipes, batch } => epochs(recipes, *batch, args.epochs),
        What::Steps => steps(args.epochs),
    })
}

fn epochs(recipes: &[PathBuf], batch: Option<usize>, rounds: usize) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for path in recipes {
        let mut recipe = Recipe::parse(&std::fs::read_to_string(path)?)?;
        recipe.training.batch = batch.unwrap_or(recipe.training.batch);
        let [train, validation] = [Part::Train, Part::Validation].map(|part| {
            let part = data::load_for(data::bundled_mnist(), part, &recipe)?;
            Ok::<_, Failure>((part.values().to_vec(), part.labels().to_vec()))
        });
        let ((mut values, mut labels), rest) = (train?, validation?);
        values.extend(rest.0);
        labels.extend(rest.1);
        let all = Dataset::new(recipe.input.width, values, labels)?;
        let (least, median) = seconds(&recipe, &all, rounds)?;
        lines.push(format!(
            "{:?}: {{\"images\": {}, \"batch\": {}, \"epoch_least_s\": {least:.4}, \"epoch_median_s\": {median:.4}}}",
            recipe.name,
            all.len(),
            recipe.training.batch
        ));
    }
    writeln!(std::io::stdout(), "{{{}}}", lines.join(", "))?;
    Ok(())
}

/// Least and median seconds of an epoch: from the end of one to the last batch of the next, so that the shuffle is in it.
fn seconds(recipe: &Recipe, data: &Dataset, rounds: usize) -> Result<(f64, f64), Failure> {
    let mut recipe = recipe.clone();
    recipe.training.epochs = rounds + 1;
    recipe.training.patience = 0;
    let one =
        Dataset::new(data.width(), data.sample(0).to_vec(), vec![data.labels().first().copied().unwrap_or_default()])?;
    let (mut times, mut start) = (Vec::new(), None);
    train(&recipe, data, &one, |now: &Progress| {
        if now.validation.is_some() {
            start = Some(Instant::now());
        } else if now.batch == now.batches {
            times.extend(start.take().map(|start: Instant| start.elapsed().as_secs_f64()));
        }
    })?;
    times.sort_by(f64::total_cmp);
    let at = |at: usize| times.get(at).copied().ok_or("no epoch was timed");
    Ok((at(0)?, at(times.len() / 2)?))
}

const WIDTH: usize = 1024;
const BATCH: usize = 256;
/// Steps of an epoch.
const STEPS: usize = 16;

fn steps(rounds: usize) -> Result<(), Failure> {
    // Ramps of their own for each sample: what is computed does not depend on the values.
    let values = (0..STEPS * BATCH * WIDTH).map(|k| (k % 1021) as f32 / 1021.0).collect();
    let labels = (0..STEPS * BATCH).map(|k| (k % 10) as u16).collect();
    let data = Dataset::new(WIDTH, values, labels)?;
    let patterns = [
        ("dense", "pattern = \"dense\"".to_owned()),
        ("block 8x1 1/4", "pattern = \"block\"\nrows = 8\ncols = 1\ndensity = 0.25".to_owned()),
        ("block 8x1 1/10", "pattern = \"block\"\nrows = 8\ncols = 1\ndensity = 0.1".to_owned()),
        ("random 1/4", "pattern = \"random_density\"\ndensity = 0.25".to_owned()),
        ("random 1/10", "pattern = \"random_density\"\ndensity = 0.1".to_owned()),
    ];
    let mut least = vec![f64::INFINITY; patterns.len()];
    // In turns: a noisy moment of the machine meets all of them.
    for _ in 0..rounds {
        for ((_, pattern), least) in patterns.iter().zip(&mut least) {
            let recipe = Recipe::parse(&format!(
                "name = \"steps\"\nclasses = 10\n[input]\nwidth = {WIDTH}\n[[junction]]\noutputs = {WIDTH}\n{pattern}\n[[junction]]\n\
                 outputs = {WIDTH}\n{pattern}\n[[junction]]\noutputs = 10\n[training]\nbatch = {BATCH}\nlearning_rate = 1e-5\n"
            ))?;
            *least = least.min(seconds(&recipe, &data, 1)?.0 / STEPS as f64);
        }
    }
    let dense = least.first().copied().ok_or("a dense network was timed")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:16} {:>10} {:>8}", "1024-1024-1024-10", "ms a step", "ratio")?;
    for ((name, _), least) in patterns.iter().zip(&least) {
        writeln!(out, "{name:17} {:>10.3} {:>8.2}", 1e3 * least, dense / least)?;
    }
    Ok(())
}
