//! Patterns: degrees, pages, blocks and clash-freeness of whatever is drawn.
#![allow(missing_docs)]

use lacewing_models::pattern::{PAGES, verify_clash_free};
use lacewing_models::{Mask, Pattern, PatternError};
use proptest::prelude::*;

/// Widths and an out-degree that go together.
fn regular() -> impl Strategy<Value = (usize, usize, usize)> {
    (1..=4_usize, 1..=8_usize, 1..=8_usize).prop_flat_map(|(scale, a, b)| {
        // From a·scale to b·scale neurons every multiple of b is a possible out-degree.
        (Just(a * scale), Just(b * scale), (1..=scale).prop_map(move |times| times * b))
    })
}

fn all_equal(degrees: &[usize], value: usize) -> bool {
    degrees.iter().all(|&degree| degree == value)
}

fn spread(degrees: &[usize]) -> usize {
    degrees.iter().max().unwrap() - degrees.iter().min().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_is_regular((n_in, n_out, out_degree) in regular(), seed in any::<u64>()) {
        let pattern = Pattern::Random { out_degree };
        let mask = pattern.mask(n_in, n_out, seed).unwrap();
        prop_assert!(all_equal(&mask.out_degrees(), out_degree));
        prop_assert!(all_equal(&mask.in_degrees(), n_in * out_degree / n_out));
        prop_assert_eq!(mask, pattern.mask(n_in, n_out, seed).unwrap());
    }

    #[test]
    fn clash_free_is_regular_and_clash_free(
        (n_in, n_out, out_degree) in regular(), pick in any::<prop::sample::Index>(),
        kind in 1..=3_u8, dither in any::<bool>(), seed in any::<u64>(),
    ) {
        let divisors: Vec<usize> = (1..=n_in).filter(|&z| n_in % z == 0).collect();
        let z = *pick.get(&divisors);
        let pattern = Pattern::ClashFree { out_degree, z, kind, dither };
        let mask = pattern.mask(n_in, n_out, seed).unwrap();
        prop_assert!(all_equal(&mask.out_degrees(), out_degree), "{:?}", mask.out_degrees());
        prop_assert!(all_equal(&mask.in_degrees(), n_in * out_degree / n_out));
        prop_assert_eq!(verify_clash_free(&mask, z), Ok(()));
        prop_assert_eq!(mask, pattern.mask(n_in, n_out, seed).unwrap());
    }

    #[test]
    fn nm_has_n_of_every_page(
        n_in in 1..150_usize, n_out in 1..24_usize, page in 0..5_usize, pick in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let m = PAGES[page];
        let n = 1 + pick.index(m);
        let mask = Pattern::NM { n, m }.mask(n_in, n_out, seed).unwrap();
        for first in (0..n_in).step_by(m) {
            let inputs = first..n_in.min(first + m);
            let share = (n as f64 * inputs.len() as f64 / m as f64).round().max(1.0) as usize;
            for output in 0..n_out {
                prop_assert_eq!(mask.row(output).filter(|input| inputs.contains(input)).count(), share);
            }
            prop_assert!(spread(&mask.out_degrees()[inputs]) <= 1);
        }
    }

    #[test]
    fn blocks_are_whole_and_even(
        rows in 1..=8_usize, cols in 1..=8_usize, across in 1..=10_usize, n_out in 1..40_usize,
        density in 0.01..=1.0_f64, seed in any::<u64>(),
    ) {
        let n_in = cols * across;
        let mask = Pattern::Block { rows, cols, density }.mask(n_in, n_out, seed).unwrap();
        let in_row = ((density * across as f64).round() as usize).max(1);
        prop_assert!(all_equal(&mask.in_degrees(), in_row * cols));
        let mut blocks_down = vec![0; across];
        for top in (0..n_out).step_by(rows) {
            let first: Vec<usize> = mask.row(top).collect();
            for block in first.chunks(cols) {
                prop_assert_eq!(block[0] % cols, 0);
                prop_assert_eq!(block[cols - 1], block[0] + cols - 1);
                blocks_down[block[0] / cols] += 1;
            }
            for output in top..n_out.min(top + rows) {
                prop_assert!(mask.row(output).eq(first.iter().copied()));
            }
        }
        prop_assert!(spread(&blocks_down) <= 1);
    }

    #[test]
    fn density_gives_its_edges(
        n_in in 1..60_usize, n_out in 1..60_usize, density in 0.001..=1.0_f64, seed in any::<u64>(),
    ) {
        let mask = Pattern::RandomDensity { density }.mask(n_in, n_out, seed).unwrap();
        prop_assert_eq!(mask.nnz(), ((density * (n_in * n_out) as f64).round() as usize).max(1));
    }

    #[test]
    fn whatever_is_checked_can_be_drawn(
        n_in in 0..40_usize, n_out in 0..40_usize, a in 0..40_usize, b in 0..40_usize, kind in 0..5_u8,
        density in -0.5..1.5_f64,
    ) {
        for pattern in [
            Pattern::Random { out_degree: a },
            Pattern::RandomDensity { density },
            Pattern::ClashFree { out_degree: a, z: b, kind, dither: true },
            Pattern::Block { rows: a, cols: b, density },
            Pattern::NM { n: a, m: b },
        ] {
            let drawn = pattern.mask(n_in, n_out, 1);
            prop_assert_eq!(pattern.check(n_in, n_out), drawn.map(|_| ()));
        }
    }
}

#[test]
fn clash_free_survives_in_degrees_near_the_number_of_inputs() {
    // Outputs whose edges lie in two sweeps, and few choices for them.
    for (n_in, n_out, out_degree) in [(12, 12, 11), (12, 8, 6), (20, 12, 9), (30, 25, 20), (160, 28, 7)] {
        for kind in 1..=3 {
            for (dither, z) in [(false, 2), (true, 2), (true, n_in / 2), (true, n_in), (false, 1)] {
                for seed in 0..6 {
                    let pattern = Pattern::ClashFree { out_degree, z, kind, dither };
                    let mask = pattern.mask(n_in, n_out, seed).unwrap();
                    assert!(all_equal(&mask.out_degrees(), out_degree), "{pattern} from {n_in} to {n_out}");
                    assert!(all_equal(&mask.in_degrees(), n_in * out_degree / n_out), "{pattern}");
                    assert_eq!(verify_clash_free(&mask, z), Ok(()), "{pattern} from {n_in} to {n_out}");
                }
            }
        }
    }
}

#[test]
fn random_masks_are_hardly_ever_clash_free() {
    let mask = Pattern::Random { out_degree: 10 }.mask(80, 40, 1).unwrap();
    assert!(verify_clash_free(&mask, 20).is_err());
}

/// FNV-1a of a mask's bytes.
fn fingerprint(mask: &Mask) -> u64 {
    mask.to_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn masks_never_change() {
    // A trained network names its masks by seed: another number here makes every one of them unrepeatable.
    let clash_free = |kind, dither| Pattern::ClashFree { out_degree: 10, z: 20, kind, dither };
    let masks = [
        (Pattern::Random { out_degree: 10 }, 0x6f4e_d3e1_44e3_da99),
        (Pattern::RandomDensity { density: 0.1 }, 0xc7ec_3d7e_68cd_e263),
        (clash_free(1, false), 0x4aa5_be7b_53ac_1325),
        (clash_free(2, true), 0x3ee8_6913_e5ad_9fcd),
        (clash_free(3, true), 0x9d94_4346_c34d_c65d),
        (Pattern::Block { rows: 8, cols: 4, density: 0.2 }, 0x9e48_e88d_4a84_7345),
        (Pattern::NM { n: 4, m: 16 }, 0x180a_838b_aed1_2e99),
    ];
    let found = masks.map(|(pattern, _)| (pattern, fingerprint(&pattern.mask(200, 100, 42).unwrap())));
    assert_eq!(found, masks);
}

#[test]
fn impossible_patterns_say_what_is_possible() {
    let says = |pattern: Pattern, words: &str| {
        let error = pattern.check(800, 100).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    says(Pattern::Random { out_degree: 101 }, "1 to 100");
    says(Pattern::RandomDensity { density: 0.0 }, "above 0");
    says(Pattern::RandomDensity { density: f64::NAN }, "above 0");
    says(Pattern::ClashFree { out_degree: 10, z: 30, kind: 1, dither: false }, "25 and 32");
    says(Pattern::ClashFree { out_degree: 10, z: 0, kind: 1, dither: false }, "are 1");
    says(Pattern::ClashFree { out_degree: 10, z: 20, kind: 4, dither: false }, "type 4");
    says(Pattern::Block { rows: 33, cols: 1, density: 0.1 }, "33 x 1");
    says(Pattern::Block { rows: 8, cols: 3, density: 0.1 }, "2 and 4");
    says(Pattern::NM { n: 3, m: 12 }, "3:12");
    says(Pattern::NM { n: 5, m: 4 }, "5:4");
    assert!(matches!(Pattern::Dense.check(0, 4), Err(PatternError::NoNeurons { .. })));
    assert!(matches!(Pattern::Dense.check(usize::MAX, 4), Err(PatternError::TooLarge { .. })));
    assert!(matches!(Pattern::Dense.check(65_535, 65_535), Err(PatternError::TooLarge { .. })));
}
