//! Writing inference responses.

use lacewing_engine::Answer;
use serde_json::{Value, json};

use super::{Facts, Infer, Output, VERSION, Wanted};

/// What a model says to the rows of a request.
#[derive(Clone, Copy, Debug)]
pub struct Results<'r> {
    /// One a row.
    pub answers: &'r [Answer],
    /// As many a row as there are classes.
    pub logits: &'r [f32],
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// JSON, and behind it tensors where some are binary.
    pub bytes: Vec<u8>,
    /// How many bytes are JSON, where others follow.
    pub header: Option<usize>,
}

/// Writes the outputs that `request` asks for.
#[must_use]
pub fn encode(facts: &Facts, request: &Infer, results: &Results<'_>) -> Body {
    let mut behind = Vec::new();
    let outputs: Vec<Value> =
        request.outputs.iter().map(|wanted| output(facts, *wanted, results, &mut behind)).collect();
    let mut response = json!({ "model_name": facts.name, "model_version": VERSION, "outputs": outputs });
    if let (Some(id), Some(fields)) = (&request.id, response.as_object_mut()) {
        fields.insert("id".to_owned(), Value::from(id.as_str()));
    }
    let mut bytes = response.to_string().into_bytes();
    let header = request.outputs.iter().any(|wanted| wanted.binary).then_some(bytes.len());
    bytes.append(&mut behind);
    Body { bytes, header }
}

fn output(facts: &Facts, Wanted { output, binary }: Wanted, results: &Results<'_>, behind: &mut Vec<u8>) -> Value {
    let shape = [results.answers.len(), output.width(facts.classes)];
    let mut tensor = json!({ "name": output.name(), "datatype": output.datatype(), "shape": shape });
    let (field, value) = if binary {
        let before = behind.len();
        write(output, results, behind);
        ("parameters", json!({ "binary_data_size": behind.len() - before }))
    } else {
        ("data", data(output, results))
    };
    if let Some(fields) = tensor.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    tensor
}

fn data(output: Output, results: &Results<'_>) -> Value {
    let answers = results.answers.iter();
    match output {
        Output::Logits => results.logits.to_vec().into(),
        Output::Class => answers.map(|answer| answer.class).collect(),
        Output::Exit => answers.map(|answer| answer.exit.0).collect(),
        Output::Confidence => answers.map(|answer| answer.confidence.to_f32()).collect(),
    }
}

fn write(output: Output, results: &Results<'_>, behind: &mut Vec<u8>) {
    let answers = results.answers.iter();
    match output {
        Output::Logits => behind.extend(results.logits.iter().flat_map(|logit| logit.to_le_bytes())),
        Output::Class => behind.extend(answers.flat_map(|answer| answer.class.to_le_bytes())),
        Output::Exit => behind.extend(answers.map(|answer| answer.exit.0)),
        Output::Confidence => behind.extend(answers.flat_map(|answer| answer.confidence.to_f32().to_le_bytes())),
    }
}
