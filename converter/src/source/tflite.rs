//! TensorFlow Lite files: chains of FullyConnected layers, in floats or int8. An int8 layer's integers are kept as they are, with
//! their scales and zero points as tensors of their own:
//!
//! ```text
//! junction.K.weight, .bias    K counts the FullyConnected operators; an int8 layer's are whole numbers
//! junction.K.weight_scale     of an int8 layer: one number, or one an output
//! junction.K.input, .output   of an int8 layer: scale and zero point
//! junction.K.rounds           of an int8 layer: 1, as LiteRT's interpreter rounds
//! ```

mod flat;
mod model;

use bytes::Bytes;
use lacewing_kernels::Activation;
use lacewing_models::JunctionId;
use lacewing_models::recipe::Layout;

use super::{Format, LayersError, Refusal, Tensor};
use crate::layers::{Affine, Graph, GraphError, Layer, Node, Weights};
use model::{Element, Model, Operator, Value};

/// What is converted.
const SUPPORTED: &str = "FULLY_CONNECTED, ADD, SUB and MUL with a constant, RELU, RELU6, LEAKY_RELU, LOGISTIC, TANH, SOFTMAX, \
                         LOG_SOFTMAX, RESHAPE, SQUEEZE, EXPAND_DIMS, QUANTIZE and DEQUANTIZE";

/// Whether a file begins as TensorFlow Lite files do: an offset, then the identifier.
pub(super) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// An open file.
#[derive(Debug)]
pub(super) struct File {
    model: Model,
    junctions: Vec<Junction>,
}

/// A FullyConnected operator: its number among the operators, its tensors by number.
#[derive(Clone, Copy, Debug)]
struct Junction {
    operator: usize,
    input: usize,
    weight: usize,
    bias: Option<usize>,
    output: usize,
}

/// What is asked for under the name of a junction's tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Weight,
    Bias,
    WeightScale,
    Input,
    Output,
    Rounds,
}

const PARTS: [(&str, Part); 6] = [
    ("weight", Part::Weight),
    ("bias", Part::Bias),
    ("weight_scale", Part::WeightScale),
    ("input", Part::Input),
    ("output", Part::Output),
    ("rounds", Part::Rounds),
];

/// How weights in int8 are read.
const WEIGHTS_IN_INT8: &str = "weights in int8 are supported with one scale, or one for each output, and zero points of 0: convert the \
                               network again with the defaults, or without quantisation";

impl File {
    pub(super) fn open(bytes: Bytes) -> Result<Self, Refusal> {
        let model = Model::read(bytes)?;
        let mut junctions = Vec::new();
        for (at, operator) in
            model.operators.iter().enumerate().filter(|(_, operator)| operator.code == FULLY_CONNECTED)
        {
            let tensor = |at: usize| operator.inputs.get(at).copied().flatten();
            let output = operator.outputs.first().copied().flatten();
            let (Some(input), Some(weight), Some(output)) = (tensor(0), tensor(1), output) else {
                return Err(format!("the FULLY_CONNECTED operator {at} lacks an input, weights or an output").into());
            };
            junctions.push(Junction { operator: at, input, weight, bias: tensor(2), output });
        }
        Ok(Self { model, junctions })
    }

    fn stem(number: usize) -> String {
        JunctionId::Trunk(number + 1).weight().trim_end_matches("weight").to_owned()
    }

    /// The junction and the part that a name means, if that part is there.
    fn find(&self, name: &str) -> Option<(Junction, Part)> {
        self.junctions.iter().enumerate().find_map(|(number, junction)| {
            let wanted = name.strip_prefix(&Self::stem(number))?;
            let (_, part) = PARTS.iter().find(|(part, _)| *part == wanted)?;
            self.has(junction, *part).then_some((*junction, *part))
        })
    }

    fn has(&self, junction: &Junction, part: Part) -> bool {
        match part {
            Part::Weight => true,
            Part::Bias => junction.bias.is_some(),
            Part::WeightScale | Part::Input | Part::Output | Part::Rounds => self.is_int8(junction),
        }
    }

    /// Whether the junction computes in int8, not only stores its weights so.
    fn is_int8(&self, junction: &Junction) -> bool {
        self.value(junction.input).is_some_and(|input| input.element == Element::Int8)
    }

    fn value(&self, tensor: usize) -> Option<&Value> {
        self.model.tensors.get(tensor)
    }

    /// A stored tensor's numbers; int8 weights of a layer that computes in floats as what they stand for.
    fn numbers(&self, junction: &Junction, tensor: usize, limit: u64) -> Result<Tensor, Refusal> {
        let missing = || Refusal::Damaged("it is not there".into());
        let value = self.value(tensor).ok_or_else(missing)?;
        let places: usize = value.shape.iter().product();
        if places as u64 * 4 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        if value.is_sparse {
            return Err(Refusal::Element("sparse blocks".into()));
        }
        let mut values = self.model.numbers(value)?;
        if value.element == Element::Int8 && !self.is_int8(junction) {
            let scales = value.scales();
            let row = values.len() / scales.len().max(1);
            if row == 0 || scales.is_empty() || row * scales.len() != values.len() || value.has_zero_points() {
                return Err(Refusal::Unsupported(format!(
                    "its int8 weights have no scales, or zero points other than 0; {WEIGHTS_IN_INT8}"
                )));
            }
            for (row, scale) in values.chunks_exact_mut(row).zip(&scales) {
                row.iter_mut().for_each(|weight| *weight *= scale);
            }
        }
        Ok(Tensor { shape: value.shape.clone(), values })
    }

    /// Scale and zero point of a tensor that has one each.
    fn quantisation(&self, tensor: usize) -> Result<Tensor, Refusal> {
        match self.value(tensor).and_then(Value::one_scale) {
            Some((scale, zero)) => Ok(Tensor { shape: vec![2], values: vec![scale, zero as f32] }),
            None => Err(Refusal::Unsupported(
                "it has not one scale and one zero point; activations in int8 are supported with one of each for the whole tensor: \
                 convert the network again with the defaults, or without quantisation"
                    .into(),
            )),
        }
    }
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        let named = |(number, junction): (usize, &Junction)| {
            let there = PARTS.iter().filter(|(_, part)| self.has(junction, *part));
            there.map(|(part, _)| format!("{}{part}", Self::stem(number))).collect::<Vec<_>>()
        };
        self.junctions.iter().enumerate().flat_map(named).collect()
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        let Some((junction, part)) = self.find(name) else { return Ok(None) };
        let shape = |tensor| self.value(tensor).map(|value| value.shape.clone());
        Ok(match part {
            Part::Weight => shape(junction.weight),
            Part::Bias => junction.bias.and_then(shape),
            Part::WeightScale => self.value(junction.weight).map(|value| vec![value.scales().len()]),
            Part::Input | Part::Output => Some(vec![2]),
            Part::Rounds => Some(vec![1]),
        })
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let Some((junction, part)) = self.find(name) else { return Ok(None) };
        match part {
            Part::Weight => self.numbers(&junction, junction.weight, limit),
            Part::Bias => self.numbers(&junction, junction.bias.unwrap_or(usize::MAX), limit),
            Part::Input => self.quantisation(junction.input),
            Part::Output => self.quantisation(junction.output),
            Part::Rounds => Ok(Tensor { shape: vec![1], values: vec![1.0] }),
            Part::WeightScale => {
                let Some(value) = self.value(junction.weight) else { return Ok(None) };
                if value.has_zero_points() {
                    return Err(Refusal::Unsupported(format!(
                        "its weights have zero points other than 0; {WEIGHTS_IN_INT8}"
                    )));
                }
                let values = value.scales();
                Ok(Tensor { shape: vec![values.len()], values })
            }
        }
        .map(Some)
    }

    fn graph(&mut self) -> Result<Option<Graph>, LayersError> {
        Walk { file: self, graph: Graph::default(), ends: Vec::new() }.graph().map(Some)
    }
}

const FULLY_CONNECTED: u32 = 9;
const SOFTMAX: u32 = 25;
const LOG_SOFTMAX: u32 = 50;
const QUANTIZE: u32 = 114;

/// The way from outputs back to the input.
struct Walk<'f> {
    file: &'f File,
    graph: Graph,
    /// The last layer made of each operator that was met.
    ends: Vec<(usize, Option<usize>)>,
}

impl Walk<'_> {
    fn graph(mut self) -> Result<Graph, LayersError> {
        let model = &self.file.model;
        let [Some(input)] = model.inputs[..] else {
            let reason = format!("the network has {} inputs; one is supported", model.inputs.len());
            return Err(GraphError::Description(reason).into());
        };
        // The first axis is the batch.
        let shape = self.file.value(input).map(|value| value.shape.get(1..).unwrap_or_default());
        self.graph.width = shape.filter(|shape| !shape.is_empty()).map(|shape| shape.iter().product());
        for output in model.outputs.iter().flatten() {
            match self.follow(*output, input)? {
                Some(end) => self.graph.outputs.push(end),
                None => return Err(GraphError::Description("an output is the input itself".into()).into()),
            }
        }
        self.check_int8()?;
        Ok(self.graph)
    }

    /// Where one layer computes in int8, all of them do.
    fn check_int8(&self) -> Result<(), GraphError> {
        let mut int8 = self.file.junctions.iter().map(|junction| self.file.is_int8(junction));
        let first = int8.next();
        if int8.any(|is_int8| Some(is_int8) != first) {
            let reason = "it computes partly in int8 and partly in floats, which is not supported: convert it without quantisation";
            return Err(GraphError::Description(reason.into()));
        }
        Ok(())
    }

    /// Whether an operator hands int8 values on, and what they stand for is another.
    fn rescales(&self, operator: &Operator, data: usize) -> bool {
        let int8 = |tensor| self.file.value(tensor).filter(|value| value.element == Element::Int8);
        let Some(output) = operator.outputs.first().copied().flatten().and_then(int8) else { return false };
        int8(data).is_some_and(|input| input.one_scale() != output.one_scale())
    }

    fn follow(&mut self, output: usize, input: usize) -> Result<Option<usize>, LayersError> {
        let operators = &self.file.model.operators;
        let mut way = Vec::new();
        let mut at = output;
        let mut end = loop {
            if at == input {
                break None;
            }
            let gives = |operator: &&Operator| operator.outputs.contains(&Some(at));
            let Some(operator) = operators.iter().find(gives) else {
                return Err(GraphError::Description(format!("no operator gives tensor {at}")).into());
            };
            if let Some((_, end)) = self.ends.iter().find(|(number, _)| *number == operator.number) {
                break *end;
            }
            if way.len() >= operators.len() {
                return Err(GraphError::Cycle { layer: operator.name() }.into());
            }
            let (data, layers) = self.layers(operator)?;
            way.push((operator, layers));
            at = data;
        };
        for (operator, layers) in way.into_iter().rev() {
            for layer in layers {
                self.graph.nodes.push(Node { name: operator.name(), input: end, layer });
                end = Some(self.graph.nodes.len() - 1);
            }
            self.ends.push((operator.number, end));
        }
        Ok(end)
    }

    /// The tensor that an operator works on, and what it does.
    fn layers(&self, operator: &Operator) -> Result<(usize, Vec<Layer>), LayersError> {
        let setting = |reason: &str| GraphError::Setting { layer: operator.name(), reason: reason.to_owned() };
        let Some(data) = operator.inputs.first().copied().flatten() else {
            return Err(setting("has no input").into());
        };
        if !matches!(operator.code, FULLY_CONNECTED | SOFTMAX | LOG_SOFTMAX) && self.rescales(operator, data) {
            let reason =
                "changes the scale of int8 values, which is not supported; what is fused with FULLY_CONNECTED does not";
            return Err(setting(reason).into());
        }
        let activation = |activation| vec![Layer::Activation(activation)];
        let layers = match operator.code {
            FULLY_CONNECTED => self.fully_connected(operator)?,
            0 | 18 | 41 => return self.arithmetic(operator),
            14 => activation(Activation::Sigmoid),
            19 => activation(Activation::Relu),
            21 => activation(Activation::Relu6),
            28 => activation(Activation::Tanh),
            98 => activation(Activation::LeakyRelu { slope: operator.options.float(0, 0.0) }),
            SOFTMAX | LOG_SOFTMAX => vec![Layer::Softmax],
            // Values are rounded to a scale's steps and held to its ends.
            QUANTIZE if !self.file.junctions.iter().any(|junction| self.file.is_int8(junction)) => {
                let reason = "rounds values to integers beside layers in floats, which is not supported: convert the network \
                              again without quantisation, or with all of it in int8";
                return Err(setting(reason).into());
            }
            // QUANTIZE, DEQUANTIZE, RESHAPE, SQUEEZE, EXPAND_DIMS.
            6 | 22 | 43 | 70 | QUANTIZE => vec![Layer::Identity],
            _ => {
                return Err(GraphError::Layer {
                    layer: format!("of operator {}", operator.number),
                    kind: operator.kind(),
                    supported: SUPPORTED,
                }
                .into());
            }
        };
        Ok((data, layers))
    }

    fn fused(operator: &Operator, id: i8) -> Result<Option<Layer>, GraphError> {
        let reason = "has a fused activation that is not supported; supported are RELU, RELU6 and TANH";
        match id {
            0 => Ok(None),
            1 => Ok(Some(Layer::Activation(Activation::Relu))),
            3 => Ok(Some(Layer::Activation(Activation::Relu6))),
            4 => Ok(Some(Layer::Activation(Activation::Tanh))),
            _ => Err(GraphError::Setting { layer: operator.name(), reason: reason.into() }),
        }
    }

    fn fully_connected(&self, operator: &Operator) -> Result<Vec<Layer>, LayersError> {
        let setting = |reason: String| GraphError::Setting { layer: operator.name(), reason };
        let found = self.file.junctions.iter().enumerate().find(|(_, junction)| junction.operator == operator.number);
        let Some((number, junction)) = found else { return Err(setting("is not there".into()).into()) };
        let shape = self.file.value(junction.weight).map(|value| &value.shape[..]).unwrap_or_default();
        let [n_out, n_in] = *shape else {
            return Err(setting(format!("its weights have shape {shape:?}, not (outputs, inputs)")).into());
        };
        if !self
            .file
            .value(junction.input)
            .is_some_and(|input| matches!(input.element, Element::Float32 | Element::Int8))
        {
            return Err(setting("it computes neither in floats nor in int8".into()).into());
        }
        if operator.options.byte(1, 0) != 0 {
            return Err(setting("its weights are shuffled, which is not supported".into()).into());
        }
        let id = JunctionId::Trunk(number + 1);
        let bias = junction.bias.is_some().then(|| id.bias());
        let weights = Weights { weight: id.weight(), bias, mask: None, layout: Layout::OutIn, n_in, n_out };
        let fused = Self::fused(operator, operator.options.byte(0, 0))?;
        Ok(core::iter::once(Layer::Junction(weights)).chain(fused).collect())
    }

    /// ADD, MUL and SUB of a constant, in floats.
    fn arithmetic(&self, operator: &Operator) -> Result<(usize, Vec<Layer>), LayersError> {
        let setting = |reason: &str| GraphError::Setting { layer: operator.name(), reason: reason.to_owned() };
        let model = &self.file.model;
        let [Some(left), Some(right)] = operator.inputs[..] else { return Err(setting("has not two inputs").into()) };
        let stored = |tensor| self.file.value(tensor).filter(|value| model.is_stored(value));
        let (constant, data, is_left) = match (stored(left), stored(right)) {
            (None, Some(constant)) => (constant, left, false),
            (Some(constant), None) => (constant, right, true),
            _ => return Err(setting("joins two branches, which is not supported; with a constant it is").into()),
        };
        let values = match (constant.element, constant.shape.iter().filter(|length| **length != 1).count()) {
            (Element::Float32, 0 | 1) => model.numbers(constant),
            _ => return Err(setting("its constant is no vector of floats").into()),
        };
        let values = values.map_err(|error| LayersError::Tensor(operator.name(), error))?;
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return Err(setting("its constant is empty, or holds numbers that are not finite").into());
        }
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let affine = match (operator.code, is_left) {
            (0, _) => Affine { scale: vec![1.0], shift: values },
            (18, _) => Affine { scale: values, shift: vec![0.0] },
            (_, false) => Affine { scale: vec![1.0], shift: values.iter().map(|value| -value).collect() },
            (_, true) => Affine { scale: vec![-1.0], shift: values },
        };
        let fused = Self::fused(operator, operator.options.byte(0, 0))?;
        Ok((data, core::iter::once(Layer::Affine(affine)).chain(fused).collect()))
    }
}
