//! Recipes: what a good one says, and how every bad one is refused.
#![allow(missing_docs)]

use lacewing_kernels::Activation;
use lacewing_models::recipe::{Int8Training, Layout, Metric, Schedule};
use lacewing_models::{JunctionId, Pattern, Recipe};

const GOOD: &str = r#"
name = "two-exits"
classes = 10
[input]
width = 800
[[junction]]
outputs = 100
pattern = "random"
out_degree = 50
[[junction]]
outputs = 40
activation = "leaky_relu"
slope = 0.01
weight = "fc2.weight"
[[junction]]
outputs = 10
[[exit]]
after = 1
threshold = 0.9
[[exit]]
after = 2
metric = "margin"
threshold = 3.5
temperature = 2.0
loss_weight = 0.3
[[exit.junction]]
outputs = 20
pattern = "random"
out_degree = 5
[[exit.junction]]
outputs = 10
[split]
after = 1
[training]
epochs = 3
schedule = "cosine"
[tensors]
layout = "in_out"
"#;

#[test]
fn a_good_recipe_says_everything() {
    let recipe = Recipe::parse(GOOD).unwrap();
    assert_eq!((recipe.junctions.len(), recipe.exits.len(), recipe.split), (3, 2, Some(1)));
    assert_eq!(recipe.junctions[0].pattern, Pattern::Random { out_degree: 50 });
    assert_eq!(recipe.junctions[0].activation, Activation::Relu);
    assert_eq!(recipe.junctions[1].activation, Activation::LeakyRelu { slope: 0.01 });
    assert_eq!(recipe.junctions[2].activation, Activation::None);
    assert_eq!((recipe.exits[0].metric, recipe.exits[0].loss_weight), (Metric::MaxProbability, 1.0));
    assert_eq!(recipe.exits[0].junctions[0].outputs, 10);
    assert_eq!((recipe.exits[1].metric, recipe.exits[1].temperature), (Metric::Margin, 2.0));
    assert_eq!((recipe.training.epochs, recipe.training.batch), (3, 256));
    assert_eq!((recipe.training.schedule, recipe.tensors.layout), (Schedule::Cosine, Layout::InOut));
}

#[test]
fn junctions_are_placed_in_running_order() {
    let recipe = Recipe::parse(GOOD).unwrap();
    let placed: Vec<_> = recipe.placed_junctions().iter().map(|p| (p.id, p.n_in, p.n_out())).collect();
    let exit = |exit, junction| JunctionId::Exit { exit, junction };
    assert_eq!(
        placed,
        [
            (JunctionId::Trunk(1), 800, 100),
            (exit(1, 1), 100, 10),
            (JunctionId::Trunk(2), 100, 40),
            (exit(2, 1), 40, 20),
            (exit(2, 2), 20, 10),
            (JunctionId::Trunk(3), 40, 10),
        ]
    );
    let names: Vec<_> = recipe.placed_junctions().iter().map(|p| p.weight_name()).collect();
    assert_eq!(names[2], "fc2.weight");
    assert_eq!(names[4], "exit.2.junction.2.weight");
    let mask = recipe.placed_junctions()[0].mask(1).unwrap();
    assert_eq!((mask.n_in(), mask.n_out(), mask.nnz()), (800, 100, 40_000));
}

#[test]
fn training_for_int8() {
    let text = GOOD.replace("activation = \"leaky_relu\"\nslope = 0.01", "activation = \"relu6\"");
    let with = |table: &str| Recipe::parse(&text.replace("[tensors]", &format!("[training.int8]\n{table}\n[tensors]")));
    let recipe = with("").unwrap();
    assert_eq!(recipe.training.int8, Some(Int8Training::default()));
    assert_eq!(recipe.training.all_epochs(), 3 + Int8Training::default().epochs);
    let recipe = with("epochs = 2\nlearning_rate = 0.01").unwrap();
    assert_eq!(recipe.training.int8, Some(Int8Training { epochs: 2, learning_rate: 0.01 }));
    assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
    for (table, says) in [
        ("epochs = 0", "[training.int8]: epochs = 0 must be 1 to 100000"),
        ("learning_rate = 0.0", "[training.int8]: learning_rate = 0 must be above 0"),
        ("learning_rate = inf", "above 0 and finite"),
        ("learning_rate = nan", "above 0 and finite"),
        ("epoch = 2", "unknown field `epoch`"),
    ] {
        let error = with(table).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = Recipe::parse(&GOOD.replace("[tensors]", "[training.int8]\n[tensors]")).unwrap_err();
    assert!(error.to_string().starts_with("junction 2: its activation has no int8 form"), "{error}");
}

#[test]
fn toml_there_and_back() {
    let recipe = Recipe::parse(GOOD).unwrap();
    assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
}

#[test]
fn every_pattern_there_and_back() {
    let keys = [
        ("random_density\"\ndensity = 0.1", Pattern::RandomDensity { density: 0.1 }),
        (
            "clash_free\"\nout_degree = 50\nz = 80\ntype = 2\ndither = true",
            Pattern::ClashFree { out_degree: 50, z: 80, kind: 2, dither: true },
        ),
        (
            "clash_free\"\nout_degree = 50\nz = 80\ntype = 3",
            Pattern::ClashFree { out_degree: 50, z: 80, kind: 3, dither: false },
        ),
        ("block\"\nrows = 8\ncols = 1\ndensity = 0.25", Pattern::Block { rows: 8, cols: 1, density: 0.25 }),
        ("nm\"\nn = 4\nm = 16", Pattern::NM { n: 4, m: 16 }),
    ];
    for (keys, pattern) in keys {
        let text = GOOD.replacen("random\"\nout_degree = 50", keys, 1);
        let recipe = Recipe::parse(&text).unwrap();
        assert_eq!(recipe.junctions[0].pattern, pattern);
        assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
        // Each key but `dither` is needed.
        for line in keys.lines().skip(1).filter(|line| !line.starts_with("dither")) {
            let key = line.split(' ').next().unwrap();
            let error = Recipe::parse(&text.replacen(line, "", 1)).unwrap_err().to_string();
            assert!(error.contains("junction 1") && error.contains(&format!("needs the key {key}")), "{error}");
        }
    }
}

#[test]
fn numbers_are_written_as_they_were_read() {
    let toml = Recipe::parse(GOOD).unwrap().to_toml();
    assert!(toml.contains("loss_weight = 0.3\n") && toml.contains("slope = 0.01\n"), "{toml}");
}

#[test]
fn a_seed_that_toml_cannot_hold_is_refused() {
    let mut recipe = Recipe::parse(GOOD).unwrap();
    recipe.training.seed = i64::MAX as u64;
    assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
    recipe.training.seed += 1;
    assert!(recipe.check().unwrap_err().to_string().contains("at most 9223372036854775807"));
}

/// `GOOD` with the first `from` replaced must be refused with a message that has all of `says`.
fn refused(from: &str, to: &str, says: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    let error = Recipe::parse(&GOOD.replacen(from, to, 1)).expect_err(to).to_string();
    for words in says {
        assert!(error.contains(words), "{to}: {error:?} does not say {words:?}");
    }
}

#[test]
fn unknown_keys_are_refused_wherever_they_stand() {
    refused("classes = 10", "classes = 10\nclases = 9", &["clases", "line 4"]);
    refused("width = 800", "width = 800\nheight = 1", &["height"]);
    refused("out_degree = 50", "out_degree = 50\nindegree = 3", &["indegree"]);
    refused("threshold = 0.9", "threshold = 0.9\ntreshold = 1", &["treshold"]);
    refused("[split]", "[split]\nbefore = 1", &["before"]);
    refused("epochs = 3", "epoch = 3", &["epoch"]);
    refused("layout = \"in_out\"", "layout = \"sideways\"", &["sideways", "in_out"]);
    refused("pattern = \"random\"", "pattern = \"radnom\"", &["radnom", "random"]);
}

#[test]
fn impossible_degrees_are_refused_with_the_nearest() {
    let nearest = "49 (in-degree 350) and 56 (in-degree 400)";
    refused("outputs = 100", "outputs = 112", &["junction 1", "in-degree of 357.14", nearest]);
    refused("out_degree = 5\n", "out_degree = 21\n", &["exit 2, junction 1", "1 to 20"]);
    refused("out_degree = 50", "out_degree = 0", &["1 to 100"]);
}

#[test]
fn splits_and_exits_out_of_place_are_refused() {
    for after in ["0", "3", "4"] {
        refused("[split]\nafter = 1", &format!("[split]\nafter = {after}"), &["split", "1 to 2"]);
        refused("after = 2", &format!("after = {after}"), &["exit 2", "1 to 2"]);
    }
    refused("after = 2", "after = 1", &["exit 2", "above"]);
    refused("after = 1", "after = -1", &["-1"]);
}

/// The format counts the end of the trunk among its 8 exits.
#[test]
fn an_eighth_exit_is_refused() {
    let with_exits = |count: usize| {
        let junctions = "[[junction]]\noutputs = 9\n".repeat(7);
        let exits: String = (1..=count).map(|k| format!("[[exit]]\nafter = {}\nthreshold = 0.5\n", k.min(7))).collect();
        let head = "name = \"many\"\nclasses = 9\n[input]\nwidth = 9\n";
        Recipe::parse(&format!("{head}{junctions}[[junction]]\noutputs = 9\n{exits}"))
    };
    assert_eq!(with_exits(7).unwrap().exits.len(), 7);
    let said = with_exits(8).unwrap_err().to_string();
    assert!(said.contains("8 exits") && said.contains("at most 7"), "{said}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    refused("classes = 10", "classes = 11", &["junction 3", "10 outputs for 11 classes"]);
    refused("classes = 10", "classes = 0", &["classes", "65535"]);
    refused("classes = 10", "classes = 10\nclass_names = [\"a\"]", &["1 names for 10 classes"]);
    refused("width = 800", "width = 0", &["width"]);
    refused("outputs = 100", "outputs = 65536", &["junction 1", "65536"]);
    refused("width = 800", "width = 800\nscale = nan", &["scale"]);
    refused("width = 800", "width = 800\ncrop = 20\naverage_pool = 3", &["divisor of crop = 20"]);
    refused("threshold = 0.9", "threshold = 1.5", &["exit 1", "0 to 1"]);
    refused("threshold = 3.5", "threshold = inf", &["exit 2", "finite"]);
    refused("temperature = 2.0", "temperature = 0.0", &["exit 2", "above 0"]);
    refused("loss_weight = 0.3", "loss_weight = -1.0", &["loss_weight"]);
    refused("slope = 0.01", "slope = nan", &["junction 2", "slope"]);
    refused("epochs = 3", "epochs = 0", &["epochs"]);
    refused("epochs = 3", "learning_rate = 0.0", &["learning_rate"]);
    refused("epochs = 3", "momentum = 1.0", &["momentum"]);
    refused("epochs = 3", "epochs = 3\nbackbone_epochs = 3", &["backbone_epochs"]);
    refused("epochs = 3", "optimiser = \"lion\"", &["optimiser"]);
    refused("name = \"two-exits\"", "name = \"Two exits\"", &["Two exits"]);
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    refused("outputs = 40", "outputs = 40\nout_degree = 4", &["junction 2", "out_degree", "dense"]);
    refused("out_degree = 50", "", &["junction 1", "random", "out_degree"]);
    refused("out_degree = 50", "out_degree = 50\nz = 80", &["junction 1", "random", "the key z"]);
    refused("out_degree = 50", "out_degree = 50\ntype = 1", &["junction 1", "random", "the key type"]);
    refused("slope = 0.01", "", &["junction 2", "slope"]);
    refused("outputs = 100", "outputs = 100\nslope = 0.1", &["junction 1", "slope"]);
    refused(
        "[[junction]]\noutputs = 10\n",
        "[[junction]]\noutputs = 10\nactivation = \"relu\"\n",
        &["junction 3", "none"],
    );
}

#[test]
fn too_many_or_too_few_junctions_are_refused() {
    refused("[[exit]]", &format!("{}[[exit]]", "[[junction]]\noutputs = 10\n".repeat(12)), &["18 junctions", "16"]);
    let bare = "name = \"a\"\nclasses = 2\n[input]\nwidth = 4\n";
    assert!(Recipe::parse(bare).unwrap_err().to_string().contains("no [[junction]]"));
    let one = format!("{bare}[[junction]]\noutputs = 2\n");
    assert!(Recipe::parse(&one).is_ok());
    let split = Recipe::parse(&format!("{one}[split]\nafter = 1\n")).unwrap_err().to_string();
    assert!(split.contains("at least 2 junctions"), "{split}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Recipe::read("no/such/recipe.toml").unwrap_err().to_string();
    assert!(error.contains("no/such/recipe.toml"), "{error}");
}

/// The ```toml blocks of models/RECIPES.md before its grids.
fn documented() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/RECIPES.md")).unwrap();
    let (recipes, _) = text.split_once("# Grids").unwrap();
    let blocks = recipes.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn documented_recipes_are_good() {
    let blocks = documented();
    assert_eq!(blocks.len(), 4);
    for block in blocks {
        Recipe::parse(&block).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

#[test]
fn bundled_recipes_are_good() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/recipes")).unwrap() {
        let path = entry.unwrap().path();
        let recipe = Recipe::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{}.toml", recipe.name));
        names.push(recipe.name);
    }
    for name in ["mnist-flagship", "paper-800-3-3-10", "paper-800-40-40-10", "pooled-49-40-10", "pooled-100-20-16-10"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing of {names:?}");
    }
}
