//! Whether a whole module is what names and shapes make of it: matrices with ReLU between them.

/// What is converted, for messages.
pub(super) const SUPPORTED: &str = "Sequential, ModuleList, ModuleDict, Linear, BatchNorm1d, ReLU, Dropout, Flatten and Identity, \
                                    Softmax or LogSoftmax at the end";

/// A module, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    Linear,
    Norm,
    Relu,
    Softmax,
    /// Does nothing once trained.
    Nothing,
    /// Holds others in an order that it does not run them in.
    Unordered,
    /// Holds others that run one behind the other.
    Sequential,
}

impl Module {
    /// The class `name` of `torch.nn.modules.`; `None` where it is not supported.
    pub(super) fn of(class: &str) -> Option<Self> {
        Some(match class {
            "linear.Linear" => Self::Linear,
            "batchnorm.BatchNorm1d" => Self::Norm,
            "activation.ReLU" => Self::Relu,
            "activation.Softmax" | "activation.LogSoftmax" => Self::Softmax,
            "linear.Identity" | "dropout.Dropout" | "flatten.Flatten" => Self::Nothing,
            "container.ModuleList" | "container.ModuleDict" | "module.Module" => Self::Unordered,
            "container.Sequential" => Self::Sequential,
            _ => return None,
        })
    }
}

/// Why modules that were pickled in this order are not what their names and shapes are read as.
pub(super) fn unlike(modules: &[Module]) -> Option<&'static str> {
    let layers: Vec<Module> = modules.iter().copied().filter(|module| *module != Module::Sequential).collect();
    let end = layers.iter().rposition(|module| *module == Module::Linear)?;
    let before_end = layers.get(..end).unwrap_or_default();
    if before_end.contains(&Module::Softmax) {
        return Some("has a softmax before its last Linear, which is possible at the end only");
    }
    // Whoever holds them ran them in code that is not in the file: all is as in a state dict.
    if layers.contains(&Module::Unordered) {
        return None;
    }
    // Behind a matrix, and no activation yet; what stood last.
    let (mut is_open, mut last) = (false, None);
    for module in layers {
        match module {
            Module::Linear if is_open => return Some("has two Linear layers without a ReLU between them"),
            Module::Linear => is_open = true,
            Module::Relu => is_open = false,
            // Names tell the place of a normalisation by its number: the next one, or a later one behind the activation; a second
            // one before it would be taken for one behind it.
            Module::Norm if is_open && last != Some(Module::Linear) => {
                return Some("has another layer than ReLU between a Linear and its BatchNorm1d");
            }
            _ => {}
        }
        last = Some(module);
    }
    (!is_open).then_some("ends in a ReLU: classes are told apart by the numbers before it")
}

/// How many batch normalisations stand behind a ReLU, where modules run in the order in which they were pickled.
pub(super) fn behind_activation(modules: &[Module]) -> Option<usize> {
    if modules.is_empty() || modules.contains(&Module::Unordered) {
        return None;
    }
    let (mut is_open, mut behind) = (false, 0);
    for module in modules {
        match module {
            Module::Linear => is_open = true,
            Module::Relu => is_open = false,
            Module::Norm => behind += usize::from(!is_open),
            _ => {}
        }
    }
    Some(behind)
}

#[cfg(test)]
mod tests {
    use super::{Module, behind_activation, unlike};

    #[test]
    fn orders() {
        use Module::{Linear, Norm, Nothing, Relu, Sequential, Softmax, Unordered};
        let fine: [&[Module]; 7] = [
            &[],
            &[Sequential, Nothing, Linear, Norm, Relu, Nothing, Linear, Relu, Norm, Linear],
            &[Sequential, Linear, Sequential, Relu, Linear, Softmax],
            &[Linear, Nothing, Relu, Linear, Nothing],
            &[Linear],
            &[Unordered, Linear, Linear],
            &[Linear, Relu, Relu, Linear],
        ];
        fine.iter().for_each(|modules| assert_eq!(unlike(modules), None, "{modules:?}"));
        let unlike_their_names: [(&[Module], &str); 7] = [
            (&[Linear, Norm, Norm, Relu, Linear], "between a Linear and its BatchNorm1d"),
            (&[Sequential, Linear, Softmax, Linear], "softmax"),
            (&[Unordered, Linear, Softmax, Linear], "softmax"),
            (&[Linear, Nothing, Linear], "without a ReLU"),
            (&[Linear, Relu, Linear, Linear], "without a ReLU"),
            (&[Linear, Nothing, Norm, Relu, Linear], "between a Linear and its BatchNorm1d"),
            (&[Linear, Relu, Linear, Relu], "ends in a ReLU"),
        ];
        for (modules, said) in unlike_their_names {
            assert!(unlike(modules).is_some_and(|reason| reason.contains(said)), "{modules:?}");
        }
        assert_eq!(behind_activation(&[Sequential, Linear, Norm, Relu, Linear, Relu, Norm, Linear]), Some(1));
        assert_eq!(behind_activation(&[]).or(behind_activation(&[Unordered, Linear, Relu, Norm])), None);
    }
}
