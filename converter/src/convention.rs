//! The layers of files that only name tensors, told from names and shapes: `0.weight`, `fc1.weight`, `dense/kernel`, `W1`,
//! `coefs_0`, with biases, masks and batch statistics of the same stem.

mod left;
mod names;
mod order;

use lacewing_kernels::Activation;
use lacewing_models::recipe::{Layout, MAX_JUNCTIONS, MAX_WIDTH};

use crate::import::ImportError;
use crate::layers::{Affine, Graph, Layer, Node, Weights};
use crate::source::{Norms, Source};
pub(crate) use left::is_harmless;
use names::{Names, Stem};
use order::{Matrix, Order, Told};

/// ε of PyTorch's batch normalisation; only whole modules say it.
pub(crate) const EPSILON: f64 = 1e-5;

/// What helps where an order or a name cannot be told.
const RECIPE: &str = "say what the layers are in a recipe (--recipe RECIPE.toml, models/RECIPES.md): the weight, bias and mask of \
                      each [[junction]], and the layout of matrices under [tensors]";
/// Where a tensor makes no junction.
const MATRICES: &str = "supported are fully connected layers: matrices of weights (fc1.weight, dense/kernel, W1, coefs_0), with \
                        biases, masks and batch statistics beside them; convolutions, recurrent layers and layer normalisation \
                        are not. No recipe makes a junction of it; where it is not of the network, name the tensors that are in \
                        a recipe (--recipe RECIPE.toml, models/RECIPES.md)";
/// Where there are more matrices than junctions.
const MANY: &str = "no recipe makes it more; where not all are of the network, name those that are in a recipe (--recipe \
                    RECIPE.toml, models/RECIPES.md)";
/// Where a batch normalisation cannot be folded.
const NORMS: &str = "supported are batch normalisations as PyTorch names them, with running_mean and running_var, numbered as the \
                     matrix before them (fc1.weight, bn1.running_mean) or behind it (0.weight, 1.running_mean); layer \
                     normalisation is not. No recipe describes one: rename its tensors, save the whole network in Keras \
                     (model.save, not save_weights), or export it as ONNX; both say where it stands";
/// Where an exit reads a value that a batch normalisation changes.
const BESIDE_NORM: &str = "neither names nor a recipe tell whether it reads the values before or behind it: export the network as \
                           ONNX, which says it";
/// Where an exit fits nowhere.
const EXITS: &str = "an exit, with exit or branch in its tensors' names, reads what a junction of the trunk gives. No recipe makes \
                     it fit: leave its tensors out, and train another with lacewing fit-exit";
/// Where an exit fits elsewhere, or in several places.
const PLACES: &str = "say which with --exit-after K, or in a recipe (--recipe RECIPE.toml, models/RECIPES.md)";

/// The layers of `source`. Exits are tensors whose names say `exit` or `branch`; `exit_after` are their places, where the
/// shapes alone do not tell.
pub(crate) fn graph(source: &mut Source, exit_after: Option<&[usize]>) -> Result<Graph, ImportError> {
    let (names, stored) = (source.names(), source.stored());
    let names: Vec<String> = names.into_iter().filter(|name| !is_harmless(name)).collect();
    let norms = source.norms();
    let mut reader = Reader { source, all: &names, norms };
    let mut found = Names::of(&names).map_err(|norm| {
        let reason = format!("the names do not tell behind which matrix the batch normalisation {norm} stands");
        reader.refuse(reason, NORMS)
    })?;
    if found.weights.is_empty() {
        let reason =
            format!("no tensor is named like weights (fc1.weight, dense/kernel, W1); there are: {}", some(&names));
        return Err(reader.refuse(reason, RECIPE));
    }
    let named = found.weights.iter().flat_map(|stem| &stem.norms).filter(|norm| norm.behind_activation).count();
    if let Some(behind) = norms.behind_activation.filter(|behind| *behind != named) {
        let reason = format!("{behind} batch normalisations stand behind a ReLU, and {named} by their names");
        return Err(reader.refuse(reason, NORMS));
    }
    let many = found.weights.len();
    if many > MAX_JUNCTIONS {
        let reason = format!(
            "{many} tensors are named like weights, more than {MAX_JUNCTIONS}, the most junctions of a network, those of exits \
             among them"
        );
        return Err(reader.refuse(reason, MANY));
    }
    let mut graph = Graph::default();
    graph.notes.extend(reader.plain_mask(&mut found)?);
    let mut trunk = Vec::new();
    let mut branches: Vec<(&str, Vec<Matrix>)> = Vec::new();
    for stem in &found.weights {
        let matrix = reader.matrix(stem)?;
        match &stem.branch {
            None => trunk.push(matrix),
            Some(branch) => match branches.last_mut().filter(|(name, _)| name == branch) {
                Some((_, matrices)) => matrices.push(matrix),
                None => branches.push((branch, vec![matrix])),
            },
        }
    }
    reader.nothing_left(&found)?;
    let stored = stored.as_deref();
    let in_branches = || branches.iter().flat_map(|(_, matrices)| matrices);
    let layouts = order::layouts(trunk.iter().chain(in_branches()));
    let Order { matrices: trunk, told, is_layout_assumed } =
        order::order(&trunk, &layouts, stored).map_err(|reason| reader.refuse(reason, RECIPE))?;
    let is_layout_assumed = is_layout_assumed && !in_branches().any(Matrix::tells_layout);
    // One file has one layout.
    let layouts: Vec<Layout> = trunk.iter().map(|(_, layout)| *layout).take(1).collect();
    let last = reader.chain(&mut graph, &trunk, None)?;
    let ends = reader.ends(&graph, &trunk);
    let mut outputs = Vec::new();
    for (at, (name, matrices)) in branches.iter().enumerate() {
        let Order { matrices, told, .. } = order::order(matrices, &layouts, stored)
            .map_err(|reason| reader.refuse(format!("exit {name}: {reason}"), RECIPE))?;
        if told == Told::Stored {
            let order: Vec<&str> = matrices.iter().map(|(matrix, _)| matrix.stem.weight.as_str()).collect();
            graph.notes.push(format!("exit {name}: order by {}: {}", told.by(), order.join(", ")));
        }
        let place = reader.place(name, &matrices, &trunk, exit_after.and_then(|places| places.get(at)))?;
        if let Some(norm) = trunk.get(place - 1).and_then(|(matrix, _)| matrix.stem.norm_behind_activation()) {
            let reason = format!(
                "exit {name} is behind junction {place}, where the batch normalisation {} stands behind the ReLU",
                norm.title()
            );
            return Err(reader.refuse(reason, BESIDE_NORM));
        }
        outputs.push(reader.chain(&mut graph, &matrices, ends.get(place - 1).copied())?);
    }
    outputs.push(last);
    graph.outputs = outputs;
    graph.trunk = Some(last);
    let axes = trunk.first().filter(|_| is_layout_assumed).map(|(_, layout)| {
        format!(
            "matrices are taken to have {}, which neither biases nor shapes tell: where it is otherwise, say layout under [tensors] \
             in a recipe (--recipe)",
            left::axes(*layout)
        )
    });
    if trunk.len() > 1 {
        let order: Vec<&str> = trunk.iter().map(|(matrix, _)| matrix.stem.weight.as_str()).collect();
        let axes = axes.map(|axes| format!("; {axes}")).unwrap_or_default();
        graph.notes.push(format!(
            "the file does not say its activations: ReLU between layers, none at the end; order by {}: {}{axes}",
            told.by(),
            order.join(", ")
        ));
    } else {
        graph.notes.extend(axes);
    }
    Ok(graph)
}

/// The first few of many names.
fn some(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 16;
    let shown = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "none".into(),
        len if len > SHOWN => format!("{shown} and {} more", len - SHOWN),
        _ => shown,
    }
}

/// Looks tensors up.
struct Reader<'s> {
    source: &'s mut Source,
    all: &'s [String],
    norms: Norms,
}

impl Reader<'_> {
    fn refuse(&self, reason: String, advice: &'static str) -> ImportError {
        ImportError::Convention { path: self.source.path().into(), reason, advice }
    }

    /// Gives a single `mask`, as `lacewing mask` writes it, to the only matrix of its shape; a note that says so. That of a square
    /// matrix may be turned.
    fn plain_mask(&mut self, found: &mut Names) -> Result<Option<String>, ImportError> {
        if !left::unclaimed(self.all, found).contains(&left::MASK) {
            return Ok(None);
        }
        let shape = self.source.shape(left::MASK)?.unwrap_or_default();
        let mut fits = Vec::new();
        for stem in &mut found.weights {
            if self.source.shape(&stem.weight)?.as_ref() == Some(&shape) {
                fits.push(stem);
            }
        }
        let is_square = shape.first() == shape.last();
        Ok(match &mut fits[..] {
            [stem] if stem.mask.is_none() && !is_square => {
                stem.mask = Some(left::MASK.into());
                Some(format!(
                    "the tensor {} is taken as the mask of {}, the only matrix of its shape",
                    left::MASK,
                    stem.weight
                ))
            }
            _ => None,
        })
    }

    /// Refuses a file with tensors that are passed over: the network may be another without them.
    fn nothing_left(&mut self, found: &Names) -> Result<(), ImportError> {
        let left = left::unclaimed(self.all, found);
        let Some(first) = left.first() else { return Ok(()) };
        let shape = self.source.shape(first)?.unwrap_or_default();
        let others = match left.get(1..).unwrap_or_default() {
            [] => String::new(),
            others => format!(" (nor do {})", some(others)),
        };
        let reason = format!("tensor {first} of shape {shape:?} belongs to no layer that the names tell{others}");
        Err(self.refuse(reason, left::advice(first, &shape)))
    }

    fn matrix<'n>(&mut self, stem: &'n Stem) -> Result<Matrix<'n>, ImportError> {
        let shape = self.source.shape(&stem.weight)?.unwrap_or_default();
        let [rows, columns] = shape[..] else {
            let reason = format!("tensor {} has shape {shape:?}, which is no matrix", stem.weight);
            return Err(self.refuse(reason, MATRICES));
        };
        let bias = match &stem.bias {
            Some(bias) => self.source.shape(bias)?.and_then(|shape| shape.first().copied()),
            None => None,
        };
        Ok(Matrix { stem, rows, columns, bias })
    }

    /// Appends the layers of `matrices` behind the node `from`; the last node.
    fn chain(
        &mut self,
        graph: &mut Graph,
        matrices: &[(Matrix<'_>, Layout)],
        from: Option<usize>,
    ) -> Result<usize, ImportError> {
        let mut input = from;
        for (at, (matrix, layout)) in matrices.iter().enumerate() {
            let Matrix { stem, rows, columns, .. } = *matrix;
            let (n_in, n_out) = match layout {
                Layout::OutIn => (columns, rows),
                Layout::InOut => (rows, columns),
            };
            let weights = Weights {
                weight: stem.weight.clone(),
                bias: stem.bias.clone(),
                mask: stem.mask.clone(),
                layout: *layout,
                n_in,
                n_out,
            };
            let is_last = at + 1 == matrices.len();
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for norm in &stem.norms {
                graph.notes.extend(self.not_said(norm, &stem.weight, is_last));
                let affine = Layer::Affine(self.batch_norm(norm)?);
                if norm.behind_activation { second.push(affine) } else { first.push(affine) }
            }
            let activation = (!is_last).then_some(Layer::Activation(Activation::Relu));
            let layers = core::iter::once(Layer::Junction(weights)).chain(first).chain(activation).chain(second);
            for layer in layers {
                graph.nodes.push(Node { name: stem.weight.clone(), input, layer });
                input = Some(graph.nodes.len() - 1);
            }
        }
        Ok(input.unwrap_or_default())
    }

    /// What the file does not say of a batch normalisation of the matrix `weight`, as a note.
    fn not_said(&self, norm: &names::Norm, weight: &str, is_last: bool) -> Option<String> {
        let side = if norm.behind_activation { "behind" } else { "before" };
        let place = if is_last { format!("behind {weight}") } else { format!("{side} the ReLU of {weight}") };
        let title = norm.title();
        let said = match (self.norms.says_epsilon, self.norms.behind_activation) {
            (true, Some(_)) => return None,
            (true, None) => format!("where the batch normalisation {title} stands: {place} is taken"),
            (false, Some(_)) => {
                format!("ε of the batch normalisation {title}: {EPSILON:e} is taken, PyTorch's default")
            }
            (false, None) => format!(
                "ε of the batch normalisation {title}: {EPSILON:e} is taken, PyTorch's default, and {place} as its place"
            ),
        };
        Some(format!("the file does not say {said}; where it was another, export the network as ONNX, which says it"))
    }

    fn batch_norm(&mut self, norm: &names::Norm) -> Result<Affine, ImportError> {
        let mean = self.vector(&norm.name("running_mean"))?;
        let variance = self.vector(&norm.name("running_var"))?;
        let (gamma, beta) = (self.vector(&norm.name("weight"))?, self.vector(&norm.name("bias"))?);
        let (Some(mean), Some(variance)) = (mean, variance) else {
            let reason = format!("the batch normalisation {} has no running_mean or running_var", norm.stem);
            return Err(self.refuse(reason, NORMS));
        };
        if [Some(&mean), gamma.as_ref(), beta.as_ref()].into_iter().flatten().any(|v| v.len() != variance.len()) {
            let reason = format!("the batch normalisation {} has vectors of different lengths", norm.stem);
            return Err(self.refuse(reason, NORMS));
        }
        Ok(Affine::batch_norm(gamma.as_deref(), beta.as_deref(), &mean, &variance, EPSILON))
    }

    fn vector(&mut self, name: &str) -> Result<Option<Vec<f32>>, ImportError> {
        if self.all.iter().all(|known| known != name) {
            return Ok(None);
        }
        Ok(self.source.tensor(name, MAX_WIDTH)?.map(|tensor| tensor.values))
    }

    /// The last node that belongs to each trunk junction, the activation behind it included.
    fn ends(&self, graph: &Graph, trunk: &[(Matrix<'_>, Layout)]) -> Vec<usize> {
        let is_end = |(at, node): (usize, &Node)| matches!(node.layer, Layer::Activation(_)).then_some(at);
        graph.nodes.iter().enumerate().filter_map(is_end).take(trunk.len()).collect()
    }

    /// Behind which trunk junction, from 1, a branch is: the only one of its width, else the one asked for.
    fn place(
        &self,
        name: &str,
        branch: &[(Matrix<'_>, Layout)],
        trunk: &[(Matrix<'_>, Layout)],
        asked: Option<&usize>,
    ) -> Result<usize, ImportError> {
        let width = branch.first().map_or(0, |(matrix, layout)| matrix.inputs(*layout));
        let inner = trunk.len().saturating_sub(1);
        let fits: Vec<usize> = (1..)
            .zip(trunk.iter().take(inner))
            .filter_map(|(place, (matrix, layout))| (matrix.outputs(*layout) == width).then_some(place))
            .collect();
        match (&fits[..], asked) {
            (_, Some(place)) if fits.contains(place) => Ok(*place),
            ([place], None) => Ok(*place),
            ([], _) => {
                let reason = format!("exit {name} reads {width} values, and no junction but the last gives as many");
                Err(self.refuse(reason, EXITS))
            }
            (_, None) => {
                let reason = format!("exit {name} fits behind each of the junctions {fits:?}");
                Err(self.refuse(reason, PLACES))
            }
            (_, Some(place)) => {
                let reason = format!(
                    "exit {name} reads {width} values, which junction {place} does not give; it fits behind {fits:?}"
                );
                Err(self.refuse(reason, PLACES))
            }
        }
    }
}
