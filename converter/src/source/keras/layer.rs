//! One Keras layer as the layers of a [`Graph`](crate::layers::Graph).

use lacewing_kernels::Activation;
use lacewing_models::recipe::{Layout, MAX_WIDTH};
use serde_json::Value;

use super::config::histories;
use crate::layers::{Affine, GraphError, Layer, Weights};
use crate::source::{Format, LayersError};

/// What is converted.
const SUPPORTED: &str = "Dense, Activation, ReLU, LeakyReLU, Softmax, BatchNormalization, Rescaling, Flatten, Reshape, \
                         Dropout and InputLayer";

/// A layer as the description has it.
pub(super) struct Described<'v> {
    pub(super) name: &'v str,
    pub(super) class: &'v str,
    /// How many layers of its class come before it.
    of_class: usize,
    config: &'v Value,
    inbound: &'v Value,
}

/// Finds the name of a layer's variable; `None` where there is not exactly one.
pub(super) type Find<'f> = dyn Fn(&Described<'_>, Variable) -> Option<String> + 'f;

/// A layer's variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Kernel,
    Bias,
    Gamma,
    Beta,
    Mean,
    Variance,
}

impl Variable {
    /// As Keras calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Bias => "bias",
            Self::Gamma => "gamma",
            Self::Beta => "beta",
            Self::Mean => "moving_mean",
            Self::Variance => "moving_variance",
        }
    }
}

impl<'v> Described<'v> {
    pub(super) fn list(layers: &'v [Value]) -> Result<Vec<Self>, GraphError> {
        let mut described: Vec<Self> = Vec::with_capacity(layers.len());
        for layer in layers {
            let (class, config) = (layer.get("class_name").and_then(Value::as_str), layer.get("config"));
            let name = config.and_then(|config| config.get("name")?.as_str());
            let (Some(class), Some(name), Some(config)) = (class, name, config) else {
                return Err(GraphError::Description("a layer has no class, name or config".into()));
            };
            let of_class = described.iter().filter(|before| before.class == class).count();
            let inbound = layer.get("inbound_nodes").unwrap_or(&Value::Null);
            described.push(Self { name, class, of_class, config, inbound });
        }
        Ok(described)
    }

    /// The folder of its variables in a Keras 3 file: its class in lower case and, from the second of its class, a number.
    pub(super) fn folder(&self) -> String {
        let mut folder = String::new();
        for (at, letter) in self.class.char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                folder.push('_');
            }
            folder.push(letter.to_ascii_lowercase());
        }
        if self.of_class > 0 { format!("{folder}_{}", self.of_class) } else { folder }
    }

    /// The number of a variable in its folder: they are counted in the order of [`Variable`], without those it does not have.
    pub(super) fn place_of(&self, variable: Variable) -> usize {
        // What is neither is refused where the layer is made.
        let missing = |key: &str| usize::from(!self.is(key, true).unwrap_or(true));
        match variable {
            Variable::Kernel | Variable::Gamma => 0,
            Variable::Bias => 1,
            Variable::Beta => 1 - missing("scale"),
            Variable::Mean => 2 - missing("scale") - missing("center"),
            Variable::Variance => 3 - missing("scale") - missing("center"),
        }
    }

    pub(super) fn setting(&self, reason: impl Into<String>) -> GraphError {
        GraphError::Setting { layer: self.name.into(), reason: reason.into() }
    }

    /// The number of values of the input, where this layer says it.
    pub(super) fn input_width(&self) -> Option<usize> {
        let shape = self.config.get("batch_input_shape").or_else(|| self.config.get("batch_shape"))?.as_array()?;
        let lengths = shape.get(1..)?.iter().map(|length| usize::try_from(length.as_u64()?).ok());
        lengths.collect::<Option<Vec<_>>>()?.into_iter().try_fold(1usize, usize::checked_mul)
    }

    /// The layers that feed it.
    pub(super) fn sources(&self) -> Result<Vec<&'v str>, GraphError> {
        if self.inbound.as_array().is_some_and(|calls| calls.len() > 1) {
            return Err(self.setting("is used in several places of the network; each use needs a layer of its own"));
        }
        let mut found = Vec::new();
        histories(self.inbound, &mut found);
        Ok(found)
    }

    /// A number of this layer's, `default` where it says none.
    fn number(&self, key: &str, default: f64) -> Result<f64, GraphError> {
        Ok(number(self, self.config, key)?.unwrap_or(default))
    }

    /// A number for all values or one for each; `default` where it says none.
    fn numbers(&self, key: &str, default: f64) -> Result<Vec<f64>, GraphError> {
        let value = self.config.get(key).map_or(&Value::Null, plain);
        let found = match value {
            Value::Null => Some(vec![default]),
            Value::Array(items) => items.iter().map(Value::as_f64).collect(),
            one => one.as_f64().map(|one| vec![one]),
        };
        found.filter(|values| !values.is_empty()).ok_or_else(|| {
            self.setting(format!("its {key} is {value}; supported are a number and a list of one for each value"))
        })
    }

    fn is(&self, key: &str, default: bool) -> Result<bool, GraphError> {
        match self.config.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let other = || self.setting(format!("its {key} is {value}, neither true nor false"));
                value.as_bool().ok_or_else(other)
            }
        }
    }
}

/// What Keras wraps where an argument was an array of NumPy's.
fn plain(value: &Value) -> &Value {
    value.get("config").unwrap_or(value).get("value").unwrap_or(value)
}

/// A number of a layer's description; `None` where it says none.
fn number(layer: &Described<'_>, config: &Value, key: &str) -> Result<Option<f64>, GraphError> {
    match config.get(key).map(plain) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let other = || layer.setting(format!("its {key} is {value}; supported is a number"));
            value.as_f64().ok_or_else(other).map(Some)
        }
    }
}

/// Makes layers of descriptions and of the tensors that belong to them.
pub(super) struct Reader<'r, F> {
    /// The file.
    pub(super) tensors: &'r mut F,
    /// Knows the names of variables.
    pub(super) find: &'r Find<'r>,
}

impl<F: Format> Reader<'_, F> {
    /// One Keras layer: a matrix and its activation are two.
    pub(super) fn layers(&mut self, layer: &Described<'_>) -> Result<Vec<Layer>, LayersError> {
        let made = match layer.class {
            "Flatten" => match layer.config.get("data_format") {
                None | Some(Value::Null) => vec![Layer::Identity],
                Some(Value::String(format)) if format == "channels_last" => vec![Layer::Identity],
                // Another hands the values on in another order.
                Some(format) => {
                    let reason =
                        format!("its data_format is {format}; supported is channels_last: build the network with that");
                    return Err(layer.setting(reason).into());
                }
            },
            "InputLayer"
            | "Reshape"
            | "Dropout"
            | "AlphaDropout"
            | "GaussianDropout"
            | "GaussianNoise"
            | "ActivityRegularization" => vec![Layer::Identity],
            "Dense" => return self.dense(layer),
            "BatchNormalization" => vec![Layer::Affine(self.batch_norm(layer)?)],
            "Rescaling" => {
                let (scale, shift) = (layer.numbers("scale", 1.0)?, layer.numbers("offset", 0.0)?);
                vec![Layer::Affine(Affine { scale, shift })]
            }
            "Activation" => vec![activation(layer, layer.config.get("activation").unwrap_or(&Value::Null))?],
            class => vec![activation_layer(class, layer, layer.config)?],
        };
        Ok(made)
    }

    fn dense(&mut self, layer: &Described<'_>) -> Result<Vec<Layer>, LayersError> {
        let weight = self.name(layer, Variable::Kernel)?;
        let shape = self.tensors.shape(&weight).map_err(|error| LayersError::Tensor(weight.clone(), error))?;
        let Some([n_in, n_out]) = shape.as_deref() else {
            return Err(layer
                .setting(format!("its kernel {weight} has shape {shape:?}, not (inputs, outputs)"))
                .into());
        };
        let bias = layer.is("use_bias", true)?.then(|| self.name(layer, Variable::Bias)).transpose()?;
        let (n_in, n_out) = (*n_in, *n_out);
        let junction = Layer::Junction(Weights { weight, bias, mask: None, layout: Layout::InOut, n_in, n_out });
        match layer.config.get("activation") {
            None | Some(Value::Null) => Ok(vec![junction]),
            Some(value) => Ok(vec![junction, activation(layer, value)?]),
        }
    }

    fn batch_norm(&mut self, layer: &Described<'_>) -> Result<Affine, LayersError> {
        if !is_last(layer.config.get("axis")) {
            return Err(layer.setting("normalises another axis than the last: only vectors are supported").into());
        }
        let mean = self.vector(layer, Variable::Mean)?;
        let variance = self.vector(layer, Variable::Variance)?;
        let gamma = layer.is("scale", true)?.then(|| self.vector(layer, Variable::Gamma)).transpose()?;
        let beta = layer.is("center", true)?.then(|| self.vector(layer, Variable::Beta)).transpose()?;
        let lengths = [Some(&mean), gamma.as_ref(), beta.as_ref()];
        if lengths.into_iter().flatten().any(|values| values.len() != variance.len()) {
            return Err(layer.setting("its statistics have different lengths").into());
        }
        let epsilon = layer.number("epsilon", 0.001)?;
        if let Some(at) = variance.iter().position(|variance| f64::from(*variance) + epsilon <= 0.0) {
            return Err(layer
                .setting(format!("its moving_variance and epsilon come to no number above 0 at [{at}]"))
                .into());
        }
        Ok(Affine::batch_norm(gamma.as_deref(), beta.as_deref(), &mean, &variance, epsilon))
    }

    fn name(&self, layer: &Described<'_>, variable: Variable) -> Result<String, GraphError> {
        (self.find)(layer, variable)
            .ok_or_else(|| layer.setting(format!("has no one tensor {} in the file", variable.name())))
    }

    fn vector(&mut self, layer: &Described<'_>, variable: Variable) -> Result<Vec<f32>, LayersError> {
        let name = self.name(layer, variable)?;
        let found = self.tensors.tensor(&name, 8 * MAX_WIDTH as u64);
        let found = found.map_err(|error| LayersError::Tensor(name.clone(), error))?;
        match found {
            Some(tensor) if tensor.shape.len() == 1 => {
                match tensor.values.iter().position(|value| !value.is_finite()) {
                    None => Ok(tensor.values),
                    Some(at) => {
                        let value = tensor.values.get(at).copied().unwrap_or_default();
                        let reason = format!(
                            "{name} holds {value} at [{at}]; numbers have to be finite: train or save it again"
                        );
                        Err(layer.setting(reason).into())
                    }
                }
            }
            _ => Err(layer.setting(format!("{name} is not a vector")).into()),
        }
    }
}

/// Whether a layer works along the last axis of (batch, values), as it does where it says none: a number, or a list of one.
fn is_last(axis: Option<&Value>) -> bool {
    match axis {
        None | Some(Value::Null) => true,
        Some(Value::Array(axes)) => axes.len() == 1 && is_last(axes.first()),
        Some(axis) => matches!(axis.as_i64(), Some(-1 | 1)),
    }
}

/// An activation as an argument of a layer: a name, or a serialized function or layer.
fn activation(layer: &Described<'_>, value: &Value) -> Result<Layer, GraphError> {
    let name = match value {
        Value::String(name) => name.as_str(),
        Value::Object(object) => match (object.get("class_name").and_then(Value::as_str), object.get("config")) {
            (Some("function"), Some(Value::String(name))) => name,
            (Some(class), Some(config)) => return activation_layer(class, layer, config),
            _ => "unknown",
        },
        _ => "unknown",
    };
    let function = match name {
        "linear" => Activation::None,
        "relu" => Activation::Relu,
        "relu6" => Activation::Relu6,
        "leaky_relu" => Activation::LeakyRelu { slope: 0.2 },
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "softmax" | "log_softmax" => return Ok(Layer::Softmax),
        other => {
            return Err(layer.setting(format!(
                "has the activation {other}; supported are linear, relu, relu6, leaky_relu, sigmoid, tanh and softmax"
            )));
        }
    };
    Ok(Layer::Activation(function))
}

/// An activation that is a layer.
fn activation_layer(class: &str, layer: &Described<'_>, config: &Value) -> Result<Layer, GraphError> {
    let number = |key: &str| number(layer, config, key);
    let slope = |value: f64| Layer::Activation(Activation::LeakyRelu { slope: value as f32 });
    match class {
        "Softmax" if is_last(config.get("axis")) => Ok(Layer::Softmax),
        "Softmax" => {
            let axis = config.get("axis").unwrap_or(&Value::Null);
            let reason = format!("works along axis {axis}; supported is the last of (batch, values), axis -1 or 1");
            Err(layer.setting(reason))
        }
        "LeakyReLU" => Ok(slope(number("negative_slope")?.or(number("alpha")?).unwrap_or(0.3))),
        "ReLU" => {
            let (negative, threshold) = (number("negative_slope")?.unwrap_or(0.0), number("threshold")?.unwrap_or(0.0));
            match number("max_value")? {
                None if threshold == 0.0 && negative == 0.0 => Ok(Layer::Activation(Activation::Relu)),
                None if threshold == 0.0 => Ok(slope(negative)),
                Some(6.0) if threshold == 0.0 && negative == 0.0 => Ok(Layer::Activation(Activation::Relu6)),
                _ => Err(layer.setting("has a threshold or a maximum other than 6, which are not supported")),
            }
        }
        _ => Err(GraphError::Layer { layer: layer.name.into(), kind: class.into(), supported: SUPPORTED }),
    }
}
