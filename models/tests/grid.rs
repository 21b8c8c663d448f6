//! Grids: what a good one comes to, and how every bad one is refused.
#![allow(missing_docs)]

use lacewing_models::recipe::Schedule;
use lacewing_models::{Grid, Pattern, Projection};

const GOOD: &str = r#"
name = "two-networks"
seeds = 3
[input]
scale = 0.5
[training]
epochs = 4
schedule = "cosine"
seed = 7
[[network]]
widths = [800, 40, 40, 10]
training = { learning_rate = 0.01 }
[[network]]
name = "pooled"
widths = [49, 40, 10]
input = { average_pool = 4 }
pattern = [{ pattern = "dense" }]
[[pattern]]
pattern = "random"
out_degrees = [[2, 9], 4]
[[pattern]]
pattern = "clash_free"
type = 2
z = [200, 20]
dither = true
densities = [0.05]
training = { epochs = 9 }
[[pattern]]
pattern = "nm"
m = 8
pruned = true
densities = [0.25]
[[pattern]]
pattern = "random"
pruned = true
densities = [[0.05, 0.225]]
[[pattern]]
pattern = "block"
rows = 8
cols = 1
densities = [0.1]
"#;

fn said(toml: &str) -> String {
    Grid::parse(toml).unwrap_err().to_string()
}

#[test]
fn networks_patterns_and_densities_are_multiplied_out() {
    let grid = Grid::parse(GOOD).unwrap();
    assert_eq!((grid.name.as_str(), grid.seeds), ("two-networks", 3));
    let points: Vec<(&str, &str, &str)> = grid
        .points
        .iter()
        .map(|point| (point.recipe.name.as_str(), point.pattern.as_str(), point.density.as_str()))
        .collect();
    let wide = "800-40-40-10";
    assert_eq!(
        points,
        [
            (wide, "random", "0.05 0.225"),
            (wide, "random", "0.1"),
            (wide, "clash_free type 2 z 200 20 dither", "0.05"),
            (wide, "pruned nm 8", "0.25"),
            (wide, "pruned random", "0.05 0.225"),
            (wide, "block 8x1", "0.1"),
            ("pooled", "dense", "1"),
        ]
    );
    let patterns = |at: usize| -> Vec<Pattern> {
        grid.points[at].recipe.junctions.iter().map(|junction| junction.pattern).collect()
    };
    let random = |out_degree| Pattern::Random { out_degree };
    assert_eq!(patterns(0), [random(2), random(9), Pattern::Dense]);
    let clash_free = |z| Pattern::ClashFree { out_degree: 2, z, kind: 2, dither: true };
    assert_eq!(patterns(2), [clash_free(200), clash_free(20), Pattern::Dense]);
    // Trained dense first.
    assert_eq!(patterns(3), [Pattern::Dense; 3]);
    assert_eq!(grid.points[3].pruned, [Projection::NM { n: 2, m: 8 }; 2]);
    assert_eq!(grid.points[4].pruned[1], Projection::InDegree { density: 0.225 });
    // Settings of the grid, the network, the pattern.
    let training = &grid.points[2].recipe.training;
    assert_eq!((training.epochs, training.learning_rate, training.seed), (9, 0.01, 7));
    assert_eq!((grid.points[6].recipe.training.epochs, grid.points[6].recipe.training.learning_rate), (4, 0.001));
    assert_eq!(training.schedule, Schedule::Cosine);
    assert_eq!((grid.points[0].recipe.input.scale, grid.points[6].recipe.input.scale), (Some(0.5), None));
    assert_eq!((grid.points[6].recipe.input.width, grid.points[6].recipe.input.average_pool), (49, Some(4)));
    assert_eq!(grid.clone().with_seeds(9).unwrap().seeds, 9);
    assert!(grid.with_seeds(0).unwrap_err().to_string().contains("seeds = 0"));
}

#[test]
fn bad_grids_say_what_is_possible() {
    for (old, new, parts) in [
        ("seeds = 3", "seed = 3", &["unknown field `seed`"][..]),
        ("seeds = 3", "seeds = 0", &["seeds = 0", "1 to 1000"]),
        ("two-networks", "../elsewhere", &["../elsewhere", "a-z"]),
        ("epochs = 4", "epoch = 4", &["800-40-40-10", "unknown field `epoch`"]),
        ("epochs = 4", "epochs = 0", &["800-40-40-10", "epochs = 0"]),
        ("epochs = 4", "epochs = 4\nint8 = { epochs = 2 }", &["800-40-40-10", "leave [training.int8] out"]),
        ("epochs = 9", "epoch = 9", &["800-40-40-10", "unknown field `epoch`"]),
        ("seed = 7", "seed = 9223372036854775806", &["seed = 9223372036854775808"]),
        ("name = \"pooled\"", "name = \"800-40-40-10\"", &["two networks are called 800-40-40-10"]),
        ("[49, 40, 10]", "[49]", &["network pooled", "[49]"]),
        ("[49, 40, 10]", "[49, 0, 10]", &["network pooled", "0 is no width"]),
        ("[800, 40, 40, 10]", "[800, 18446744073709551615, 10]", &[""]),
        ("[800, 40, 40, 10]", "[800, 70000, 40, 10]", &["70000 is no width"]),
        ("[{ pattern = \"dense\" }]", "[]", &["patterns of network pooled", "empty"]),
        ("[{ pattern = \"dense\" }]", "[{ pattern = \"dense\", densities = [1.0] }]", &["densities does not go"]),
        ("[{ pattern = \"dense\" }]", "[{ pattern = \"dense\", pruned = true }]", &["cannot be pruned"]),
        ("[{ pattern = \"dense\" }]", "[{ pattern = \"sparse\" }]", &["sparse", "random_density"]),
        ("[[2, 9], 4]", "[]", &["out_degrees of pattern random", "empty"]),
        ("[[2, 9], 4]", "[[2, 9, 10]]", &["3 values for 2 junctions"]),
        ("[[2, 9], 4]", "[\"2\"]", &["a number, or a list"]),
        ("[[2, 9], 4]", "[0]", &["junction 1: out-degree 0", "1 to 40"]),
        ("[[2, 9], 4]", "[4, 4]", &["density 0.1", "twice"]),
        ("out_degrees = [[2, 9], 4]", "", &["densities or out_degrees"]),
        (
            "out_degrees = [[2, 9], 4]",
            "densities = [0.06]",
            &["density 0.06", "2 (in-degree 40) and 3", "0.05 and 0.075"],
        ),
        ("out_degrees = [[2, 9], 4]", "densities = [nan]", &["NaN"]),
        ("out_degrees = [[2, 9], 4]", "densities = [0.1]\nout_degrees = [4]", &["out_degrees (beside densities)"]),
        ("z = [200, 20]", "z = [200]", &["z has 1 values for 2 junctions"]),
        ("z = [200, 20]", "z = 30", &["junction 1: z = 30", "25 and 32"]),
        ("z = [200, 20]", "", &["needs the key z"]),
        ("type = 2", "type = 4", &["clash-free type 4"]),
        ("dither = true", "pruned = true", &["cannot be pruned"]),
        ("m = 8", "m = 64", &["junction 2: pages of 64", "the widest that fit are of 32"]),
        ("m = 8", "m = 5", &["1:5", "[4, 8, 16, 32, 64]"]),
        ("densities = [0.25]", "densities = [0.3]", &["density 0.3 of a page of 8", "0.25 (2:8) and 0.375 (3:8)"]),
        ("densities = [0.25]", "densities = [1.5]", &["12:8"]),
        ("rows = 8", "rows = 8\nm = 8", &["the key m does not go with it"]),
        ("cols = 1", "cols = 3", &["junction 1: blocks 3 inputs wide", "2 and 4"]),
        ("densities = [0.1]", "densities = [0.0]", &["density 0", "above 0"]),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let error = said(&GOOD.replacen(old, new, 1));
        parts.iter().for_each(|part| assert!(error.contains(part), "{old} → {new}: no {part:?} in {error}"));
    }
    assert!(said("name = \"none\"").contains("[[network]] is empty"));
    assert!(said("name = \"none\"\n[[network]]\nwidths = [9, 3]").contains("patterns of network 9-3 is empty"));
    let one = "name = \"one\"\n[[network]]\nwidths = [9, 3]\npattern = [{ pattern = \"random\", densities = [0.5] }]";
    assert!(said(one).contains("the last junction is dense"), "{}", said(one));
    assert!(Grid::read("no/such/grid.toml").unwrap_err().to_string().contains("no/such/grid.toml"));
}

#[test]
fn documented_and_bundled_grids_are_good() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/RECIPES.md")).unwrap();
    let (_, grids) = text.split_once("# Grids").unwrap();
    let block = grids.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let documented = Grid::parse(block).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(documented.points.len(), 5);
    // The error it shows, but for its line breaks.
    let bad =
        "name = \"a\"\n[[network]]\nwidths = [800, 112, 10]\npattern = [{ pattern = \"random\", densities = [0.45] }]";
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(grids).contains(&words(&said(bad))), "{}", said(bad));
    let densities = ["density-800-100-10", "density-800-100-100-10"];
    let others = ["equal-parameters", "clash-free", "patterns-800-112-10", "split-800-100-100-10"];
    for name in densities.into_iter().chain(others) {
        let grid = Grid::read(format!("{}/paper/{name}.toml", env!("CARGO_MANIFEST_DIR")));
        let grid = grid.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((grid.name.as_str(), grid.seeds), (name, 5));
    }
}
