//! The device's client, and a tail of whatever make: `ask URL MODEL TAIL.lace [ROWS]` asks a server of the Open Inference Protocol
//! such as the `kserve` Python server, `ask ADDRESS udp TAIL.lace [ROWS]` a tail or a gateway that takes packets. Features are drawn
//! at random; every class is compared with the tail's in this process. Input and output have the names that
//! `lacewing export --onnx --tail` gives them.

use core::time::Duration;
use std::io::{self, Write};

use lacewing_engine::{AsTrained, Engine, Features, KernelSet, Model, Outcome, Scratch};
use lacewing_tail::client::{Client, Finished, KserveLink, Link, Patience, Tensors, UdpLink};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

type Failure = Box<dyn core::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (url, name, file, rows) = match words.as_slice() {
        [url, name, file] => (url, name, file, 1000),
        [url, name, file, rows] => (url, name, file, rows.parse::<u32>()?),
        _ => return Err("ask URL|ADDRESS MODEL|udp TAIL.lace [ROWS]".into()),
    };
    let bytes = std::fs::read(file)?;
    let model = Model::parse(&bytes, &KernelSet::ALL)?;
    let mut scratch = Scratch::<65_536>::new();
    let mut here = Engine::new(&model, &mut scratch)?;
    let link: Box<dyn Link> = match name.as_str() {
        "udp" => Box::new(UdpLink::new(url.parse()?)?),
        name => Box::new(KserveLink::new(url, name, Tensors { lacewing: false, ..Tensors::default() })),
    };
    let second = Duration::from_secs(1);
    let mut client = Client::new(link, Patience { deadline: second, attempt: second, ..Patience::default() });
    let (mut random, mut worst, mut most) = (StdRng::seed_from_u64(1), 0.0f32, 0.0f32);
    for row in 0..rows {
        // As a ReLU leaves them.
        let values: Vec<f32> = (0..model.n_in()).map(|_| random.random_range(-2.0..2.0f32).max(0.0)).collect();
        let features = Features::new(&values, model.pair_id(), model.split()).with_logits();
        let Outcome::Answer(answer) = here.resume(&features, &mut AsTrained)? else {
            return Err("a tail answers".into());
        };
        let Finished::Tail(there) = client.finish(&features, None)? else { return Err("there is no fallback".into()) };
        if there.class != answer.class {
            return Err(format!("row {row}: class {} there, {} here", there.class, answer.class).into());
        }
        let largest = here.logits().iter().fold(1.0, |most: f32, logit| most.max(logit.abs()));
        if there.logits.len() != here.logits().len() {
            return Err(format!("row {row}: {} logits there, {} here", there.logits.len(), here.logits().len()).into());
        }
        let apart = there.logits.iter().zip(here.logits()).map(|(there, here)| (there - here).abs());
        let apart = apart.fold(0.0, f32::max);
        (most, worst) = (most.max(apart), worst.max(apart / largest));
    }
    writeln!(
        io::stdout(),
        "{rows} rows: every class the same, logits within {most:.1e}, and within {worst:.1e} of the largest"
    )?;
    Ok(())
}
