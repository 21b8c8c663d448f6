//! The rules of a recipe that TOML's types cannot say.

use lacewing_kernels::Activation;

use super::{ExitRecipe, Input, Int8Training, JunctionRecipe, MAX_EXITS, MAX_JUNCTIONS, MAX_NAME, MAX_WIDTH};
use super::{Metric, Recipe, RecipeError, Training};
use crate::names::JunctionId;

pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    names(recipe)?;
    input(&recipe.input)?;
    counts(recipe)?;
    for (exit, recipe_exit) in (1..).zip(&recipe.exits) {
        exit_numbers(exit, recipe_exit)?;
    }
    for placed in recipe.placed_junctions() {
        junction(placed.id, placed.recipe)?;
        placed
            .recipe
            .pattern
            .check(placed.n_in, placed.n_out())
            .map_err(|source| RecipeError::Pattern { junction: placed.id, source })?;
    }
    last(JunctionId::Trunk(recipe.junctions.len()), recipe.junctions.last(), recipe.classes)?;
    for (exit, branch) in (1..).zip(&recipe.exits) {
        let id = JunctionId::Exit { exit, junction: branch.junctions.len() };
        last(id, branch.junctions.last(), recipe.classes)?;
    }
    training(&recipe.training)?;
    recipe.training.int8.map_or(Ok(()), |settings| int8(&settings, recipe))
}

/// Whether a recipe or a grid can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(known)
}

fn names(recipe: &Recipe) -> Result<(), RecipeError> {
    if !is_name(&recipe.name) {
        return Err(RecipeError::Name { name: recipe.name.clone() });
    }
    width("classes", recipe.classes)?;
    let (found, classes) = (recipe.class_names.len(), recipe.classes);
    if found != 0 && found != classes {
        return Err(RecipeError::ClassNames { found, classes });
    }
    match recipe.class_names.iter().find(|name| name.is_empty() || name.len() > MAX_NAME) {
        Some(name) => Err(RecipeError::ClassName { name: name.clone() }),
        None => Ok(()),
    }
}

fn input(input: &Input) -> Result<(), RecipeError> {
    width("[input] width", input.width)?;
    if let Some(scale) = input.scale {
        within("[input]", "scale", scale, scale > 0.0 && scale.is_finite(), "above 0 and finite")?;
    }
    if let Some(crop) = input.crop {
        within("[input]", "crop", crop as f32, (1..=MAX_WIDTH).contains(&crop), "1 to 65535")?;
    }
    let Some(pool) = input.average_pool else { return Ok(()) };
    within("[input]", "average_pool", pool as f32, (1..=MAX_WIDTH).contains(&pool), "1 to 65535")?;
    match input.crop {
        Some(crop) => {
            let divides = crop.is_multiple_of(pool);
            within("[input]", "average_pool", pool as f32, divides, &format!("a divisor of crop = {crop}"))
        }
        None => Ok(()),
    }
}

/// Numbers of junctions and exits, and where exits and split are.
fn counts(recipe: &Recipe) -> Result<(), RecipeError> {
    let junctions = recipe.junctions.len();
    if junctions == 0 {
        return Err(RecipeError::NoJunctions);
    }
    if recipe.exits.len() > MAX_EXITS {
        return Err(RecipeError::TooManyExits { found: recipe.exits.len() });
    }
    let found = junctions + recipe.exits.iter().map(|exit| exit.junctions.len()).sum::<usize>();
    if found > MAX_JUNCTIONS {
        return Err(RecipeError::TooManyJunctions { found });
    }
    if junctions == 1 && (!recipe.exits.is_empty() || recipe.split.is_some()) {
        let what = if recipe.split.is_some() { "a split" } else { "an exit" };
        return Err(RecipeError::TooShort { what, junctions });
    }
    let mut before = 0;
    for (exit, branch) in (1..).zip(&recipe.exits) {
        let after = branch.after;
        if after == 0 || after >= junctions {
            return Err(RecipeError::ExitAfter { exit, after, junctions });
        }
        if after <= before {
            return Err(RecipeError::ExitOrder { exit, after, before });
        }
        if branch.junctions.is_empty() {
            return Err(RecipeError::EmptyBranch { exit });
        }
        before = after;
    }
    match recipe.split {
        Some(after) if after == 0 || after >= junctions => Err(RecipeError::Split { after, junctions }),
        _ => Ok(()),
    }
}

fn exit_numbers(exit: usize, recipe: &ExitRecipe) -> Result<(), RecipeError> {
    let place = format!("exit {exit}");
    let &ExitRecipe { metric, threshold, temperature, loss_weight, .. } = recipe;
    match metric {
        Metric::MaxProbability | Metric::Entropy => {
            within(&place, "threshold", threshold, (0.0..=1.0).contains(&threshold), "0 to 1")?;
        }
        Metric::Margin => {
            within(&place, "threshold", threshold, threshold >= 0.0 && threshold.is_finite(), "0 or more, and finite")?;
        }
    }
    within(&place, "temperature", temperature, temperature > 0.0 && temperature.is_finite(), "above 0 and finite")?;
    within(&place, "loss_weight", loss_weight, loss_weight >= 0.0 && loss_weight.is_finite(), "0 or more, and finite")
}

fn junction(id: JunctionId, recipe: &JunctionRecipe) -> Result<(), RecipeError> {
    width(&format!("{id}: outputs"), recipe.outputs)?;
    match recipe.activation {
        Activation::LeakyRelu { slope } => within(&id.to_string(), "slope", slope, slope.is_finite(), "finite"),
        _ => Ok(()),
    }
}

fn last(id: JunctionId, junction: Option<&JunctionRecipe>, classes: usize) -> Result<(), RecipeError> {
    match junction {
        Some(junction) if junction.outputs != classes => {
            Err(RecipeError::LastOutputs { junction: id, outputs: junction.outputs, classes })
        }
        Some(junction) if junction.activation != Activation::None => Err(RecipeError::LastActivation { junction: id }),
        _ => Ok(()),
    }
}

fn training(training: &Training) -> Result<(), RecipeError> {
    let &Training { epochs, batch, learning_rate, l2, seed, momentum, backbone_epochs, .. } = training;
    if i64::try_from(seed).is_err() {
        return Err(RecipeError::Seed { seed });
    }
    let place = "[training]";
    within(place, "epochs", epochs as f32, (1..=100_000).contains(&epochs), "1 to 100000")?;
    within(place, "batch", batch as f32, (1..=MAX_WIDTH).contains(&batch), "1 to 65535")?;
    let rate_fits = learning_rate > 0.0 && learning_rate.is_finite();
    within(place, "learning_rate", learning_rate, rate_fits, "above 0 and finite")?;
    within(place, "l2", l2, l2 >= 0.0 && l2.is_finite(), "0 or more, and finite")?;
    within(place, "momentum", momentum, (0.0..1.0).contains(&momentum), "0 or more, and below 1")?;
    within(place, "backbone_epochs", backbone_epochs as f32, backbone_epochs < epochs, "fewer than `epochs`")
}

fn int8(&Int8Training { epochs, learning_rate }: &Int8Training, recipe: &Recipe) -> Result<(), RecipeError> {
    let place = "[training.int8]";
    within(place, "epochs", epochs as f32, (1..=100_000).contains(&epochs), "1 to 100000")?;
    let rate_fits = learning_rate > 0.0 && learning_rate.is_finite();
    within(place, "learning_rate", learning_rate, rate_fits, "above 0 and finite")?;
    let has_int8 = |activation| matches!(activation, Activation::None | Activation::Relu | Activation::Relu6);
    match recipe.placed_junctions().into_iter().find(|placed| !has_int8(placed.recipe.activation)) {
        Some(placed) => Err(RecipeError::Int8Activation { junction: placed.id }),
        None => Ok(()),
    }
}

fn width(place: &str, width: usize) -> Result<(), RecipeError> {
    if (1..=MAX_WIDTH).contains(&width) { Ok(()) } else { Err(RecipeError::Width { place: place.to_owned(), width }) }
}

fn within(place: &str, key: &'static str, value: f32, fits: bool, rule: &str) -> Result<(), RecipeError> {
    let (place, value, rule) = (place.to_owned(), f64::from(value), rule.to_owned());
    if fits { Ok(()) } else { Err(RecipeError::Range { place, key, value, rule }) }
}
