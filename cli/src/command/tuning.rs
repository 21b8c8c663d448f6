//! What `prune`, `fit-exit` and `fit-int8` share: a network from elsewhere, brought to the trainer and trained on.

use std::path::Path;

use lacewing_converter::import::{Imported, import_reading};
use lacewing_converter::int8::given;
use lacewing_converter::network::Network;
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use lacewing_converter::trained::{recipe_of, write_trained};
use lacewing_models::data::{Part, load_for};
use lacewing_models::recipe::{Schedule, Training};
use lacewing_models::{Dataset, JunctionId, Recipe};
use lacewing_training::{Trained, fine_tune};

use crate::args::Tuning;
use crate::command::train;
use crate::failure::Failure;
use crate::progress;

/// The network in `model`, by its own layers or by the recipe given.
pub fn import(model: &Path, args: &Tuning) -> Result<Imported, Failure> {
    let recipe = args.recipe.as_deref().map(Recipe::read).transpose()?;
    let mut source = Source::open(model)?;
    let reading = Reading::of(&mut source, recipe, None)?;
    let imported = import_reading(&mut source, reading)?;
    match given::read(&mut source, &imported.recipe)? {
        None => Ok(imported),
        Some(_) => Err(format!("{}: it computes in int8: train on before it is quantised", model.display()).into()),
    }
}

/// Hands a network to the trainer: as a file, as networks go between the two.
pub fn hand_over(network: &Network, like: &Recipe) -> Result<Trained, Failure> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("network.safetensors");
    write_trained(&file, network, &recipe_of(network, like))?;
    Ok(Trained::load(&file)?)
}

/// What is trained on, and what tells how it went.
pub struct Data {
    pub training: Dataset,
    pub validation: Dataset,
}

impl Data {
    pub fn load(args: &Tuning, recipe: &Recipe) -> Result<Self, Failure> {
        let load = |part| load_for(&args.data, part, recipe);
        Ok(Self { training: load(Part::Train)?, validation: load(Part::Validation)? })
    }

    /// Trains the junctions that `learns` names.
    pub fn tune(
        &self,
        trained: Trained,
        args: &Tuning,
        learns: impl Fn(JunctionId) -> bool,
    ) -> Result<Trained, Failure> {
        let settings = self.settings(args);
        let bar = progress::bar(&trained.recipe().name, args.epochs as u64);
        let tuned =
            fine_tune(trained, &settings, learns, &self.training, &self.validation, |now| train::show(now, &bar));
        bar.finish_and_clear();
        Ok(tuned?)
    }

    /// How it is trained on.
    pub fn settings(&self, args: &Tuning) -> Training {
        Training {
            epochs: args.epochs,
            batch: args.batch.min(self.training.len()),
            learning_rate: args.learning_rate,
            l2: args.l2,
            seed: args.seed,
            schedule: Schedule::Cosine,
            ..Training::default()
        }
    }
}
