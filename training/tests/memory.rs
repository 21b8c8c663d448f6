//! What a training takes besides its data: by the nonzeros, never a dense copy of weights, gradients or moments. A process of its own,
//! because the system counts by process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use lacewing_models::{Dataset, Recipe};
use lacewing_training::train;

const WIDTH: usize = 8192;
const SAMPLES: usize = 512;

/// The most that this process had in memory so far.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
}

#[test]
fn a_hundredth_of_8192_by_8192_takes_200_megabytes_at_most() {
    let values = (0..SAMPLES * WIDTH).map(|k| (k % 251) as f32 / 251.0).collect();
    let data = Dataset::new(WIDTH, values, (0..SAMPLES).map(|k| (k % 10) as u16).collect()).unwrap();
    let before = peak();
    // A dense copy of the weights alone would be 268 MB.
    for pattern in ["pattern = \"random\"\nout_degree = 82", "pattern = \"random_density\"\ndensity = 0.01"] {
        let recipe = format!(
            "name = \"wide\"\nclasses = 10\n[input]\nwidth = {WIDTH}\n[[junction]]\noutputs = {WIDTH}\n{pattern}\n[[junction]]\n\
             outputs = 10\n[training]\nepochs = 2\nbatch = 256\n"
        );
        let trained = train(&Recipe::parse(&recipe).unwrap(), &data, &data, |_| {}).unwrap();
        assert!(trained.nonzeros().next().unwrap().1 > 600_000);
        let taken = (peak() - before) / 1_000_000;
        assert!(taken <= 200, "{pattern}: {taken} MB");
    }
}
