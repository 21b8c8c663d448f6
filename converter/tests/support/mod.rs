//! Trained networks made up in memory, and files of them.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod frameworks;
pub mod written;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use lacewing_models::{Mask, Recipe};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// xorshift64*, for weights.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) as usize % n
    }

    pub fn weight(&mut self) -> f32 {
        (self.below(2_000_001) as f32 - 1e6) / 1e6
    }

    /// `k` of 0..n.
    pub fn choose(&mut self, k: usize, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..k {
            let j = i + self.below(n - i);
            all.swap(i, j);
        }
        all.truncate(k);
        all
    }
}

/// A zip archive.
pub fn archive<'m>(members: impl IntoIterator<Item = (&'m str, &'m [u8])>, method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct Raw {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Raw {
    pub fn f32(shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    pub fn mask(mask: &Mask) -> Self {
        Self { dtype: Dtype::U8, shape: vec![mask.n_out(), mask.n_in()], bytes: mask.to_bytes() }
    }

    pub fn set_f32(&mut self, at: usize, value: f32) {
        self.bytes[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub fn get_f32(&self, at: usize) -> f32 {
        f32::from_le_bytes(self.bytes[at * 4..at * 4 + 4].try_into().unwrap())
    }
}

/// A trained-network file to be written: tensors and metadata.
#[derive(Clone, Debug, Default)]
pub struct Trained {
    pub tensors: HashMap<String, Raw>,
    pub metadata: HashMap<String, String>,
}

impl Trained {
    /// Random weights on the masks that the recipe draws, zero elsewhere; masks and recipe in the file.
    pub fn of(recipe: &Recipe) -> Self {
        let mut random = Random(recipe.training.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut trained = Self::default();
        for placed in recipe.placed_junctions() {
            let (n_in, n_out) = (placed.n_in, placed.n_out());
            let mask = placed.mask(recipe.training.seed).unwrap();
            let scale = 2.0 / (mask.nnz() as f32 / n_out as f32).sqrt();
            let mut weights = vec![0.0f32; n_in * n_out];
            for output in 0..n_out {
                mask.row(output).for_each(|input| weights[output * n_in + input] = scale * random.weight());
            }
            let bias: Vec<f32> = (0..n_out).map(|_| 0.1 * random.weight()).collect();
            trained.tensors.insert(placed.id.weight(), Raw::f32(&[n_out, n_in], &weights));
            trained.tensors.insert(placed.id.bias(), Raw::f32(&[n_out], &bias));
            trained.tensors.insert(placed.id.mask(), Raw::mask(&mask));
        }
        trained.metadata.insert("recipe".into(), recipe.to_toml());
        trained.metadata.insert("lacewing".into(), "1".into());
        trained
    }

    pub fn bytes(&self) -> Vec<u8> {
        let views = self
            .tensors
            .iter()
            .map(|(name, raw)| (name.clone(), TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes).unwrap()));
        safetensors::serialize(views.collect::<Vec<_>>(), Some(self.metadata.clone())).unwrap()
    }

    pub fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("trained.safetensors");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }

    pub fn tensor(&mut self, name: &str) -> &mut Raw {
        self.tensors.get_mut(name).unwrap()
    }
}

/// Three junctions, two exits, split after the first junction.
pub fn recipe() -> Recipe {
    Recipe::parse(
        r#"
        name = "three"
        classes = 5
        class_names = ["a", "b", "c", "d", "e"]
        [input]
        width = 40
        [[junction]]
        outputs = 20
        activation = "relu"
        pattern = "random"
        out_degree = 5
        [[junction]]
        outputs = 16
        activation = "leaky_relu"
        slope = 0.1
        [[junction]]
        outputs = 5
        [[exit]]
        after = 1
        threshold = 0.5
        temperature = 1.5
        [[exit]]
        after = 2
        metric = "entropy"
        threshold = 0.3
        [[exit.junction]]
        outputs = 8
        activation = "sigmoid"
        [[exit.junction]]
        outputs = 5
        [split]
        after = 1
        "#,
    )
    .unwrap()
}

/// Names of the files in a folder; none where there is no folder.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
