//! Instructions of single junctions, and their record.

use serde::{Deserialize, Serialize};

/// The file that the program finds in its folder: int8 images for the junctions that pass over zero inputs.
pub const INPUTS: &str = "images.i8";

/// `benches/record/<target>/junctions.toml`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JunctionRecord {
    /// The target triple.
    pub target: String,
    /// The machine that QEMU played.
    pub machine: String,
    /// The version of rustc.
    pub rustc: String,
    /// Year-month-day.
    pub date: String,
    /// The junctions, in the program's order.
    #[serde(rename = "junction")]
    pub junctions: Vec<JunctionCount>,
}

/// One junction, run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JunctionCount {
    /// Inputs x outputs.
    pub shape: String,
    /// `int8` or `f32`.
    pub element: String,
    /// The packing and its numbers.
    pub packing: String,
    /// The kernel that the target chooses.
    pub kernel: String,
    /// Products.
    pub nnz: u64,
    /// Instructions of the whole junction.
    pub instructions: u64,
}

impl JunctionCount {
    /// What it is, in words.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {} {}", self.shape, self.element, self.packing)
    }
}

/// Puts the program's lines, `SHAPE ELEMENT NNZ KERNEL PACKING`, and the counter's regions together: of lines that follow each other and are the
/// same, which are runs on several inputs, the mean. `None` where they do not fit.
#[must_use]
pub fn counts(lines: &str, regions: &[u64]) -> Option<Vec<JunctionCount>> {
    let lines: Vec<&str> = lines.lines().collect();
    if lines.len() != regions.len() {
        return None;
    }
    let runs: Vec<(&str, u64)> = lines.into_iter().zip(regions.iter().copied()).collect();
    let counted = runs.chunk_by(|(one, _), (other, _)| one == other).map(|runs| {
        let (line, instructions) = (runs.first()?.0, mean(runs.iter().map(|(_, count)| *count))?);
        let mut words = line.splitn(5, ' ').map(str::to_owned);
        let (shape, element, nnz) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
        let (kernel, packing) = (words.next()?, words.next()?);
        Some(JunctionCount { shape, element, packing, kernel, nnz, instructions })
    });
    counted.collect()
}

/// Rounded; `None` of nothing.
fn mean(counts: impl ExactSizeIterator<Item = u64>) -> Option<u64> {
    let n = counts.len() as u64;
    (counts.sum::<u64>() + n / 2).checked_div(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_regions_are_put_together() {
        let counted = counts("800x112 int8 22400 nm4of16_i8_1x8/dsp nm 4:16\n", &[104_989]).unwrap();
        assert_eq!(counted[0].name(), "800x112 int8 nm 4:16");
        assert_eq!((counted[0].nnz, counted[0].instructions), (22_400, 104_989));
        let images = "800x112 int8 22400 input_major16_i8_4x4/dsp input_major16 d=28\n".repeat(2);
        let counted = counts(&format!("{images}800x112 int8 1 a b\n"), &[100, 103, 7]).unwrap();
        assert_eq!(counted.iter().map(|count| count.instructions).collect::<Vec<_>>(), [102, 7], "a mean and one");
        assert!(counts("800x112 int8", &[1]).is_none(), "words are missing");
        assert!(counts("", &[1]).is_none(), "a region without a line");
    }
}
