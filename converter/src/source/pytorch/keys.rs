//! Where in a checkpoint the network's tensors are: in the whole of it, or under a key beside what training keeps.

use std::path::Path;

use pytorch_reader::{PytorchError, PytorchReader};

use crate::convention::is_harmless;
use crate::source::Refusal;

/// Keys under which training scripts put the state dict, beside epoch and optimizer.
const KEYS: [&str; 5] = ["model_state_dict", "state_dict", "model_state", "model", "net"];
/// What the keys of training's own state begin with.
const BESIDE: [&str; 3] = ["optim", "scheduler", "lr_scheduler"];
/// What the keys of random numbers end with: `cuda_rng_state`.
const RANDOM: [&str; 2] = ["rng_state", "rng_states"];

/// A reader of the network's tensors in the checkpoint at `path`, and why their layers cannot be told, where tensors of two
/// networks or beside one are in it; the reader is one of all tensors then, for a recipe to name some of them.
pub(super) fn reader(path: &Path, is_module: bool) -> Result<(PytorchReader, Option<String>), Refusal> {
    let whole = PytorchReader::new(path).map_err(|error| error.to_string())?;
    // The parts of a whole module are its layers, whatever they are called.
    if is_module {
        return Ok((whole, None));
    }
    let mut found = Vec::new();
    for key in KEYS {
        let under = whole.tensors().keys().filter(|name| is_under(name, key)).count();
        if under == 0 {
            continue;
        }
        match PytorchReader::with_top_level_key(path, key) {
            Ok(reader) if reader.len() == under => found.push((key, reader)),
            // No dict of the root: names only begin like it, as those of `self.net = nn.Sequential(…)` do in a state dict.
            Ok(_) | Err(PytorchError::KeyNotFound(_) | PytorchError::InvalidFormat(_)) => {}
            Err(error) => return Err(error.to_string().into()),
        }
    }
    if let [(one, _), (other, _), ..] = &found[..] {
        let reason = format!("it has tensors under {one} and under {other}, and does not say which are the network's");
        return Ok((whole, Some(with_help(&reason, one))));
    }
    let Some((key, reader)) = found.pop() else { return Ok((whole, None)) };
    let left = |name: &str, shape: &[usize]| !is_under(name, key) && !is_beside(name, shape);
    let mut left: Vec<&str> = whole
        .tensors()
        .iter()
        .filter_map(|(name, tensor)| left(name, tensor.shape()).then_some(name.as_str()))
        .collect();
    left.sort_unstable();
    let Some(first) = left.first() else { return Ok((reader, None)) };
    let more = match left.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason =
        format!("beside the tensors under {key} it has {first}{more}, and does not say whether the network has them");
    let reason = with_help(&reason, key);
    Ok((whole, Some(reason)))
}

fn with_help(reason: &str, key: &str) -> String {
    format!(
        "{reason}: save all that belongs to the network in one state dict, with torch.save(…, FILE), and nothing else; or name its \
         tensors in a recipe (--recipe RECIPE.toml, models/RECIPES.md), with the key before them ({key}.0.weight)"
    )
}

fn is_under(name: &str, key: &str) -> bool {
    name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a tensor beside a state dict is training's: a single number, such as the best accuracy, is no layer's either.
fn is_beside(name: &str, shape: &[usize]) -> bool {
    let key = name.split('.').next().unwrap_or_default();
    let is_number = key == name && shape.is_empty();
    let is_training = BESIDE.iter().any(|word| key.starts_with(word)) || RANDOM.iter().any(|word| key.ends_with(word));
    is_number || is_training || is_harmless(name)
}
