//! Target profiles: what each packing costs on a processor, as measured by [`tune`](crate::tune::tune), or a cautious rule
//! where nothing was measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lacewing_kernels::{Element, KernelSet, Packing};
use serde::Deserialize;
use thiserror::Error;

mod break_even;

pub use break_even::BreakEven;

/// The profiles that come with the program, by name.
const BUILT_IN: [(&str, &str); 4] = [
    ("x86-64-avx2", include_str!("../profiles/x86-64-avx2.toml")),
    ("x86-64-avx512", include_str!("../profiles/x86-64-avx512.toml")),
    ("aarch64-generic", include_str!("../profiles/aarch64-generic.toml")),
    ("cortex-m4", include_str!("../profiles/cortex-m4.toml")),
];

/// What a target is fast at.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The target's name.
    pub name: String,
    /// The instruction set of the kernels: `scalar`, `neon`, `avx2`, `avx512`.
    pub isa: String,
    /// The processor, as a class: what a figure rests on.
    pub processor: String,
    /// When it was measured, `YYYY-MM-DD`, and by which command.
    pub measured: Option<String>,
    /// The rule where nothing was measured.
    pub cautious: Option<Cautious>,
    /// What was measured.
    #[serde(default, rename = "packing")]
    pub packings: Vec<Measured>,
    /// The same of int8 junctions; the above is of f32 ones.
    pub int8: Option<Int8Times>,
}

/// What a target is fast at in int8. Its kernels may want another instruction set than those of f32, and what was measured may have
/// been measured elsewhere.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int8Times {
    /// The instruction set of the kernels: `neondot`, `avx2`, `avx512vnni` …
    pub isa: String,
    /// The processor, as a class.
    pub processor: String,
    /// When it was measured, `YYYY-MM-DD`, and by which command.
    pub measured: Option<String>,
    /// The rule where nothing was measured.
    pub cautious: Option<Cautious>,
    /// What was measured.
    #[serde(default, rename = "packing")]
    pub packings: Vec<Measured>,
}

/// What a profile says of junctions of one element.
#[derive(Clone, Copy)]
struct Times<'p> {
    cautious: Option<&'p Cautious>,
    packings: &'p [Measured],
}

/// Sparse below a density, dense above: for targets that were not measured.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cautious {
    /// Above this density a junction is packed dense.
    pub dense_above: f64,
    /// The [families](family) to use.
    pub packings: Vec<String>,
}

/// The times of one family of packings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The [family].
    pub family: String,
    /// Where it was measured.
    pub points: Vec<Point>,
    /// Up to which density it is faster than dense, for each shape measured; told from the points.
    #[serde(default)]
    pub break_even: Vec<BreakEven>,
}

/// A time measured: of one junction.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "[f64; 5]")]
pub struct Point {
    /// Inputs.
    pub inputs: f64,
    /// Outputs.
    pub outputs: f64,
    /// Density ρ of the mask.
    pub density: f64,
    /// Nanoseconds a stored weight, padding counted, where no input is zero.
    pub ns: f64,
    /// The same where every input is zero, on the line through measurements; less only where zero inputs are passed over.
    pub idle_ns: f64,
}

impl From<[f64; 5]> for Point {
    fn from([inputs, outputs, density, ns, idle_ns]: [f64; 5]) -> Self {
        Self { inputs, outputs, density, ns, idle_ns }
    }
}

/// A profile cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No such name, and no such file.
    #[error(
        "there is no target {name}: it is neither a file nor one of {known}; `lacewing tune` measures this machine"
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file is no profile.
    #[error("the target profile {name} is refused: {error}")]
    Toml {
        /// The profile.
        name: String,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// A number is out of range, or something is missing.
    #[error("the target profile {name} is refused: {what}")]
    Bad {
        /// The profile.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// The packings that one kernel runs, and that cost the same for a stored weight: `rows8`, `block 8x1`, `nm_lanes 8 x8`,
/// `windows 8 x8`, `windows 2:32 x16` …
#[must_use]
pub fn family(packing: &Packing) -> String {
    match packing {
        Packing::Block { rows, cols, .. } => format!("block {rows}x{cols}"),
        Packing::NM { m, .. } => format!("nm {m}"),
        Packing::NMLanes { m, lanes, .. } => format!("nm_lanes {m} x{lanes}"),
        Packing::Windows { .. } => packing.to_string(),
        other => other.name().to_owned(),
    }
}

/// A junction as far as its time depends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Inputs.
    pub inputs: f64,
    /// Outputs.
    pub outputs: f64,
    /// Density ρ of the mask; 1 for dense packings.
    pub density: f64,
    /// Weights stored, padding counted.
    pub stored: f64,
    /// Share of the inputs that are not zero, 0 to 1.
    pub nonzero_inputs: f64,
}

/// Where a junction lies among those measured: the logarithms of its edges, which say what level of the caches holds them, and
/// of its in-degree, or out-degree where the packing goes input by input, which says how often a loop begins.
fn place(packing: &Packing, inputs: f64, outputs: f64, density: f64) -> (f64, f64) {
    let of_a_loop = if packing.skips_zero_inputs() { outputs } else { inputs };
    ((inputs * outputs * density).max(1.0).ln(), (of_a_loop * density).max(1.0).ln())
}

impl Profile {
    /// The names of the profiles that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The measured profile that comes with the program for the widest instruction set that this machine has and
    /// `LACEWING_ISA` allows.
    #[must_use]
    pub fn of_this_machine() -> Option<Self> {
        let dense = KernelSet::ALL.choose(&Packing::Dense).ok().flatten()?;
        let isa = dense.kernel().isa().name();
        let profiles = BUILT_IN.iter().filter_map(|(name, text)| Self::parse(name, text).ok());
        profiles.into_iter().find(|profile| profile.isa == isa && profile.measured.is_some())
    }

    /// The profile of that name that comes with the program, or the one in that file.
    ///
    /// # Errors
    /// There is none, or it is refused.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(name, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ProfileError::Unknown { name: name.into(), known: Self::names().collect::<Vec<_>>().join(", ") })
            }
            Err(error) => Err(ProfileError::Io { path: path.into(), error }),
        }
    }

    /// Reads a profile; `name` is for messages.
    ///
    /// # Errors
    /// It is no TOML, has unknown keys, or numbers out of range.
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let refused = |error| ProfileError::Toml { name: name.into(), error: Box::new(error) };
        let profile: Self = toml::from_str(text).map_err(refused)?;
        profile.check().map_err(|what| ProfileError::Bad { name: name.into(), what })?;
        Ok(profile)
    }

    fn times(&self, element: Element) -> Option<Times<'_>> {
        match element {
            Element::I8 => {
                self.int8.as_ref().map(|int8| Times { cautious: int8.cautious.as_ref(), packings: &int8.packings })
            }
            _ => Some(Times { cautious: self.cautious.as_ref(), packings: &self.packings }),
        }
    }

    /// Whether it says anything of junctions of this element.
    #[must_use]
    pub fn knows(&self, element: Element) -> bool {
        self.times(element).is_some()
    }

    /// The rule for junctions of this element, where nothing was measured.
    #[must_use]
    pub fn cautious(&self, element: Element) -> Option<&Cautious> {
        self.times(element)?.cautious
    }

    fn check(&self) -> Result<(), String> {
        let mut times = [Element::F32, Element::I8].into_iter().filter_map(|element| self.times(element));
        times.try_for_each(Times::check)
    }

    /// Nanoseconds that a junction takes, by the points measured around it; `None` where the family was not measured.
    /// The time of a weight is the mean of the points', each with the weight 1 / distance⁴ (after Shepard): a point itself
    /// counts alone, and what lies far from all is an estimate and no more.
    #[must_use]
    pub fn estimate(&self, element: Element, packing: &Packing, load: &Load) -> Option<f64> {
        let family = family(packing);
        let measured = self.times(element)?.packings.iter().find(|measured| measured.family == family)?;
        let here = place(packing, load.inputs, load.outputs, load.density);
        let share = load.nonzero_inputs.clamp(0.0, 1.0);
        let (mut sum, mut weights) = (0.0, 0.0);
        for point in &measured.points {
            let there = place(packing, point.inputs, point.outputs, point.density);
            let squared = (here.0 - there.0).powi(2) + (here.1 - there.1).powi(2);
            let weight = 1.0 / (squared * squared).max(1e-12);
            sum += weight * (point.idle_ns + (point.ns - point.idle_ns).max(0.0) * share);
            weights += weight;
        }
        Some(sum / weights * load.stored)
    }

    /// The profile as TOML; [`parse`](Self::parse) reads it back, numbers with four digits.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!("name = {}\n", quoted(&self.name));
        let times = |element| self.times(element).into_iter();
        let f32s = (&*self.isa, &*self.processor, self.measured.as_ref());
        times(Element::F32).for_each(|times| times.write("", f32s, &mut text));
        if let Some(int8) = &self.int8 {
            text.push_str("\n[int8]\n");
            let about = (&*int8.isa, &*int8.processor, int8.measured.as_ref());
            times(Element::I8).for_each(|times| times.write("int8.", about, &mut text));
        }
        text
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Times<'_> {
    fn check(self) -> Result<(), String> {
        let dense = Packing::Dense.name();
        match self.cautious {
            Some(rule) if !(0.0..=1.0).contains(&rule.dense_above) => {
                return Err(format!("dense_above = {} is no density: 0 to 1", rule.dense_above));
            }
            None if !self.packings.iter().any(|measured| measured.family == dense) => {
                return Err("it has neither a [cautious] rule nor times of the dense packing".into());
            }
            _ => {}
        }
        for Measured { family, points, break_even } in self.packings {
            if let Some(even) = break_even.iter().find(|even| !(0.0..=1.0).contains(&even.density)) {
                return Err(format!("{family} has a break_even that is no density: {even:?}"));
            }
            if points.is_empty() {
                return Err(format!("{family} has no points"));
            }
            for point in points {
                let Point { inputs, outputs, density, ns, idle_ns } = *point;
                let shape = inputs >= 1.0 && outputs >= 1.0 && (inputs * outputs).is_finite();
                let times = ns > 0.0 && ns.is_finite() && idle_ns >= 0.0 && idle_ns.is_finite();
                if !(shape && times && density > 0.0 && density <= 1.0) {
                    return Err(format!("{family} has a point out of range: {point:?}"));
                }
            }
        }
        Ok(())
    }

    /// `within` is what the tables' names begin with.
    fn write(self, within: &str, (isa, processor, measured): (&str, &str, Option<&String>), text: &mut String) {
        text.push_str(&format!("isa = {}\nprocessor = {}\n", quoted(isa), quoted(processor)));
        if let Some(measured) = measured {
            text.push_str(&format!("measured = {}\n", quoted(measured)));
        }
        if let Some(Cautious { dense_above, packings }) = self.cautious {
            let packings: Vec<String> = packings.iter().map(|one| quoted(one)).collect();
            let packings = packings.join(", ");
            text.push_str(&format!("\n[{within}cautious]\ndense_above = {dense_above}\npackings = [{packings}]\n"));
        }
        if !self.packings.is_empty() {
            text.push_str(
                "\n# Points: inputs, outputs, density, ns a stored weight, the same where every input is zero. Break-evens: inputs, outputs,\n\
                 # weights stored over all places where the packing takes as long as the fastest dense.\n",
            );
        }
        for Measured { family, points, break_even } in self.packings {
            text.push_str(&format!("[[{within}packing]]\nfamily = {}\n", quoted(family)));
            if !break_even.is_empty() {
                let shape = |even: &BreakEven| format!("[{}, {}, {}]", even.inputs, even.outputs, even.density);
                let evens = break_even.iter().map(shape).collect::<Vec<_>>().join(", ");
                text.push_str(&format!("break_even = [{evens}]\n"));
            }
            text.push_str("points = [\n");
            for Point { inputs, outputs, density, ns, idle_ns } in points {
                text.push_str(&format!("    [{inputs}, {outputs}, {density:.4}, {ns:.4}, {idle_ns:.4}],\n"));
            }
            text.push_str("]\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "t"
isa = "avx2"
processor = "some \"class\""
measured = "2026-01-01"
[[packing]]
family = "dense"
points = [[10, 10, 1.0, 0.1, 0.1], [100, 100, 1.0, 0.3, 0.3]]
[[packing]]
family = "input_major8"
points = [[10, 10, 0.5, 0.4, 0.2], [10, 10, 0.125, 0.8, 0.2]]
[int8]
isa = "avx512vnni"
processor = "another"
[[int8.packing]]
family = "dense"
points = [[10, 10, 1.0, 0.05, 0.05]]
"#;

    fn load(inputs: f64, outputs: f64, density: f64) -> Load {
        Load { inputs, outputs, density, stored: 10.0, nonzero_inputs: 1.0 }
    }

    #[test]
    fn a_point_counts_alone_and_near_ones_most() {
        let profile = Profile::parse("t", TEXT).unwrap();
        let dense = |side: f64| profile.estimate(Element::F32, &Packing::Dense, &load(side, side, 1.0)).unwrap();
        assert!((dense(10.0) - 1.0).abs() < 1e-6 && (dense(100.0) - 3.0).abs() < 1e-6);
        assert!((dense(1000.0_f64.sqrt()) - 2.0).abs() < 1e-6, "half way on the logarithms");
        assert!(dense(12.0) > 1.0 && dense(12.0) < 1.01 && dense(1e4) > 2.5 && dense(1e4) < 3.0);
        let packing = Packing::InputMajor { out_degree: 3, index: lacewing_kernels::IndexWidth::Delta8 };
        let at = |density, nonzero_inputs| {
            profile.estimate(Element::F32, &packing, &Load { nonzero_inputs, ..load(10.0, 10.0, density) }).unwrap()
        };
        for (density, share, want) in [(0.5, 1.0, 4.0), (0.25, 1.0, 6.0), (0.5, 0.0, 2.0), (0.5, 0.5, 3.0)] {
            assert!((at(density, share) - want).abs() < 1e-6, "{density} {share}: {}", at(density, share));
        }
        assert_eq!(profile.estimate(Element::F32, &Packing::NM { n: 1, m: 8 }, &load(10.0, 10.0, 0.1)), None);
        // int8 has times of its own.
        let int8 = |packing| profile.estimate(Element::I8, packing, &load(10.0, 10.0, 1.0));
        assert!((int8(&Packing::Dense).unwrap() - 0.5).abs() < 1e-6 && int8(&packing).is_none());
        assert!(profile.knows(Element::I8) && !Profile { int8: None, ..profile.clone() }.knows(Element::I8));
    }

    /// What decides is how long a loop runs: rows by their in-degree, inputs by their out-degree.
    #[test]
    fn degrees_count_the_way_the_packing_goes() {
        let dense = place(&Packing::Dense, 100.0, 10.0, 1.0);
        let by_input = place(&Packing::DenseInputMajor, 100.0, 10.0, 1.0);
        assert_eq!((dense.0, dense.1, by_input.1), (by_input.0, 100.0_f64.ln(), 10.0_f64.ln()));
    }

    #[test]
    fn written_profiles_are_read_back() {
        let profile = Profile::parse("t", TEXT).unwrap();
        assert_eq!(Profile::parse("t", &profile.to_toml()).unwrap(), profile);
        for name in Profile::names() {
            let profile = Profile::load(name).unwrap();
            assert_eq!(profile.name, name);
            assert_eq!(Profile::parse(name, &profile.to_toml()).unwrap(), profile);
        }
    }

    #[test]
    fn bad_profiles_are_refused_with_a_reason() {
        for (from, to, says) in [
            ("\"dense\"", "\"danse\"", "neither a [cautious] rule nor times of the dense"),
            ("0.1, 0.1", "nan, 0.1", "out of range"),
            ("0.4, 0.2", "-0.4, 0.2", "out of range"),
            ("0.5, 0.4", "1.5, 0.4", "out of range"),
            ("isa", "ise", "unknown field"),
            ("0.05, 0.05", "0.0, 0.05", "out of range"),
            (
                "family = \"dense\"\npoints = [[10, 10, 1.0, 0.05",
                "family = \"rows8\"\npoints = [[10, 10, 1.0, 0.05",
                "neither",
            ),
            ("[10, 10, 1.0, 0.1, 0.1], ", "[10, 10, 1.0], ", "length"),
            ("measured = \"2026-01-01\"", "[cautious]\ndense_above = 3.0\npackings = []", "no density"),
        ] {
            let error = Profile::parse("t", &TEXT.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
        assert!(Profile::load("no-such-target").unwrap_err().to_string().contains("x86-64-avx2"));
    }
}
