//! Data small enough to be made here.

use lacewing_models::Dataset;

/// Three noisy patterns of stripes; `salt` makes different noise.
pub fn stripes(samples: usize, salt: u32) -> Dataset {
    let mut state = 12_345_u32.wrapping_add(salt);
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let labels: Vec<u16> = (0..samples).map(|sample| (sample % 3) as u16).collect();
    let stripe = |label: u16, feature: usize| if feature % 3 == usize::from(label) { 0.5 } else { 0.0 };
    let values = labels.iter().flat_map(|&label| (0..40).map(move |feature| stripe(label, feature)));
    Dataset::new(40, values.map(|v| v + noise()).collect(), labels).unwrap()
}
