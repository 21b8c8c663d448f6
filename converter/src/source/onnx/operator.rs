//! One ONNX operator as layers.

use lacewing_kernels::Activation;
use lacewing_models::recipe::Layout;

use super::constant::{Constant, Constants};
use super::tensors;
use super::walk::name;
use crate::layers::{Affine, GraphError, Layer, Weights};
use crate::onnx::{NodeProto, element};
use crate::source::LayersError;

const SUPPORTED: &str = "Gemm, MatMul, Add, Sub, Mul, Div, BatchNormalization, Relu, LeakyRelu, PRelu, Clip, Sigmoid, Tanh, \
                         Softmax, LogSoftmax, Flatten, Reshape, Squeeze, Unsqueeze, Identity, Cast and Dropout";

/// A node that works on what the network is given.
pub(super) struct Operator {
    /// Which of its inputs that is.
    pub data: usize,
    /// What it does, in order.
    pub layers: Vec<Layer>,
}

/// The layers of a node, one of whose inputs depends on the network's.
pub(super) fn read(node: &NodeProto, constants: &mut Constants<'_>) -> Result<Operator, LayersError> {
    let kind = node.op_type.as_deref().unwrap_or_default();
    let mut reader = Reader { node, constants };
    let standard = matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"));
    if !standard {
        let kind = format!("{}.{kind}", node.domain.as_deref().unwrap_or_default());
        return Err(GraphError::Layer { layer: name(node).to_owned(), kind, supported: SUPPORTED }.into());
    }
    let one = |layer| Ok(Operator { data: 0, layers: vec![layer] });
    let activation = |activation| one(Layer::Activation(activation));
    match kind {
        "Gemm" => reader.gemm(),
        "MatMul" => reader.matmul(),
        "Add" | "Sub" | "Mul" | "Div" => reader.arithmetic(kind),
        "BatchNormalization" => one(Layer::Affine(reader.batch_norm()?)),
        "Relu" => activation(Activation::Relu),
        "Sigmoid" => activation(Activation::Sigmoid),
        "Tanh" => activation(Activation::Tanh),
        "LeakyRelu" => activation(Activation::LeakyRelu { slope: reader.float("alpha").unwrap_or(0.01) }),
        "PRelu" => activation(Activation::LeakyRelu { slope: reader.one_slope()? }),
        "Clip" => activation(reader.clip()?),
        "Softmax" | "LogSoftmax" => match reader.int("axis") {
            None | Some(-1 | 1) => one(Layer::Softmax),
            Some(axis) => Err(reader.setting(format!("works along axis {axis}; supported is the last")).into()),
        },
        "Flatten" => match reader.int("axis") {
            None | Some(1) => one(Layer::Identity),
            Some(axis) => Err(reader.setting(format!("flattens from axis {axis}; supported is 1")).into()),
        },
        "Reshape" | "Squeeze" | "Unsqueeze" | "Identity" | "Dropout" => one(Layer::Identity),
        // To half of the digits, values are rounded: another network.
        "Cast" if keeps(node, &[element::FLOAT, element::DOUBLE]) => one(Layer::Identity),
        "Cast" => {
            let to = tensors::element_name(reader.int("to").unwrap_or_default());
            let reason = format!("casts to {to}; supported are float and double: export the network in float32");
            Err(reader.setting(reason).into())
        }
        _ => {
            Err(GraphError::Layer { layer: name(node).to_owned(), kind: kind.to_owned(), supported: SUPPORTED }.into())
        }
    }
}

/// What weights may be cast to: to others than floats, a cast cuts off what is behind the point.
pub(super) const FLOATS: [i32; 4] = [element::FLOAT, element::FLOAT16, element::DOUBLE, element::BFLOAT16];

/// Whether a `Cast` is to one of `floats`.
pub(super) fn keeps(node: &NodeProto, floats: &[i32]) -> bool {
    let to = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("to")).and_then(|to| to.i);
    to.is_some_and(|to| floats.iter().any(|float| i64::from(*float) == to))
}

/// The number that weights are multiplied with, as a layer before them: what they are given may as well be.
fn factor(weights: &Constant) -> Option<Layer> {
    let scale = vec![weights.factor];
    (weights.factor != 1.0).then(|| Layer::Affine(Affine { scale, shift: vec![0.0] }))
}

struct Reader<'r, 'f> {
    node: &'r NodeProto,
    constants: &'r mut Constants<'f>,
}

impl Reader<'_, '_> {
    fn setting(&self, reason: impl Into<String>) -> GraphError {
        GraphError::Setting { layer: name(self.node).to_owned(), reason: reason.into() }
    }

    fn float(&self, key: &str) -> Option<f32> {
        self.node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(key))?.f
    }

    fn int(&self, key: &str) -> Option<i64> {
        self.node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(key))?.i
    }

    /// The constant that input `at` is; `None` where it is not there.
    fn constant(&mut self, at: usize) -> Result<Option<Constant>, LayersError> {
        let Some(value) = self.node.input.get(at).filter(|value| !value.is_empty()) else { return Ok(None) };
        match self.constants.find(value)? {
            Some(constant) => Ok(Some(constant)),
            None => Err(self.setting(format!("its input {value} is no stored tensor and not made of one")).into()),
        }
    }

    fn needed(&mut self, at: usize) -> Result<Constant, LayersError> {
        match self.constant(at)? {
            Some(constant) => Ok(constant),
            None => Err(self.setting(format!("has no input {at}")).into()),
        }
    }

    fn vector(&mut self, constant: &Constant) -> Result<Vec<f64>, LayersError> {
        self.constants.vector(name(self.node), constant)
    }

    fn vector_at(&mut self, at: usize) -> Result<Vec<f64>, LayersError> {
        let constant = self.needed(at)?;
        self.vector(&constant)
    }

    /// A junction by the matrix `constant`, stored in `layout` unless it is turned.
    fn junction(&self, constant: Constant, layout: Layout) -> Result<Weights, LayersError> {
        let shape = self.constants.shape(&constant.tensor)?;
        let [rows, columns] = shape[..] else {
            let reason = format!("its weights {} have shape {shape:?}; only matrices are supported", constant.tensor);
            return Err(self.setting(reason).into());
        };
        if constant.reshaped {
            return Err(self.setting(format!("its weights {} are reshaped before use", constant.tensor)).into());
        }
        let layout = match (layout, constant.turned) {
            (Layout::OutIn, false) | (Layout::InOut, true) => Layout::OutIn,
            (Layout::InOut, false) | (Layout::OutIn, true) => Layout::InOut,
        };
        let (n_in, n_out) = match layout {
            Layout::OutIn => (columns, rows),
            Layout::InOut => (rows, columns),
        };
        Ok(Weights { weight: constant.tensor, bias: None, mask: constant.mask, layout, n_in, n_out })
    }

    fn gemm(&mut self) -> Result<Operator, LayersError> {
        if self.int("transA").unwrap_or(0) != 0 {
            return Err(self.setting("turns its data (transA), which is not supported").into());
        }
        let layout = if self.int("transB").unwrap_or(0) == 0 { Layout::InOut } else { Layout::OutIn };
        let constant = self.needed(1)?;
        let factor = factor(&constant);
        let mut weights = self.junction(constant, layout)?;
        let (alpha, beta) = (self.float("alpha").unwrap_or(1.0), self.float("beta").unwrap_or(1.0));
        let mut layers = Vec::new();
        if let Some(bias) = self.constant(2)? {
            let plain =
                bias.mask.is_none() && bias.factor == 1.0 && self.constants.shape(&bias.tensor)? == [weights.n_out];
            if plain && alpha == 1.0 && beta == 1.0 {
                weights.bias = Some(bias.tensor);
            } else {
                let shift = self.vector(&bias)?.into_iter().map(|value| value * f64::from(beta)).collect();
                layers.push(Layer::Affine(Affine { scale: vec![f64::from(alpha)], shift }));
            }
        } else if alpha != 1.0 {
            layers.push(Layer::Affine(Affine { scale: vec![f64::from(alpha)], shift: vec![0.0] }));
        }
        layers.insert(0, Layer::Junction(weights));
        Ok(Operator { data: 0, layers: factor.into_iter().chain(layers).collect() })
    }

    fn matmul(&mut self) -> Result<Operator, LayersError> {
        let left = self.node.input.first().map(String::as_str).unwrap_or_default();
        if self.constants.find(left)?.is_some() {
            return Err(self
                .setting("multiplies with its weights from the left; supported is data times weights")
                .into());
        }
        let constant = self.needed(1)?;
        let factor = factor(&constant);
        let junction = Layer::Junction(self.junction(constant, Layout::InOut)?);
        Ok(Operator { data: 0, layers: factor.into_iter().chain([junction]).collect() })
    }

    /// Adds, subtracts, multiplies or divides with a constant.
    fn arithmetic(&mut self, kind: &str) -> Result<Operator, LayersError> {
        let [left, right] = &self.node.input[..] else { return Err(self.setting("has not two inputs").into()) };
        let (constant, data) = match (self.constants.find(left)?, self.constants.find(right)?) {
            (None, Some(constant)) => (constant, 0),
            (Some(constant), None) if kind != "Div" => (constant, 1),
            (Some(_), _) => return Err(self.setting("divides a constant, or is made of constants alone").into()),
            (None, None) => {
                let reason = "joins two branches of the network, which is not supported; with a constant it is";
                return Err(self.setting(reason).into());
            }
        };
        let values = self.vector(&constant)?;
        let negative = || values.iter().map(|value| -value).collect();
        let affine = match (kind, data) {
            ("Add", _) => Affine { scale: vec![1.0], shift: values },
            ("Sub", 0) => Affine { scale: vec![1.0], shift: negative() },
            ("Sub", _) => Affine { scale: vec![-1.0], shift: values },
            ("Mul", _) => Affine { scale: values, shift: vec![0.0] },
            _ if values.contains(&0.0) => return Err(self.setting("divides by 0").into()),
            _ => Affine { scale: values.iter().map(|value| value.recip()).collect(), shift: vec![0.0] },
        };
        Ok(Operator { data, layers: vec![Layer::Affine(affine)] })
    }

    fn batch_norm(&mut self) -> Result<Affine, LayersError> {
        if self.int("training_mode").unwrap_or(0) != 0 {
            return Err(self.setting("is in training mode: export the network in evaluation mode").into());
        }
        let (gamma, beta) = (self.vector_at(1)?, self.vector_at(2)?);
        let (mean, variance) = (self.vector_at(3)?, self.vector_at(4)?);
        if [&gamma, &beta, &mean].iter().any(|values| values.len() != variance.len()) {
            return Err(self.setting("its statistics have different lengths").into());
        }
        let epsilon = f64::from(self.float("epsilon").unwrap_or(1e-5));
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
        let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(narrow);
        Ok(Affine::batch_norm(Some(&gamma), Some(&beta), &mean, &variance, epsilon))
    }

    fn one_slope(&mut self) -> Result<f32, LayersError> {
        let slopes = self.vector_at(1)?;
        match slopes.first().filter(|first| slopes.iter().all(|slope| slope == *first)) {
            Some(slope) => Ok(*slope as f32),
            None => Err(self.setting("has a slope for each value; one for all is supported").into()),
        }
    }

    /// Bounds are attributes up to version 10 of the operators, inputs since.
    fn clip(&mut self) -> Result<Activation, LayersError> {
        let mut bound = |at, key| -> Result<Option<f64>, LayersError> {
            match self.constant(at)? {
                None => Ok(self.float(key).map(f64::from)),
                Some(constant) => Ok(self.vector(&constant)?.first().copied()),
            }
        };
        let (low, high) = (bound(1, "min")?, bound(2, "max")?);
        match (low, high.filter(|high| *high < f64::from(f32::MAX))) {
            (Some(0.0), None) => Ok(Activation::Relu),
            (Some(0.0), Some(6.0)) => Ok(Activation::Relu6),
            _ => Err(self.setting("clips to other bounds than 0 and 6, which is not supported").into()),
        }
    }
}
