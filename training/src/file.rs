//! Trained networks as safetensors files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use lacewing_kernels::Quantisation;
use lacewing_models::recipe::PlacedJunction;
use lacewing_models::{JunctionId, Mask, Recipe, names};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, View};

use crate::error::FileError;
use crate::int8::Scales;
use crate::junction::Junction;
use crate::network::Network;
use crate::parameters::Parameters;
use crate::plan;

/// One tensor, laid out dense only while it is written: memory stays proportional to the nonzeros.
struct Tensor<'a> {
    junction: &'a Junction,
    parameters: &'a Parameters,
    content: Content,
}

#[derive(Clone, Copy, PartialEq)]
enum Content {
    Weights,
    Biases,
    Mask,
}

impl Tensor<'_> {
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let row = |output| self.junction.edges_of(output).map(move |(input, k)| (output, input, k));
        let at = |(output, input, k)| (output * self.junction.n_in() + input, k);
        (0..self.junction.n_out()).flat_map(row).map(at)
    }
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        if self.content == Content::Mask { Dtype::U8 } else { Dtype::F32 }
    }

    fn shape(&self) -> &[usize] {
        match self.content {
            Content::Biases => self.junction.bias_shape(),
            Content::Weights | Content::Mask => self.junction.shape(),
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let n = self.junction.n_in() * self.junction.n_out();
        match self.content {
            Content::Weights => {
                let mut bytes = vec![0; 4 * n];
                for (place, k) in self.places() {
                    bytes[4 * place..4 * place + 4].copy_from_slice(&self.parameters.weights[k].to_le_bytes());
                }
                bytes.into()
            }
            Content::Biases => self.parameters.biases.iter().flat_map(|bias| bias.to_le_bytes()).collect(),
            Content::Mask => {
                let mut bytes = vec![0; n];
                self.places().for_each(|(place, _)| bytes[place] = 1);
                bytes.into()
            }
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * if self.content == Content::Mask { 1 } else { 4 }
    }
}

/// A tensor, or what int8 numbers stand for: two numbers, scale and zero point.
enum Entry<'a> {
    Tensor(Tensor<'a>),
    Scale(Quantisation),
}

impl View for Entry<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Tensor(tensor) => tensor.dtype(),
            Self::Scale(_) => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Tensor(tensor) => tensor.shape(),
            Self::Scale(_) => &[2],
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Tensor(tensor) => tensor.data(),
            Self::Scale(Quantisation { scale, zero }) => {
                [*scale, f32::from(*zero)].into_iter().flat_map(f32::to_le_bytes).collect()
            }
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Tensor(tensor) => tensor.data_len(),
            Self::Scale(_) => 8,
        }
    }
}

/// Streams the tensors into a temporary file, syncs it and renames it.
pub(crate) fn save(
    path: &Path,
    recipe: &Recipe,
    network: &Network,
    parameters: &[Parameters],
    scales: Option<&Scales>,
) -> Result<(), FileError> {
    let mut tensors = Vec::new();
    for ((placed, node), parameters) in recipe.placed_junctions().iter().zip(network.nodes()).zip(parameters) {
        for (name, content) in [
            (placed.id.weight(), Content::Weights),
            (placed.id.bias(), Content::Biases),
            (placed.id.mask(), Content::Mask),
        ] {
            tensors.push((name, Entry::Tensor(Tensor { junction: &node.junction, parameters, content })));
        }
    }
    if let Some(scales) = scales {
        tensors.push((JunctionId::Trunk(1).input(), Entry::Scale(scales.input)));
        let outputs = recipe.placed_junctions().into_iter().zip(&scales.outputs);
        tensors.extend(outputs.map(|(placed, scale)| (placed.id.output(), Entry::Scale(*scale))));
    }
    let entry = |key: &str, value: String| (key.to_owned(), value);
    let metadata = HashMap::from([
        entry(names::RECIPE_KEY, recipe.to_toml()),
        entry(names::VERSION_KEY, names::VERSION.to_owned()),
    ]);
    let io = |source| FileError::Io { path: path.to_owned(), source };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lacewing-").suffix(".tmp");
    // Readable as other files are, not for the owner alone as temporary files; the process's mask still applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(directory).map_err(io)?;
    let permissions = temporary.as_file().metadata().map_err(io)?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), temporary.path())
        .map_err(|source| FileError::Safetensors { path: path.to_owned(), source })?;
    // The library has put a file of its own, for the owner alone, in the place of the temporary one.
    let written = File::options().write(true).open(temporary.path()).map_err(io)?;
    written.set_permissions(permissions).map_err(io)?;
    written.sync_all().map_err(io)?;
    temporary.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// A network as a file has it.
pub(crate) type Loaded = (Recipe, Network, Vec<Parameters>, Option<Scales>);

pub(crate) fn load(path: &Path) -> Result<Loaded, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    let refused = |source| FileError::Safetensors { path: path.to_owned(), source };
    let tensors = SafeTensors::deserialize(&bytes).map_err(refused)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(refused)?;
    let entry = |key: &'static str| {
        let value = header.metadata().as_ref().and_then(|entries| entries.get(key));
        value.ok_or_else(|| FileError::Metadata { path: path.to_owned(), key })
    };
    let recipe = Recipe::parse(entry(names::RECIPE_KEY)?)
        .map_err(|source| FileError::Recipe { path: path.to_owned(), source: Box::new(source) })?;
    let reader = Reader { path, tensors };
    let network = plan::network(&recipe, |placed| reader.mask(placed).map(|mask| Junction::new(&mask)))?;
    let mut parameters = Vec::new();
    for (placed, node) in recipe.placed_junctions().iter().zip(network.nodes()) {
        parameters.push(reader.parameters(placed.id, &node.junction)?);
    }
    let scales = reader.scales(&recipe)?;
    Ok((recipe, network, parameters, scales))
}

struct Reader<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl Reader<'_> {
    fn tensor(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<TensorView<'_>, FileError> {
        let tensor = self.tensors.tensor(name).map_err(|_| self.refuse(name, "is missing".into()))?;
        if tensor.dtype() == dtype && tensor.shape() == shape {
            return Ok(tensor);
        }
        let (found_dtype, found_shape) = (tensor.dtype(), tensor.shape());
        Err(self.refuse(name, format!("is {found_dtype:?} {found_shape:?}, the recipe wants {dtype:?} {shape:?}")))
    }

    fn mask(&self, placed: &PlacedJunction<'_>) -> Result<Mask, FileError> {
        let (name, n_in, n_out) = (placed.id.mask(), placed.n_in, placed.n_out());
        let tensor = self.tensor(&name, Dtype::U8, &[n_out, n_in])?;
        Mask::from_bytes(n_in, n_out, tensor.data()).map_err(|error| self.refuse(&name, format!("is no mask: {error}")))
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FileError> {
        let tensor = self.tensor(name, Dtype::F32, shape)?;
        let values = tensor.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect::<Vec<_>>();
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(at) => Err(self.refuse(name, format!("has a value that is not finite, number {at} from 0"))),
        }
    }

    fn parameters(&self, id: JunctionId, junction: &Junction) -> Result<Parameters, FileError> {
        let name = id.weight();
        let mut dense = self.floats(&name, junction.shape())?;
        let biases = self.floats(&id.bias(), junction.bias_shape())?;
        let mut weights = vec![0.0; junction.nnz()];
        for output in 0..junction.n_out() {
            for (input, k) in junction.edges_of(output) {
                let weight = dense.get_mut(output * junction.n_in() + input);
                weights[k] = weight.map(core::mem::take).unwrap_or_default();
            }
        }
        match dense.iter().position(|&weight| weight != 0.0) {
            None => Ok(Parameters { weights, biases }),
            Some(at) => Err(self.refuse(&name, format!("has a weight outside the mask, number {at} from 0"))),
        }
    }

    /// Of the input and every junction's outputs; none where the file has none for the input.
    fn scales(&self, recipe: &Recipe) -> Result<Option<Scales>, FileError> {
        let input = JunctionId::Trunk(1).input();
        if self.tensors.tensor(&input).is_err() {
            return Ok(None);
        }
        let scale = |name: &str| match self.floats(name, &[2])?.as_slice() {
            [scale, zero] if *scale > 0.0 && f32::from(*zero as i8) == *zero => {
                Ok(Quantisation { scale: *scale, zero: *zero as i8 })
            }
            _ => Err(self.refuse(name, "is no scale above 0 and zero point from -128 to 127".into())),
        };
        let output = |placed: &PlacedJunction<'_>| {
            let name = placed.id.output();
            let output = scale(&name)?;
            // As the model file has it.
            let fits = output.packs().then_some(output);
            fits.ok_or_else(|| {
                self.refuse(&name, "has a scale that is none of training's: of 16 bits, below 2^120".into())
            })
        };
        let outputs = recipe.placed_junctions().iter().map(output).collect::<Result<_, _>>()?;
        Ok(Some(Scales { input: scale(&input)?, outputs }))
    }

    fn refuse(&self, tensor: &str, problem: String) -> FileError {
        FileError::Tensor { path: self.path.to_owned(), tensor: tensor.to_owned(), problem }
    }
}
