//! Where to cut: the model against sums by hand.

use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::network::Network;
use lacewing_converter::placement::{Costs, Objective, Placement, PlacementError, place};
use lacewing_converter::source::Source;
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, bundled};

fn flagship() -> (Network, Dataset) {
    let mut source = Source::open(&bundled::weights("mnist-flagship")).expect("it comes with the project");
    let recipe = embedded_recipe(&source).expect("readable").expect("a recipe");
    let data = data::load_for(data::bundled_mnist(), Part::Validation, &recipe).expect("the bundled data");
    let Imported { network, .. } = import(&mut source, recipe).expect("a network");
    (network, data)
}

/// Trunk 1, branch, trunk 2, trunk 3; all times known.
fn costs(pair_id: &str, link: &str) -> Costs {
    let times = |scale: f64| [10.0, 1.0, 40.0, 2.0].map(|micros| micros * scale * 1e-6);
    let (device, server) = (times(1.0), times(0.5));
    let text = format!(
        "[link]\nbandwidth = 8e6\nround_trip = 1e-3\noverhead = 0\n{link}\n[device]\noperations = {device:?}\npair_id = \"{pair_id}\"\n\
         power = 0.5\n[server]\noperations = {server:?}\npair_id = \"{pair_id}\"\nprice_per_hour = 3.6\n"
    );
    Costs::parse(&text).expect("sound")
}

fn pair_id(network: &Network) -> String {
    format!("{:08x}", Network { split: None, ..network.clone() }.pair_id())
}

fn placed(link: &str, objective: Objective, drop: f64) -> Placement {
    let (network, data) = flagship();
    place(&network, &data, &costs(&pair_id(&network), link), objective, drop).expect("placed")
}

#[test]
fn choices_come_to_what_sums_by_hand_come_to() {
    let placement = placed("energy_per_byte = 1e-6", Objective::Latency, 0.002);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs().max(1e-6);
    for choice in &placement.choices {
        let handed = 1.0 - choice.exit_rate;
        let branch = if choice.exit.is_some() { 1.0 } else { 0.0 };
        let trunk: f64 = [10.0, 40.0, 2.0].iter().take(choice.split).sum();
        let tail: f64 = [5.0, 20.0, 1.0].iter().skip(choice.split).sum();
        let sent = if handed > 0.0 { choice.bytes / handed } else { 0.0 };
        let away = if choice.split < 3 { 1000.0 + sent + tail } else { 0.0 };
        let computing = choice.exit_rate * (10.0 + branch) + handed * (trunk + branch);
        assert!(close(choice.latency, (computing + handed * away) * 1e-6), "{choice:?}");
        let energy = 0.5 * computing * 1e-6 + 1e-6 * choice.bytes;
        assert!(choice.energy.is_some_and(|found| close(found, energy)), "{choice:?}");
        assert!(choice.split > 0 || close(sent, 16.0 + 4.0 * 800.0 + 4.0 + 28.0), "{choice:?}");
        assert!(
            choice.split == 3 || choice.price_per_million.is_some_and(|price| close(price, 1e3 * handed * tail * 1e-6))
        );
    }
    assert_eq!(placement.choices.iter().filter(|choice| choice.exit.is_none()).count(), 4);
    let recommended = &placement.choices[placement.recommended.expect("one is accurate enough")];
    assert!(recommended.on_front && recommended.accuracy >= placement.accuracy_full - 0.002);
    let better = |choice: &&lacewing_converter::placement::Choice| {
        choice.accuracy >= placement.accuracy_full - 0.002 && choice.latency < recommended.latency
    };
    assert_eq!(placement.choices.iter().find(better), None);
}

#[test]
fn the_recommendation_follows_the_objective() {
    // A link that costs a millisecond: computing everything is the fastest and sends nothing.
    let bytes = placed("", Objective::Bytes, 0.0);
    let choice = &bytes.choices[bytes.recommended.expect("the full network")];
    assert_eq!((choice.bytes, choice.energy), (0.0, None));
    let (network, data) = flagship();
    let costs = costs(&pair_id(&network), "");
    for drop in [-0.1, 1.0, f64::NAN] {
        let error = place(&network, &data, &costs, Objective::Latency, drop).expect_err("no share");
        assert!(matches!(error, PlacementError::AccuracyDrop(_)), "{error}");
    }
}

#[test]
fn costs_of_another_network_and_missing_ones_are_refused() {
    let (network, data) = flagship();
    let refused = |costs: &Costs, objective| place(&network, &data, costs, objective, 0.0).expect_err("refused");
    let other = refused(&costs("0000000a", ""), Objective::Latency).to_string();
    assert!(other.contains("0000000a") && other.contains(&pair_id(&network)), "{other}");
    let error = refused(&costs(&pair_id(&network), ""), Objective::Energy);
    assert!(matches!(error, PlacementError::NoEnergy), "{error}");
}
