//! Packing and unpacking: nothing is lost, and the bytes stay within the bounds that the formats promise.

mod support;

use lacewing_converter::choose::{candidates, choose, deployment_candidates};
use lacewing_converter::edges::Edges;
use lacewing_converter::find::Structure;
use lacewing_converter::grouping::Effort;
use lacewing_converter::pack::{DoesNotFit, PackedInt8, pack, pack_int8, pack_with};
use lacewing_converter::unpack::unpack;
use lacewing_engine::Quantisation;
use lacewing_kernels::{Activation, Element, IndexWidth, KernelSet, Packing};
use proptest::prelude::*;
use support::Random;

/// Which family a mask is drawn from.
#[derive(Clone, Copy, Debug)]
enum Family {
    Dense,
    InDegree,
    Any,
    Block(usize, usize),
    NM(usize, usize),
    Runs,
    Empty,
}

fn draw(family: Family, n_in: usize, n_out: usize, random: &mut Random) -> Edges {
    let mut mask = vec![false; n_in * n_out];
    match family {
        Family::Dense => mask.fill(true),
        Family::Empty => {}
        Family::Any => mask.iter_mut().for_each(|edge| *edge = random.below(7) == 0),
        Family::InDegree => {
            let degree = 1 + random.below(n_in);
            for row in mask.chunks_mut(n_in) {
                random.choose(degree, n_in).into_iter().for_each(|i| row[i] = true);
            }
        }
        Family::Block(rows, cols) => {
            let (columns, per) = (n_in / cols, 1 + random.below((n_in / cols).max(1)));
            for row_block in mask.chunks_mut(n_in * rows) {
                let chosen = random.choose(per.min(columns), columns);
                for row in row_block.chunks_mut(n_in) {
                    chosen.iter().for_each(|c| row[c * cols..(c + 1) * cols].fill(true));
                }
            }
        }
        Family::NM(n, m) => {
            for row in mask.chunks_mut(n_in) {
                for page in row.chunks_mut(m) {
                    let share = if page.len() == m {
                        n
                    } else {
                        ((n * page.len()) as f64 / m as f64).round().max(1.0) as usize
                    };
                    random.choose(share, page.len()).into_iter().for_each(|i| page[i] = true);
                }
            }
        }
        Family::Runs => {
            for row in mask.chunks_mut(n_in) {
                let (start, length) = (random.below(n_in), random.below(40));
                let end = (start + length).min(n_in);
                row[start..end].fill(true);
            }
        }
    }
    let dense: Vec<f32> = mask.iter().map(|_| random.weight()).collect();
    Edges::from_dense(n_in as u16, n_out as u16, &dense, |o, i, _| mask[o * n_in + i]).unwrap()
}

fn families() -> impl Strategy<Value = Family> {
    prop_oneof![
        Just(Family::Dense),
        Just(Family::InDegree),
        Just(Family::Any),
        Just(Family::Runs),
        Just(Family::Empty),
        (prop::sample::select(vec![1usize, 4, 8, 16, 32]), prop::sample::select(vec![1usize, 4, 8, 16]))
            .prop_map(|(rows, cols)| Family::Block(rows, cols)),
        prop::sample::select(vec![(1usize, 4usize), (2, 8), (4, 16), (3, 32), (1, 64)])
            .prop_map(|(n, m)| Family::NM(n, m)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every packing that fits gives the same edges back, has the bytes that were foretold, and computes what the dense
    /// weights compute.
    #[test]
    fn packing_loses_nothing(family in families(), n_in in 1usize..700, n_out in 1usize..70, seed in 1u64..u64::MAX) {
        let mut random = Random(seed);
        let edges = draw(family, n_in, n_out, &mut random);
        let bias: Vec<f32> = (0..n_out).map(|_| random.weight()).collect();
        let x: Vec<f32> = (0..n_in).map(|_| random.weight()).collect();
        let run = |packing: Packing| {
            let effort = Effort { places: 300_000, ..Effort::FULL };
            let packed = pack_with(&edges, &bias, Activation::Relu, packing, &effort).unwrap();
            let junction = packed.junction().unwrap();
            let mut y = vec![f32::NAN; n_out];
            KernelSet::SCALAR.choose(&packing).unwrap().unwrap().run(&junction, &x, &mut y).unwrap();
            (packed.len() - 4 * n_out, unpack(&junction).unwrap(), y)
        };
        let (_, _, want) = run(Packing::Dense);
        let structure = Structure::of(&edges);
        for (packing, bytes) in candidates(&edges, &structure) {
            let (found, back, y) = run(packing);
            prop_assert_eq!(found, bytes, "{}", packing);
            prop_assert_eq!(&back, &edges, "{}", packing);
            for (y, want) in y.iter().zip(&want) {
                prop_assert!((y - want).abs() <= 1e-4, "{packing}: {y}, dense gives {want}");
            }
        }
        for packing in deployment_candidates(&edges, &structure, Element::F32) {
            let (_, back, y) = run(packing);
            if packing != Packing::DenseInputMajor {
                prop_assert_eq!(&back, &edges, "{}", packing);
            } else {
                prop_assert_eq!(back.to_dense(), edges.to_dense());
            }
            for (y, want) in y.iter().zip(&want) {
                prop_assert!((y - want).abs() <= 1e-4, "{packing}: {y}, dense gives {want}");
            }
        }
        let chosen = choose(&edges, &structure);
        prop_assert!(chosen.bytes <= 4 * n_in * n_out);
        prop_assert_eq!(run(chosen.packing).0, chosen.bytes);
    }

    /// The same of int8: what the dense weights compute, bit for bit, whatever stands for 0.
    #[test]
    fn int8_packings_lose_nothing(family in families(), n_in in 1usize..300, n_out in 1usize..40, seed in 1u64..u64::MAX) {
        let mut random = Random(seed);
        let drawn = draw(family, n_in, n_out, &mut random);
        // No weight is 0: windows have no edge there.
        let whole = |weight: &f32| if *weight == 0.0 { 0.0 } else { weight.signum() * (weight.abs() * 127.0).ceil().min(127.0) };
        let dense: Vec<f32> = drawn.to_dense().iter().map(whole).collect();
        let edges = Edges::from_dense(n_in as u16, n_out as u16, &dense, |_, _, weight| weight != 0.0).unwrap();
        let zero = random.below(256) as u8 as i8;
        let bias: Vec<i32> = (0..n_out).map(|_| random.below(1 << 16) as i32 - (1 << 15)).collect();
        let x: Vec<i8> = (0..n_in).map(|_| if random.below(2) == 0 { zero } else { random.below(256) as u8 as i8 }).collect();
        let rescale = [(1i32 << 30).to_le_bytes().repeat(n_out), vec![-5i8 as u8; n_out]].concat();
        let (input, output) = (Quantisation { scale: 1.0, zero }, Quantisation { scale: 1.0, zero: 3 });
        let int8 = PackedInt8 { rescale, clamp: (-128, 127), input, output };
        let run = |packing: Packing| {
            let packed = pack_int8(&edges, &bias, Activation::None, packing, &int8).unwrap();
            let junction = packed.junction().unwrap();
            let mut y = vec![0x55; n_out];
            KernelSet::SCALAR.choose_for(&junction).unwrap().unwrap().run_i8(&junction, &x, &mut y).unwrap();
            (unpack(&junction).unwrap(), y)
        };
        let (_, want) = run(Packing::Dense);
        let structure = Structure::of(&edges);
        let all = candidates(&edges, &structure).into_iter().map(|(packing, _)| packing);
        for packing in all.chain(deployment_candidates(&edges, &structure, Element::I8)) {
            let (back, y) = run(packing);
            prop_assert_eq!(y, want.clone(), "{}", packing);
            if packing != Packing::DenseInputMajor {
                prop_assert_eq!(&back, &edges, "{}", packing);
            } else {
                prop_assert_eq!(back.to_dense(), edges.to_dense());
            }
        }
    }

    /// The structure a mask was drawn with is found.
    #[test]
    fn structure_is_found(blocks in 1usize..5, shape in prop::sample::select(vec![(8usize, 1usize), (16, 1), (8, 4), (1, 8)]), seed in 1u64..u64::MAX) {
        let (rows, cols) = shape;
        let edges = draw(Family::Block(rows, cols), 20 * cols * blocks, 2 * rows + 1, &mut Random(seed));
        let found = Structure::of(&edges);
        let fits = found.dense || found.blocks.iter().any(|fit| (usize::from(fit.rows), usize::from(fit.cols)) == shape && fit.exact);
        prop_assert!(fits, "{found:?}");
        for (n, m) in [(2, 8), (4, 16), (8, 32), (1, 64)] {
            let edges = draw(Family::NM(n, m), 64 * blocks + 40, 9, &mut Random(seed));
            let found = Structure::of(&edges);
            prop_assert!(found.nm.iter().any(|fit| usize::from(fit.m) == m && usize::from(fit.n) == n), "{n}:{m} {found:?}");
        }
    }
}

/// What the formats promise for 800×112 at density 1/4 and 1/10, f32, index bytes included.
#[test]
fn bytes_stay_within_their_bounds() {
    for density in [4usize, 10] {
        let mut random = Random(9);
        let degree = 800 / density;
        let mut mask = vec![false; 800 * 112];
        for row in mask.chunks_mut(800) {
            random.choose(degree, 800).into_iter().for_each(|i| row[i] = true);
        }
        let rows = Edges::from_dense(800, 112, &vec![0.5; 800 * 112], |o, i, _| mask[o * 800 + i]).unwrap();
        let rows = choose(&rows, &Structure::of(&rows));
        assert!(matches!(rows.packing, Packing::Rows { index: IndexWidth::Delta8, .. }), "{}", rows.packing);
        assert!(rows.bytes * 10 <= degree * 112 * 51, "{rows:?}");
    }
    let mut random = Random(5);
    let chosen: Vec<_> = (0..14).map(|_| random.choose(200, 800)).collect();
    let block = Edges::from_dense(800, 112, &vec![0.5; 800 * 112], |o, i, _| chosen[o / 8].contains(&i)).unwrap();
    let (choice, nnz) = (choose(&block, &Structure::of(&block)), block.nnz());
    assert!(
        matches!(choice.packing, Packing::Block { rows: 8, cols: 1, .. }) && choice.bytes * 10 <= nnz * 43,
        "{choice:?}"
    );
    for (n, m) in [(4, 16), (8, 32), (2, 32), (2, 8)] {
        let pages = draw(Family::NM(n, m), 800, 112, &mut Random(5));
        let (choice, nnz) = (choose(&pages, &Structure::of(&pages)), pages.nnz());
        assert_eq!(choice.packing, Packing::NM { n: n as u8, m: m as u8 });
        assert!(choice.bytes * 10 <= nnz * 47, "{choice:?}");
    }
}

/// Random rows of constant in-degree: what a nonzero costs in bytes, padding, positions, windows and order included. The smallest
/// packing is rows; the fastest for vector registers, windows, take more, and the more the sparser: within a quarter above 4.7
/// bytes at 1/4 in sixteen lanes, half above it at 1/10, and beyond that in eight, whose windows are narrow. Wide windows in eight
/// lanes, which no vector kernel runs, stay within a quarter and two fifths.
#[test]
fn random_masks_stay_within_their_bounds() {
    for (n_in, n_out, one_in, wide, sixteen, eight) in [
        (800, 112, 4, 4.7 * 1.25, 4.7 * 1.25, 6.5),
        (800, 112, 10, 4.7 * 1.4, 7.2, 9.0),
        (256, 256, 4, 4.7 * 1.25, 4.7 * 1.25, 6.5),
    ] {
        let mut random = Random(11);
        let chosen: Vec<_> = (0..n_out).map(|_| random.choose(n_in / one_in, n_in)).collect();
        let ones = vec![1.0; n_in * n_out];
        let edges = Edges::from_dense(n_in as u16, n_out as u16, &ones, |o, i, _| chosen[o].contains(&i)).unwrap();
        let bytes = |packing| {
            let effort = Effort { places: 20_000_000, ..Effort::FULL };
            let packed = pack_with(&edges, &[], Activation::None, packing, &effort).unwrap();
            let places = packed.padding().map(|padding| (padding.packed * edges.nnz() as f64).round() as usize);
            assert_eq!(places.unwrap_or(edges.nnz()) * 4, packed.parts().weights.len(), "what was counted is packed");
            packed.len() as f64 / edges.nnz() as f64
        };
        let structure = Structure::of(&edges);
        let smallest = choose(&edges, &structure).packing;
        assert_eq!(smallest, Packing::Rows { in_degree: (n_in / one_in) as u16, index: IndexWidth::Delta8 });
        assert_eq!(bytes(smallest), 5.0);
        // What vector kernels run, AVX-512's and AVX2's, and tables hold.
        let shapes = [((8, 32, 1), wide), ((16, 32, 2), sixteen), ((8, 8, 1), eight)];
        for (vectors, ((lanes, width, steps), bound)) in [false, true, true].into_iter().zip(shapes) {
            let packing = Packing::Windows { lanes, width, steps };
            assert_eq!(deployment_candidates(&edges, &structure, Element::F32).contains(&packing), vectors);
            let bytes = bytes(packing);
            assert!(bytes <= bound, "{n_in}×{n_out} at 1/{one_in}: {packing} takes {bytes} bytes, not {bound}");
        }
    }
}

#[test]
fn dense_is_kept_where_nothing_is_saved() {
    let choice_of = |edges_in_ten| {
        let mut random = Random(3);
        let mask: Vec<bool> = (0..100 * 50).map(|_| random.below(10) < edges_in_ten).collect();
        let edges = Edges::from_dense(100, 50, &[0.5; 5000], |o, i, _| mask[o * 100 + i]).unwrap();
        choose(&edges, &Structure::of(&edges))
    };
    assert_eq!(choice_of(7).packing, Packing::Csr { index: IndexWidth::Delta8 });
    let choice = choice_of(9);
    assert_eq!((choice.packing, choice.bytes), (Packing::Dense, 20_000));
    assert!(choice.reason.contains("dense takes 20000"), "{}", choice.reason);
}

#[test]
fn what_does_not_fit_is_refused() {
    let edges = Edges::from_dense(600, 2, &[1.0; 1200], |o, i, _| i == 300 + o || (o == 0 && i == 0)).unwrap();
    let packed = |packing| pack(&edges, &[], Activation::None, packing).map(|_| ());
    let refused = |row, packing| Err(DoesNotFit::Row { row, packing });
    for packing in
        [Packing::Rows { in_degree: 2, index: IndexWidth::Absolute16 }, Packing::Block { rows: 1, cols: 1, blocks: 2 }]
    {
        assert_eq!(packed(packing), refused(1, packing));
    }
    for packing in [
        Packing::Csr { index: IndexWidth::Delta8 },
        Packing::Block { rows: 2, cols: 1, blocks: 0 },
        Packing::Block { rows: 0, cols: 1, blocks: 0 },
        Packing::Block { rows: 1, cols: 4, blocks: 0 },
        Packing::NM { n: 1, m: 16 },
        Packing::NM { n: 1, m: 5 },
    ] {
        assert_eq!(packed(packing), refused(0, packing));
    }
    assert!(packed(Packing::Csr { index: IndexWidth::Absolute16 }).is_ok());
    let nan = Edges::from_dense(1, 1, &[f32::NAN], |_, _, _| true).unwrap();
    assert!(matches!(pack(&nan, &[], Activation::None, Packing::Dense), Err(DoesNotFit::Refused(_))));
    assert_eq!(
        pack(&nan, &[0.0; 2], Activation::None, Packing::Dense),
        Err(DoesNotFit::Biases { found: 2, outputs: 1 })
    );
}
