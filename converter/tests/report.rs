//! The report of a network with two exits, whole and split: what is drawn is what the engine does.

#[path = "support/flagship.rs"]
mod flagship;

use std::sync::LazyLock;

use flagship::{Network, add_an_exit, changed, parse, taken_by_exit};
use lacewing_converter::report::report;
use lacewing_converter::thresholds::{Request, Target, choose};
use lacewing_engine::Model;
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, bundled};

const SAMPLES: usize = 400;
/// Where a chart's x axis begins and ends.
const AXIS: (f64, f64) = (77.0, 456.0);

fn two_exits(split: Option<usize>) -> Network {
    changed(&bundled::weights("mnist-flagship"), |network| add_an_exit(network, split))
}

/// Some images, with something where an image has its padding.
fn some(network: &Network, padding: f32) -> Dataset {
    let all = data::load_for(data::bundled_mnist(), Part::Validation, &network.recipe).expect("the bundled data");
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for (sample, label) in all.iter().take(SAMPLES) {
        values.extend(sample);
        *values.last_mut().expect("values") = padding;
        labels.push(label as u16);
    }
    Dataset::new(all.width(), values, labels).expect("as many")
}

/// The page about the network, its thresholds chosen on the samples, and how many of these each exit takes.
fn page(split: Option<usize>, padding: f32) -> (String, [usize; 2]) {
    let network = two_exits(split);
    let samples = some(&network, padding);
    let tail = split.map(|_| parse(&network.tail));
    let request = Request { target: Target::OffloadBudget { most: 0.2 }, metric: None, seed: 1 };
    let (head, _) = choose(&network.head, tail.as_ref(), &samples, &request, &|_| ()).expect("thresholds");
    let head: Model<'_> = parse(&head);
    let page = report("two exits", &head, tail.as_ref(), &samples, &|_| ()).expect("a page");
    (page, taken_by_exit(&head, &samples))
}

/// The pages of the images as they are, made once.
static WHOLE: LazyLock<(String, [usize; 2])> = LazyLock::new(|| page(None, 0.0));
static SPLIT: LazyLock<(String, [usize; 2])> = LazyLock::new(|| page(Some(2), 0.0));

#[test]
fn the_dot_is_where_exits_with_a_branch_take_samples() {
    for (page, taken) in [&*WHOLE, &SPLIT] {
        let rate = taken.iter().sum::<usize>() as f64 / SAMPLES as f64;
        assert!((0.79..0.9).contains(&rate), "{rate}");
        let dot = page.split("<circle cx=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a dot");
        let x: f64 = dot.parse().expect("a number");
        assert!((x - AXIS.0 - rate * (AXIS.1 - AXIS.0)).abs() < 3.0, "{x} where the rate is {rate}");
    }
}

/// The numbers in the table of confusion number `exit`, from 0.
fn confusion(page: &str, exit: usize) -> usize {
    let table =
        page.split("label \\ answer").nth(exit + 1).and_then(|rest| rest.split("</table>").next()).expect("a table");
    let cells = table.split("<td").skip(1).filter_map(|cell| cell.split('>').nth(1)?.split('<').next());
    cells.filter_map(|cell| cell.parse::<usize>().ok()).sum()
}

#[test]
fn confusion_is_of_what_earlier_exits_left() {
    let (page, taken) = &*WHOLE;
    assert_eq!([0, 1].map(|exit| confusion(page, exit)), *taken);
    assert!(page.contains("chosen for offload budget 20 %, on 400 samples; holds for data exchangeable"));
}

#[test]
fn the_network_is_drawn_with_its_exits_and_its_split() {
    let (whole, split) = (&WHOLE.0, &SPLIT.0);
    let drawing = |page: &str| {
        page.split("The network</h2>").nth(1).and_then(|rest| rest.split("</svg>").next()).map(str::to_owned)
    };
    let (whole, split) = (drawing(whole).expect("drawn"), drawing(split).expect("drawn"));
    for words in
        ["junction 1: 800 → 256", "junction 3: 384 → 10", "density 0.080", "exit 1: from 256", "exit 2: from 384"]
    {
        assert!(whole.contains(words) && split.contains(words), "{words}");
    }
    assert!(!whole.contains(">split<") && split.contains(">split<") && split.contains("stroke-dasharray"));
}

#[test]
fn samples_that_are_no_images_stand_in_a_table() {
    let (page, _) = page(Some(2), 1e-3);
    assert!(!page.contains("class=\"sample\"") && page.contains("<td>first values</td>"));
}
