//! Where a junction sits in a network, and the names its tensors have in files.

use core::fmt;

/// A junction's place in a network. Everything counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JunctionId {
    /// Junction `K` of the trunk.
    Trunk(usize),
    /// A junction of an exit's branch.
    Exit {
        /// The exit, in the recipe's order.
        exit: usize,
        /// The junction within the branch.
        junction: usize,
    },
}

impl JunctionId {
    /// Name of the weights: `junction.K.weight` or `exit.E.junction.K.weight`, `f32`, shape `[n_out, n_in]`.
    #[must_use]
    pub fn weight(self) -> String {
        self.tensor("weight")
    }

    /// Name of the biases: `junction.K.bias` or `exit.E.junction.K.bias`, `f32`, shape `[n_out]`.
    #[must_use]
    pub fn bias(self) -> String {
        self.tensor("bias")
    }

    /// Name of the mask: `junction.K.mask` or `exit.E.junction.K.mask`, `u8` 0 or 1, shape `[n_out, n_in]`.
    #[must_use]
    pub fn mask(self) -> String {
        self.tensor("mask")
    }

    /// Name of what int8 has it read, `[scale, zero point]`: `junction.K.input` or `exit.E.junction.K.input`.
    #[must_use]
    pub fn input(self) -> String {
        self.tensor("input")
    }

    /// Name of what int8 has it write, `[scale, zero point]`: `junction.K.output` or `exit.E.junction.K.output`.
    #[must_use]
    pub fn output(self) -> String {
        self.tensor("output")
    }

    /// The seed of this junction's mask in a network trained with `seed`: `1000·seed + K` in the trunk,
    /// `1000·seed + 100·E + K` in the branch of exit E (modulo 2⁶⁴).
    #[must_use]
    pub fn mask_seed(self, seed: u64) -> u64 {
        let place = match self {
            Self::Trunk(junction) => junction as u64,
            Self::Exit { exit, junction } => (exit as u64).wrapping_mul(100).wrapping_add(junction as u64),
        };
        seed.wrapping_mul(1000).wrapping_add(place)
    }

    fn tensor(self, what: &str) -> String {
        match self {
            Self::Trunk(junction) => format!("junction.{junction}.{what}"),
            Self::Exit { exit, junction } => format!("exit.{exit}.junction.{junction}.{what}"),
        }
    }
}

impl fmt::Display for JunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trunk(junction) => write!(f, "junction {junction}"),
            Self::Exit { exit, junction } => write!(f, "exit {exit}, junction {junction}"),
        }
    }
}

/// Key of the metadata entry that holds the recipe's TOML in a trained-network file.
pub const RECIPE_KEY: &str = "recipe";
/// Key of the metadata entry that holds the version of the trained-network file's naming.
pub const VERSION_KEY: &str = "lacewing";
/// The version that [`VERSION_KEY`] has today.
pub const VERSION: &str = "1";

#[cfg(test)]
mod tests {
    use super::JunctionId::{Exit, Trunk};

    #[test]
    fn names_and_seeds() {
        let branch = Exit { exit: 2, junction: 1 };
        assert_eq!(Trunk(3).weight(), "junction.3.weight");
        assert_eq!(branch.bias(), "exit.2.junction.1.bias");
        assert_eq!(branch.mask(), "exit.2.junction.1.mask");
        assert_eq!((Trunk(3).mask_seed(5), branch.mask_seed(5)), (5003, 5201));
        assert_eq!(branch.to_string(), "exit 2, junction 1");
    }
}
