//! Networks that TensorFlow Lite quantised: the engine's outputs are those of its reference kernels, bit for bit. The fixtures'
//! script is `fixtures/tflite/make_tflite.py`.

mod support;

use lacewing_converter::convert::{HEAD, Options, convert};
use lacewing_converter::profile::Profile;
use lacewing_engine::{Engine, KernelSet, Model, Never};
use lacewing_models::Recipe;
use ndarray::Array2;
use ndarray_npy::NpzReader;
use support::fixture;

fn array(file: &str, name: &str) -> Array2<i8> {
    NpzReader::new(std::fs::File::open(fixture(file)).unwrap()).unwrap().by_name(&format!("{name}.npy")).unwrap()
}

#[test]
fn outputs_are_those_of_tensorflow_lite() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = array("tflite/inputs.npz", "inputs");
    for name in ["per-tensor", "per-channel"] {
        let recipe = Recipe::read(fixture(&format!("tflite/{name}.toml"))).unwrap();
        for target in [None, Some("x86-64-avx2"), Some("x86-64-avx512")] {
            let profile = target.map(|name| Profile::load(name).unwrap());
            let options = Options { profile: profile.as_ref(), ..Options::default() };
            let file = fixture(&format!("tflite/{name}.npz"));
            convert(&file, Some(recipe.clone()), dir.path(), &options).unwrap();
            let bytes = std::fs::read(dir.path().join(HEAD)).unwrap();
            let want = array(&format!("tflite/{name}.expected.npz"), "outputs");
            assert_eq!((inputs.nrows(), want.dim()), (1000, (1000, 5)));
            for kernels in [KernelSet::ALL, KernelSet::SCALAR] {
                let model = Model::parse(&bytes, &kernels).unwrap();
                let mut scratch = vec![0; model.scratch_len()];
                let mut engine = Engine::new_i8(&model, &mut scratch).unwrap();
                for (sample, (input, want)) in inputs.rows().into_iter().zip(want.rows()).enumerate() {
                    engine.load(&input.to_vec()).unwrap();
                    let _ = engine.run(&mut Never);
                    assert_eq!(engine.logits(), want.to_vec(), "{name}, sample {sample}");
                }
            }
        }
    }
}
