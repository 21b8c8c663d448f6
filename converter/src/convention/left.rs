//! Tensors that belong to no layer: a network that is converted without one of them may be another network.

use lacewing_models::recipe::Layout;

use super::names::Names;
use super::{MATRICES, NORMS};

/// What [`advice`] says of masks.
const MASKS: &str = "a mask is named as its weights are: fc1.weight_mask or fc1.mask beside fc1.weight, mask_0 … beside coefs_0, M1 \
                     beside W1. A recipe (--recipe RECIPE.toml, models/RECIPES.md) takes a mask of any name: the mask of its \
                     [[junction]]. A mask has the axes of its weights, and a single one named mask needs a name of its own where \
                     none or several of the matrices have its shape, or where that is square";
/// What [`advice`] says of a matrix by another name.
const NAMED_OTHERWISE: &str = "supported are fully connected layers, their weights named like fc1.weight, dense/kernel, W1, \
                               coefs_0; recurrent layers and weight normalisation are not. Where this is a fully connected layer, \
                               or not of the network, name the tensors that are in a recipe (--recipe RECIPE.toml, \
                               models/RECIPES.md)";
/// What [`advice`] says of weight normalisation.
const WEIGHT_NORMS: &str = "supported are weights in one piece: take the parametrisation off before saving, with \
                            torch.nn.utils.remove_weight_norm or torch.nn.utils.parametrize.remove_parametrizations. No recipe \
                            puts them together";
/// What [`advice`] says of a bias that is not the one beside the weights.
const BIASES: &str = "supported are biases named as their weights are (fc1.bias, dense/bias, b1, intercepts_0), without masks: apply \
                      torch.nn.utils.prune.remove before saving, or name them in a recipe (--recipe RECIPE.toml, \
                      models/RECIPES.md)";

/// What training keeps beside a network and no output depends on, by the last part of a name.
const COUNTERS: [&str; 8] = [
    "num_batches_tracked",
    "iterations",
    "iteration",
    "learning_rate",
    "global_step",
    "epoch",
    "step",
    "seed_generator_state",
];
/// What the groups of an optimizer begin with, in Keras.
const OPTIMIZER: &str = "optimizer";
/// What a single mask is called that `lacewing mask` wrote.
pub(super) const MASK: &str = "mask";

/// Whether a network computes the same without it, whatever else there is.
pub(crate) fn is_harmless(name: &str) -> bool {
    name.starts_with(OPTIMIZER) && name.contains(['.', '/']) || COUNTERS.contains(&last(name))
}

/// The part behind the last separator, without the `:0` of TensorFlow.
fn last(name: &str) -> &str {
    let last = name.rsplit(['.', '/']).next().unwrap_or(name);
    last.split_once(':').map_or(last, |(last, _)| last)
}

/// Those that no matrix, bias, mask or batch normalisation claims.
pub(super) fn unclaimed<'n>(names: &'n [String], found: &Names) -> Vec<&'n str> {
    let claims = |name: &str| {
        found.weights.iter().any(|stem| {
            let own = [Some(&stem.weight), stem.bias.as_ref(), stem.mask.as_ref()];
            own.into_iter().flatten().any(|own| own == name) || stem.norms.iter().any(|norm| norm.claims(name))
        })
    };
    names.iter().map(String::as_str).filter(|name| !claims(name)).collect()
}

/// What is supported instead of this tensor, and whether a recipe helps.
pub(super) fn advice(name: &str, shape: &[usize]) -> &'static str {
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["weight_g", "weight_v", "weight_u", "parametrizations"]) {
        WEIGHT_NORMS
    } else if has(&["recurrent", "_ih", "_hh", "conv"]) {
        MATRICES
    } else if has(&["bias"]) {
        BIASES
    } else if has(&["mask"]) {
        MASKS
    } else if has(&["gamma", "beta", "moving_mean", "moving_variance", "moving_var", "running_"]) {
        NORMS
    } else if shape.len() == 2 {
        NAMED_OTHERWISE
    } else {
        MATRICES
    }
}

/// In words, for a note.
pub(super) const fn axes(layout: Layout) -> &'static str {
    match layout {
        Layout::OutIn => "outputs first",
        Layout::InOut => "inputs first",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_output_depends_on() {
        let beside = [
            "bn1.num_batches_tracked",
            "optimizer/vars/0",
            "optimizer_weights/Adam/iterations:0",
            "iterations:0",
            "adam/learning_rate:0",
            "dropout/seed_generator/seed_generator_state",
            "epoch",
        ];
        assert!(beside.iter().all(|name| is_harmless(name)));
        let not = ["optimizer", "fc1.weight", "epochs.weight", "mask", "rnn.weight_ih_l0", "step.bias"];
        assert!(not.iter().all(|name| !is_harmless(name)));
    }
}
