//! The gradients against finite differences of the loss, which is written down once more here, sample by sample and in
//! double precision.

use lacewing_kernels::{Activation, IsaError, Quantisation};
use lacewing_models::Recipe;
use lacewing_models::recipe::PlacedJunction;
use rand_chacha::rand_core::Rng;

use crate::int8::{Range, Ranges, Scales, round_parameters};
use crate::junction::Junction;
use crate::network::{Network, Shard};
use crate::order::{Stream, rng};
use crate::parameters::Parameters;
use crate::plan;

/// More than one chunk of lanes, and not a whole number of them.
const SAMPLES: usize = 37;
/// Small, so that hardly a sum lies within reach of a kink; the losses are precise to 1e-15.
const STEP: f64 = 1e-7;

fn activate(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::None => v,
        Activation::Relu => v.max(0.0),
        Activation::LeakyRelu { slope } => v.max(0.0) + f64::from(slope) * v.min(0.0),
        Activation::Relu6 => v.clamp(0.0, 6.0),
        Activation::Tanh => v.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        other => panic!("{other:?} has no reference"),
    }
}

/// Weights and biases of every node.
type Wide = Vec<(Vec<f64>, Vec<f64>)>;

fn widen(parameters: &[Parameters]) -> Wide {
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
    parameters.iter().map(|p| (wide(&p.weights), wide(&p.biases))).collect()
}

/// Of every sample and node, what rounding adds to its outputs; `None` where they saturate, and are what is said.
type Rounding = Vec<Vec<Vec<Result<f64, f64>>>>;

fn loss(network: &Network, parameters: &Wide, samples: &[(Vec<f32>, usize)], rounding: Option<&Rounding>) -> f64 {
    let one = |(sample, (x, label)): (usize, &(Vec<f32>, usize))| -> f64 {
        let outputs = outputs(network, parameters, x, rounding.map(|rounding| rounding[sample].as_slice()));
        let exits = network.exits().iter().map(|exit| {
            let logits = &outputs[exit.node];
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            f64::from(exit.loss_weight) * (sum.ln() - logits[*label])
        });
        exits.sum()
    };
    samples.iter().enumerate().map(one).sum::<f64>() / samples.len() as f64
}

fn outputs(
    network: &Network,
    parameters: &Wide,
    x: &[f32],
    rounding: Option<&[Vec<Result<f64, f64>>]>,
) -> Vec<Vec<f64>> {
    let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let mut outputs: Vec<Vec<f64>> = Vec::new();
    for (at, (node, (weights, biases))) in network.nodes().iter().zip(parameters).enumerate() {
        let x = node.source.map_or(&x, |source| &outputs[source]);
        let sum = |o: usize| {
            let products = node.junction.edges_of(o).map(|(input, k)| weights[k] * x[input]);
            biases[o] + products.sum::<f64>()
        };
        let rounded = |o: usize| match rounding.and_then(|rounding| rounding.get(at)) {
            None => activate(node.activation, sum(o)),
            Some(rounding) => rounding[o].map_or_else(|end| end, |added| activate(node.activation, sum(o)) + added),
        };
        outputs.push((0..node.junction.n_out()).map(rounded).collect());
    }
    outputs
}

fn samples(width: usize, classes: usize) -> Vec<(Vec<f32>, usize)> {
    let mut rng = rng(7, Stream::Order);
    let mut value = || (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
    (0..SAMPLES).map(|sample| ((0..width).map(|_| 2.0 * value()).collect(), sample % classes)).collect()
}

fn gradients(
    network: &Network,
    parameters: &[Parameters],
    int8: Option<&Scales>,
    samples: &[(Vec<f32>, usize)],
) -> Shard {
    let mut shard = network.shard(samples.len(), true);
    let passes = network.passes();
    passes.fill(&mut shard, samples.iter().map(|(x, label)| (x.as_slice(), *label)));
    passes.forward(parameters, int8, &mut shard);
    let reached = vec![true; network.nodes().len()];
    passes.backward((parameters, int8), &mut shard, &network.loss_weights(false), samples.len(), &reached);
    shard
}

/// The network of a recipe, the weights of the trunk's start multiplied by `scale`.
fn drawn(toml: &str, scale: f32) -> (Recipe, Network, Vec<Parameters>) {
    let recipe = Recipe::parse(toml).unwrap();
    let drawn =
        |placed: &PlacedJunction<'_>| Ok::<_, IsaError>(Junction::new(&placed.mask(recipe.training.seed).unwrap()));
    let network = plan::network(&recipe, drawn).unwrap();
    let mut parameters = Parameters::initial(&network, &mut rng(3, Stream::Weights));
    // At the start biases are zero: a kink, where every input of a row is.
    parameters.iter_mut().flat_map(|p| &mut p.biases).enumerate().for_each(|(k, b)| *b = 0.3 * (k % 5) as f32 - 0.55);
    parameters[0].weights.iter_mut().for_each(|w| *w *= scale);
    (recipe, network, parameters)
}

/// Compares every parameter's gradient; returns how many there were, and the largest output of the first junction.
fn check(toml: &str, scale: f32) -> (usize, f32) {
    let (recipe, network, parameters) = drawn(toml, scale);
    let samples = samples(recipe.input.width, recipe.classes);
    let shard = gradients(&network, &parameters, None, &samples);
    let checked = compare(&network, &parameters, &shard, &samples, None);
    (checked, shard.outputs(0).iter().fold(0.0, |a, &b| a.max(b)))
}

fn compare(
    network: &Network,
    parameters: &[Parameters],
    shard: &Shard,
    samples: &[(Vec<f32>, usize)],
    rounding: Option<&Rounding>,
) -> usize {
    let total: f64 =
        network.exits().iter().zip(&shard.losses).map(|(exit, loss)| f64::from(exit.loss_weight) * loss).sum();
    let (mut wide, mut checked) = (widen(parameters), 0);
    let want = loss(network, &wide, samples, rounding);
    assert!((total / SAMPLES as f64 - want).abs() < 1e-5 * want, "loss {} instead of {want}", total / SAMPLES as f64);
    for node in 0..wide.len() {
        for is_bias in [false, true] {
            let analytic = if is_bias { &shard.gradients[node].biases } else { &shard.gradients[node].weights };
            let largest = analytic.iter().fold(0.0_f64, |a, &g| a.max(f64::from(g).abs()));
            assert!(largest > 1e-4, "node {node} has no gradient");
            for (k, &got) in analytic.iter().enumerate() {
                let mut moved = |by: f64| {
                    let (weights, biases) = &mut wide[node];
                    let value = if is_bias { &mut biases[k] } else { &mut weights[k] };
                    let before = *value;
                    *value += by;
                    let moved = loss(network, &wide, samples, rounding);
                    let (weights, biases) = &mut wide[node];
                    *(if is_bias { &mut biases[k] } else { &mut weights[k] }) = before;
                    moved
                };
                let want = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                let error = (f64::from(got) - want).abs();
                assert!(error < 5e-6 * largest.max(0.1), "node {node}, bias {is_bias}, number {k}: {got}, want {want}");
                checked += 1;
            }
        }
    }
    checked
}

/// Dense and sparse junctions with `activation`, an exit on each of the first two, one with a branch of two junctions.
fn recipe(activation: &str) -> String {
    format!(
        r#"
        name = "gradient-check"
        classes = 4
        [input]
        width = 24
        [[junction]]
        outputs = 16
        {activation}
        pattern = "random"
        out_degree = 4
        [[junction]]
        outputs = 12
        {activation}
        [[junction]]
        outputs = 4
        pattern = "random"
        out_degree = 2
        [[exit]]
        after = 1
        threshold = 0.9
        loss_weight = 0.3
        [[exit.junction]]
        outputs = 8
        {activation}
        pattern = "random"
        out_degree = 4
        [[exit.junction]]
        outputs = 4
        [[exit]]
        after = 2
        threshold = 0.9
        loss_weight = 0.7
        "#
    )
}

#[test]
fn of_every_parameter_and_exit_with_relu() {
    // 96 + 16, 192 + 12, 24 + 4 in the trunk; 64 + 8, 32 + 4 and 48 + 4 in the branches.
    assert_eq!(check(&recipe("activation = \"relu\""), 1.5).0, 504);
}

#[test]
fn with_leaky_relu() {
    check(&recipe("activation = \"leaky_relu\"\nslope = 0.1"), 1.5);
    check(&recipe("activation = \"leaky_relu\"\nslope = -0.5"), 1.5);
}

#[test]
fn with_relu6() {
    let (_, largest) = check(&recipe("activation = \"relu6\""), 4.0);
    assert_eq!(largest, 6.0, "the upper kink is reached");
}

#[test]
fn with_tanh() {
    check(&recipe("activation = \"tanh\""), 1.5);
}

#[test]
fn with_sigmoid() {
    check(&recipe("activation = \"sigmoid\""), 1.5);
}

#[test]
fn with_no_activation() {
    check(&recipe("activation = \"none\""), 1.5);
}

/// The gradient that passes straight through a rounding is that of a network which adds, whatever its weights, what rounding adds
/// here, and whose saturated outputs stay where they are.
#[test]
fn straight_through_the_rounding_of_int8() {
    for activation in ["relu", "relu6", "none"] {
        let (recipe, network, parameters) = drawn(&recipe(&format!("activation = \"{activation}\"")), 3.0);
        let input = Quantisation { scale: 1.0 / 64.0, zero: 0 };
        let mut samples = samples(recipe.input.width, recipe.classes);
        samples.iter_mut().flat_map(|(x, _)| x).for_each(|x| *x = input.dequantise(input.quantise(*x)));
        // Narrow: some outputs of every junction saturate.
        let shard = gradients(&network, &parameters, None, &samples);
        let narrow = |range: &Range| Range { low: 0.7 * range.low, high: 0.7 * range.high };
        let scales = Ranges::new(input, shard.ranges().iter().map(narrow).collect()).unwrap().scales;
        let mut rounded = parameters.clone();
        round_parameters(&network, &parameters, &scales, &mut rounded);
        let shard = gradients(&network, &rounded, Some(&scales), &samples);
        let (rounding, saturated) = rounding(&network, &rounded, &scales, &shard, &samples);
        assert!(saturated.iter().all(|n| *n > 0), "{activation}: {saturated:?}");
        compare(&network, &rounded, &shard, &samples, Some(&rounding));
    }
}

/// What rounding has added, output by output, and how many of each node saturated.
fn rounding(
    network: &Network,
    parameters: &[Parameters],
    scales: &Scales,
    shard: &Shard,
    samples: &[(Vec<f32>, usize)],
) -> (Rounding, Vec<usize>) {
    let wide = widen(parameters);
    let mut rounding: Rounding = vec![Vec::new(); samples.len()];
    let mut saturated = vec![0; network.nodes().len()];
    for (sample, (x, _)) in samples.iter().enumerate() {
        for (node, saturated) in saturated.iter_mut().enumerate() {
            // In front of this node everything is rounded already.
            let exact = &outputs(network, &wide, x, Some(&rounding[sample]))[node];
            let scale = scales.outputs[node];
            let ends = [i8::MIN, i8::MAX].map(|end| f64::from(scale.dequantise(end)));
            let added = exact.iter().enumerate().map(|(o, exact)| {
                let got = f64::from(shard.outputs(node)[o * shard.width() + sample]);
                assert!((got - exact.clamp(ends[0], ends[1])).abs() < 0.501 * f64::from(scale.scale), "{got} {exact}");
                let inside = (ends[0]..=ends[1]).contains(exact);
                *saturated += usize::from(!inside);
                if inside { Ok(got - exact) } else { Err(got) }
            });
            let added = added.collect();
            rounding[sample].push(added);
        }
    }
    (rounding, saturated)
}
