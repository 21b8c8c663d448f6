//! Which names belong together.

use core::cmp::Ordering;

/// Tensors that are named like weights, in natural order.
pub(super) struct Names {
    pub(super) weights: Vec<Stem>,
}

/// The tensors of one matrix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stem {
    pub(super) weight: String,
    pub(super) bias: Option<String>,
    pub(super) mask: Option<String>,
    /// The exit that it belongs to: the name up to and with the exit's number.
    pub(super) branch: Option<String>,
    /// Batch normalisations behind it.
    pub(super) norms: Vec<Norm>,
}

/// A batch normalisation as PyTorch names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Norm {
    /// In front of `running_mean`.
    pub(super) stem: String,
    /// Whether it stands behind the activation of the matrix before it.
    pub(super) behind_activation: bool,
}

impl Stem {
    pub(super) fn norm_behind_activation(&self) -> Option<&Norm> {
        self.norms.iter().find(|norm| norm.behind_activation)
    }
}

impl Norm {
    /// Its name, for messages.
    pub(super) fn title(&self) -> &str {
        self.stem.trim_end_matches(['.', '/'])
    }

    pub(super) fn name(&self, what: &str) -> String {
        format!("{}{what}", self.stem)
    }

    /// Whether the tensor is one that is folded.
    pub(super) fn claims(&self, name: &str) -> bool {
        name.strip_prefix(&self.stem).is_some_and(|what| TENSORS_OF_NORMS.contains(&what))
    }
}

/// What weights are called, and what biases and masks of the same stem are called then.
const TOKENS: [(&str, &[&str], &[&str]); 8] = [
    ("weight_orig", &["bias", "bias_orig"], &["weight_mask"]),
    ("weights", &["biases", "bias"], &["mask", "weights_mask", "masks"]),
    ("weight", &["bias"], &["mask", "weight_mask"]),
    ("kernel", &["bias"], &["mask", "kernel_mask"]),
    ("coefs", &["intercepts"], &["masks", "mask"]),
    ("coef", &["intercept"], &["mask"]),
    ("W", &["b", "B"], &["M", "mask"]),
    ("w", &["b"], &["m", "mask"]),
];
const MEAN: &str = "running_mean";
const TENSORS_OF_NORMS: [&str; 4] = ["weight", "bias", MEAN, "running_var"];
/// Words in names that look like weights and are of layers that are not supported, or only a part of weights: a recurrent
/// kernel would fit as a junction of its own.
const NO_WEIGHTS: [&str; 2] = ["recurrent", "parametrizations"];
/// Words that name a branch of an exit.
const BRANCHES: [&str; 2] = ["exit", "branch"];

impl Names {
    /// # Errors
    /// The stem of a batch normalisation whose place the names do not tell.
    pub(super) fn of(names: &[String]) -> Result<Self, String> {
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_by(|a, b| natural(a, b));
        let norms: Vec<&str> = sorted.iter().filter_map(|name| name.strip_suffix(MEAN)).collect();
        let of_norm = |name: &str| {
            norms.iter().any(|stem| name.strip_prefix(stem).is_some_and(|rest| !rest.contains(['.', '/'])))
        };
        let mut weights: Vec<Stem> =
            sorted.iter().filter(|name| !of_norm(name)).filter_map(|name| stem(name, names)).collect();
        for norm in &norms {
            let (at, behind_activation) = place(norm, &weights).ok_or_else(|| (*norm).to_owned())?;
            let norm = Norm { stem: (*norm).to_owned(), behind_activation };
            weights.get_mut(at).into_iter().for_each(|weights| weights.norms.push(norm.clone()));
        }
        weights.sort_by_key(|stem| stem.branch.is_some());
        Ok(Self { weights })
    }
}

/// Which matrix a normalisation stands behind, and whether behind its activation too. Where layers are numbered, as in
/// `nn.Sequential`, it is the matrix before it, and a number that is not the next one means that an activation is between. Else
/// it is the matrix whose name ends in the same number: `bn1` behind `fc1`.
fn place(norm: &str, weights: &[Stem]) -> Option<(usize, bool)> {
    let own = norm.trim_end_matches(['.', '/']);
    let folder_and_number = |name: &str| {
        let (folder, last) = name.rsplit_once('.').unwrap_or(("", name));
        last.parse::<usize>().ok().map(|number| (folder.to_owned(), number))
    };
    let layers = weights.iter().map(|stem| stem.weight.rsplit_once(['.', '/']).map_or("", |(layer, _)| layer));
    if let Some((folder, number)) = folder_and_number(own) {
        let before = layers.enumerate().filter_map(|(at, layer)| {
            let (its_folder, its_number) = folder_and_number(layer)?;
            (its_folder == folder && its_number < number).then_some((its_number, at))
        });
        return before.max().map(|(before, at)| (at, number > before + 1));
    }
    let ending = |name: &str| name.chars().rev().take_while(char::is_ascii_digit).collect::<String>();
    let mut same = layers.enumerate().filter(|(_, layer)| !ending(own).is_empty() && ending(layer) == ending(own));
    same.next().filter(|_| same.next().is_none()).map(|(at, _)| (at, false))
}

/// The tensors that go with `name`, if that is a name of weights.
fn stem(name: &str, names: &[String]) -> Option<Stem> {
    if NO_WEIGHTS.iter().any(|word| name.contains(word)) {
        return None;
    }
    let (at, token, biases, masks) = TOKENS.iter().find_map(|(token, biases, masks)| {
        let at = name.rfind(token).filter(|at| is_word(name, *at, token.len()))?;
        Some((at, *token, *biases, *masks))
    })?;
    let (before, behind) = (name.get(..at)?, name.get(at + token.len()..)?);
    let there =
        |words: &[&str]| words.iter().map(|word| format!("{before}{word}{behind}")).find(|name| names.contains(name));
    let mask = there(masks)
        .or_else(|| [format!("{name}_mask"), format!("{name}.mask")].into_iter().find(|n| names.contains(n)));
    Some(Stem { weight: name.to_owned(), bias: there(biases), mask, branch: branch(name), norms: Vec::new() })
}

/// Whether no letter touches the word: `fc1.weight`, `layers/dense/kernel:0` and `W1`, but not `weight_mask` or `powers`.
fn is_word(name: &str, at: usize, len: usize) -> bool {
    let before = name.get(..at).and_then(|before| before.chars().next_back());
    let mut behind = name.get(at + len..).unwrap_or_default().chars();
    let next = behind.next();
    let touches = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphabetic());
    // `_0` counts layers, `_mask` makes it another tensor.
    let is_longer = next == Some('_') && touches(behind.next());
    !(touches(before) || touches(next) || is_longer)
}

/// The branch that a name belongs to: up to and with the number behind `exit` or `branch`, or up to the next separator.
fn branch(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let (at, word) = BRANCHES.iter().find_map(|word| lower.find(word).map(|at| (at, word)))?;
    let rest = name.get(at + word.len()..)?;
    let number = rest.find(|letter: char| letter.is_ascii_digit()).filter(|at| *at <= 2);
    let end = match number {
        Some(start) => {
            let digits = rest.get(start..)?.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len() - start);
            start + digits
        }
        None => rest.find(['.', '/', '_']).unwrap_or(rest.len()),
    };
    name.get(..at + word.len() + end).map(str::to_owned)
}

/// Whether names say which of two layers is first: numbers at the place where they differ (`fc1`, `fc2`), or a number that only
/// the second has (`dense`, `dense_1`). `None` where other words differ.
pub(super) fn numbered(a: &str, b: &str) -> Option<Ordering> {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (number_a, number_b) = (digits(a), digits(b));
        match (number_a.is_empty(), number_b.is_empty()) {
            (false, false) => {
                let (own_a, own_b) = (without_zeros(number_a), without_zeros(number_b));
                let order = own_a.len().cmp(&own_b.len()).then_with(|| own_a.cmp(own_b));
                if order != Ordering::Equal {
                    return Some(order);
                }
                (a, b) = (a.get(number_a.len()..)?, b.get(number_b.len()..)?);
            }
            (true, true) if a.first() == b.first() && !a.is_empty() => (a, b) = (a.get(1..)?, b.get(1..)?),
            _ if counts_on(a, b) => return Some(Ordering::Less),
            _ if counts_on(b, a) => return Some(Ordering::Greater),
            _ => return None,
        }
    }
}

/// Whether `b` is as `a` with a number in front, `_1` or `1`.
fn counts_on(a: &[u8], b: &[u8]) -> bool {
    let number = b.strip_prefix(b"_").unwrap_or(b);
    let len = digits(number).len();
    len > 0 && number.get(len) == a.first()
}

/// Order in which numbers count as numbers: `fc2` before `fc10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (number_a, number_b) = (digits(a), digits(b));
        let order = if number_a.is_empty() || number_b.is_empty() {
            let (Some((first_a, rest_a)), Some((first_b, rest_b))) = (a.split_first(), b.split_first()) else {
                return a.len().cmp(&b.len());
            };
            (a, b) = (rest_a, rest_b);
            first_a.cmp(first_b)
        } else {
            let (rest_a, rest_b) = (a.get(number_a.len()..), b.get(number_b.len()..));
            (a, b) = (rest_a.unwrap_or_default(), rest_b.unwrap_or_default());
            let (number_a, number_b) = (without_zeros(number_a), without_zeros(number_b));
            number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b))
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// The digits that `text` begins with.
fn digits(text: &[u8]) -> &[u8] {
    let len = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<Stem> {
        Names::of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap().weights
    }

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = vec!["fc10.weight", "fc2.weight", "fc02.bias", "fc", "a1b2", "a1b10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a1b2", "a1b10", "fc", "fc02.bias", "fc2.weight", "fc10.weight"]);
    }

    #[test]
    fn numbers_say_what_is_first() {
        let cases = [
            ("fc1.weight", "fc2.weight", Some(Ordering::Less)),
            ("fc10.weight", "fc2.weight", Some(Ordering::Greater)),
            ("layer1.out.weight", "layer2.fc.weight", Some(Ordering::Less)),
            ("dense/dense/kernel:0", "dense_1/dense_1/kernel:0", Some(Ordering::Less)),
            ("dense_1/kernel", "dense/kernel", Some(Ordering::Greater)),
            ("fc.weight", "fc2.weight", Some(Ordering::Less)),
            ("W", "W1", Some(Ordering::Less)),
            ("fc1.weight", "out.weight", None),
            ("fc1.weight", "hidden0.weight", None),
            ("a.1.weight", "b.0.weight", None),
            ("same", "same", None),
        ];
        for (a, b, order) in cases {
            assert_eq!(numbered(a, b), order, "{a} {b}");
        }
    }

    #[test]
    fn what_belongs_together() {
        let cases = [
            (["fc1.weight_orig", "fc1.bias", "fc1.weight_mask"], "PyTorch's pruning"),
            (["fc1.weight", "fc1.bias", "fc1.mask"], "PyTorch"),
            (["dense/kernel:0", "dense/bias:0", "dense/mask:0"], "Keras"),
            (["W1", "b1", "M1"], "by hand"),
            (["coefs_0", "intercepts_0", "masks_0"], "scikit-learn"),
            (["layers.0.weights", "layers.0.biases", "layers.0.weights_mask"], "others"),
        ];
        for (names, what) in cases {
            let stems = of(&names);
            let [stem] = &stems[..] else { panic!("{what}: {stems:?}") };
            let found = [Some(stem.weight.as_str()), stem.bias.as_deref(), stem.mask.as_deref()];
            assert_eq!(found, names.map(Some), "{what}");
        }
        assert!(
            of(&["inputs", "logits", "powers", "rainbow", "weighted_sum", "x.weight_g", "rnn/recurrent_kernel:0"])
                .is_empty()
        );
    }

    #[test]
    fn branches_have_numbers_or_not() {
        let named =
            ["exit.1.junction.2.weight", "exits.0.weight", "exit1.0.weight", "branch.weight", "early_exit.fc.weight"];
        let branches = ["exit.1", "exits.0", "exit1", "branch", "early_exit"];
        assert_eq!(named.map(|name| branch(name).unwrap()), branches);
        assert_eq!(branch("fc1.weight"), None);
        let stems = of(&["branch.weight", "fc1.weight"]);
        assert_eq!(stems[0].weight, "fc1.weight", "the trunk first");
    }

    #[test]
    fn normalisations_stand_behind_matrices() {
        let norm = |stem: &str| ["weight", "bias", "running_mean", "running_var"].map(|what| format!("{stem}.{what}"));
        let names = |stems: [&str; 2], norm_stem: &str| {
            let weights = stems.map(|stem| format!("{stem}.weight"));
            let names: Vec<String> = weights.into_iter().chain(norm(norm_stem)).collect();
            Names::of(&names).map(|names| names.weights)
        };
        for (stems, norm, behind) in
            [(["0", "3"], "1", false), (["net.0", "net.3"], "net.2", true), (["fc1", "fc2"], "bn1", false)]
        {
            let found = names(stems, norm).unwrap();
            let want = Norm { stem: format!("{norm}."), behind_activation: behind };
            assert_eq!((&found[0].norms, &found[1].norms), (&vec![want], &Vec::new()), "{norm}");
        }
        assert_eq!(names(["hidden", "out"], "norm").unwrap_err(), "norm.");
        assert_eq!(names(["1", "2"], "0").unwrap_err(), "0.");
    }
}
