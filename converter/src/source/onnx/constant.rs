//! Values that no input changes: stored tensors, `Constant` nodes, and what trivial operators make of them.

use lacewing_models::recipe::MAX_WIDTH;

use super::operator::{FLOATS, keeps};
use super::tensors::{Stored, Tensors};
use super::walk::Producers;
use crate::layers::GraphError;
use crate::onnx::{AttributeProto, NodeProto, TensorProto, element};
use crate::source::{LayersError, Tensor};

/// Operators between a stored tensor and its use that are followed.
const MAX_STEPS: usize = 64;

/// What a node of the kind `Constant` holds, under the name of its output; `None` for other nodes.
pub(super) fn take(node: &mut NodeProto) -> Result<Option<(String, Stored)>, String> {
    if node.op_type.as_deref() != Some("Constant") {
        return Ok(None);
    }
    let name = node.output.first().cloned().unwrap_or_default();
    let Some(attribute) = node.attribute.pop() else { return Err(format!("the constant {name:?} has no value")) };
    let AttributeProto { name: kind, t, f, i, floats, ints, sparse_tensor, .. } = attribute;
    let typed = |data_type, dims| TensorProto { data_type: Some(data_type), dims, ..TensorProto::default() };
    let of_floats = |values: &[f32], dims| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Stored::Dense(Box::new(TensorProto { raw_data: Some(bytes.into()), ..typed(element::FLOAT, dims) }))
    };
    let of_ints = |values: Vec<i64>, dims| {
        Stored::Dense(Box::new(TensorProto { int64_data: values, ..typed(element::INT64, dims) }))
    };
    let stored = match (kind.as_deref(), t, sparse_tensor) {
        (Some("value"), Some(tensor), _) => Stored::Dense(tensor.into()),
        (Some("sparse_value"), _, Some(tensor)) => Stored::Sparse(tensor.into()),
        (Some("value_float"), ..) => of_floats(&[f.unwrap_or(0.0)], Vec::new()),
        (Some("value_floats"), ..) => of_floats(&floats, vec![floats.len() as i64]),
        (Some("value_int"), ..) => of_ints(vec![i.unwrap_or(0)], Vec::new()),
        (Some("value_ints"), ..) => {
            let dims = vec![ints.len() as i64];
            of_ints(ints, dims)
        }
        _ => return Err(format!("the constant {name:?} is no tensor of numbers")),
    };
    Ok(Some((name, stored)))
}

/// A stored tensor, and what becomes of it on the way to where it is used.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    /// Its name.
    pub tensor: String,
    /// The mask it is multiplied with: how PyTorch writes a pruned weight.
    pub mask: Option<String>,
    /// What all its values are multiplied with.
    pub factor: f64,
    /// Its two axes change places.
    pub turned: bool,
    /// It gets another shape, its values in the same order.
    pub reshaped: bool,
}

/// Reads constants.
pub(super) struct Constants<'f> {
    pub tensors: &'f mut Tensors,
    pub producers: &'f Producers<'f>,
}

impl Constants<'_> {
    /// The stored tensor that `value` is made of; `None` where inputs of the network are in it.
    pub(super) fn find(&mut self, value: &str) -> Result<Option<Constant>, LayersError> {
        self.find_within(value, MAX_STEPS)
    }

    fn find_within(&mut self, value: &str, steps: usize) -> Result<Option<Constant>, LayersError> {
        let (mut at, mut turned, mut reshaped) = (value, false, false);
        for step in 0..steps {
            if self.tensors.has(at) {
                return Ok(Some(Constant { tensor: at.to_owned(), mask: None, factor: 1.0, turned, reshaped }));
            }
            let Some(node) = self.producers.of(at) else { return Ok(None) };
            match node.op_type.as_deref().unwrap_or_default() {
                "Identity" => {}
                "Cast" if keeps(node, &FLOATS) => {}
                "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => reshaped = true,
                "Transpose" => {
                    let perm = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("perm"));
                    match perm.map(|perm| &perm.ints[..]) {
                        None | Some([1, 0]) => turned = !turned,
                        Some([0] | [0, 1]) => {}
                        Some(_) => return Ok(None),
                    }
                }
                kind @ ("Mul" | "Div") => {
                    // Half of the steps to each factor, so that products of products end.
                    let found = self.product(node, kind == "Div", (steps - step) / 2)?;
                    return Ok(found.map(|constant| Constant {
                        turned: constant.turned != turned,
                        reshaped: constant.reshaped || reshaped,
                        ..constant
                    }));
                }
                _ => return Ok(None),
            }
            let Some(input) = node.input.first() else { return Ok(None) };
            at = input;
        }
        Ok(None)
    }

    /// The product of a stored tensor and a stored mask of the same shape, or its product with one number or quotient by it.
    fn product(&mut self, node: &NodeProto, divides: bool, steps: usize) -> Result<Option<Constant>, LayersError> {
        let [one, other] = &node.input[..] else { return Ok(None) };
        let (Some(one), Some(other)) = (self.find_within(one, steps)?, self.find_within(other, steps)?) else {
            return Ok(None);
        };
        for (tensor, number) in [(&one, &other), (&other, &one)] {
            if let Some(number) = self.single(number)? {
                let factor = tensor.factor * if divides { number.recip() } else { number };
                return Ok(factor.is_finite().then(|| Constant { factor, ..tensor.clone() }));
            }
            // A quotient cannot be turned round.
            if divides {
                return Ok(None);
            }
        }
        let alike = one.mask.is_none() && other.mask.is_none() && one.turned == other.turned;
        if !alike || self.shape(&one.tensor)? != self.shape(&other.tensor)? {
            return Ok(None);
        }
        for (weight, mask) in [(&one, &other), (&other, &one)] {
            if mask.factor == 1.0 && self.is_mask(&mask.tensor)? {
                let reshaped = weight.reshaped || mask.reshaped;
                return Ok(Some(Constant { mask: Some(mask.tensor.clone()), reshaped, ..weight.clone() }));
            }
        }
        Ok(None)
    }

    /// The value of a constant that is one number.
    fn single(&mut self, constant: &Constant) -> Result<Option<f64>, LayersError> {
        // With more axes it could give what it is multiplied with more axes.
        if constant.mask.is_some() || !matches!(self.shape(&constant.tensor)?[..], [] | [1]) {
            return Ok(None);
        }
        let value = self.read(&constant.tensor, 8)?.values.first().copied();
        Ok(value.map(|value| f64::from(value) * constant.factor))
    }

    fn is_mask(&mut self, name: &str) -> Result<bool, LayersError> {
        let tensor = self.read(name, 4 * (MAX_WIDTH * MAX_WIDTH) as u64)?;
        Ok(tensor.values.iter().all(|value| *value == 0.0 || *value == 1.0))
    }

    /// The stored shape of a tensor.
    pub(super) fn shape(&self, name: &str) -> Result<Vec<usize>, LayersError> {
        let shape = self.tensors.shape(name).map_err(|error| LayersError::Tensor(name.to_owned(), error))?;
        Ok(shape.unwrap_or_default())
    }

    fn read(&mut self, name: &str, limit: u64) -> Result<Tensor, LayersError> {
        let error = |error| LayersError::Tensor(name.to_owned(), error);
        let missing = || GraphError::Description(format!("there is no tensor {name}"));
        Ok(self.tensors.read(name, limit).map_err(error)?.ok_or_else(missing)?)
    }

    /// A constant of at most one axis longer than 1, as the layer `node` uses it.
    pub(super) fn vector(&mut self, node: &str, constant: &Constant) -> Result<Vec<f64>, LayersError> {
        let name = &constant.tensor;
        let setting = |reason: String| GraphError::Setting { layer: node.to_owned(), reason };
        let shape = self.shape(name)?;
        if shape.iter().filter(|length| **length != 1).count() > 1 {
            return Err(setting(format!("{name} has shape {shape:?}; here a vector is supported")).into());
        }
        let limit = 8 * MAX_WIDTH as u64;
        let mut values: Vec<f64> = self.read(name, limit)?.values.into_iter().map(f64::from).collect();
        if let Some(mask) = &constant.mask {
            let mask = self.read(mask, limit)?;
            values.iter_mut().zip(mask.values).for_each(|(value, mask)| *value *= f64::from(mask));
        }
        values.iter_mut().for_each(|value| *value *= constant.factor);
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return Err(setting(format!("{name} is empty, or holds numbers that are not finite")).into());
        }
        Ok(values)
    }
}
