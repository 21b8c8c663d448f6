//! `lacewing demo --split`: head and tail as two processes over loopback, and the tail killed half way.

use core::net::SocketAddr;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use lacewing_engine::{AsTrained, Engine, Features, Model, Outcome};
use lacewing_models::Dataset;
use lacewing_models::data::{self, Part};
use lacewing_tail::client::{Client, Finished, Link, Patience, UdpLink};

use super::networks::{FLAGSHIP, load_one};
use crate::command::loopback::TailProcess;
use crate::failure::Failure;
use crate::progress;
use crate::show::{count, micros, percent, table};

/// Who answered, and how well.
#[derive(Clone, Default)]
pub struct Counts {
    pub by_exit: usize,
    pub by_tail: usize,
    pub by_fallback: usize,
    pub right: usize,
    /// Answers of the tail that are not those of the same tail in this process: there must be none.
    pub different: usize,
    /// Nanoseconds of each image, from its being in place to its answer.
    pub each: Vec<u64>,
    /// The same, of those that an exit took, and those handed over.
    at_exit: Vec<u64>,
    handed_over: Vec<u64>,
}

impl Counts {
    pub const fn images(&self) -> usize {
        self.by_exit + self.by_tail + self.by_fallback
    }

    /// Of all images.
    pub fn mean(&self) -> u64 {
        let sum: u64 = self.each.iter().sum();
        sum / self.images().max(1) as u64
    }
}

pub fn run(from: &Path, tail_at: Option<SocketAddr>, out: &mut dyn Write) -> Result<(), Failure> {
    let flagship = load_one(FLAGSHIP)?;
    let test = data::load_for(from, Part::Test, &flagship.recipe)?;
    let (head, tail) = (flagship.head()?, flagship.tail()?.ok_or("the flagship has no tail")?);
    if let Some(at) = tail_at {
        return ask_elsewhere(&head, &tail, at, &test, out);
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tail.lace");
    std::fs::write(&file, tail.bytes())?;
    let mut other = TailProcess::start(&[&file])?;
    writeln!(out, "head: process {}; tail: process {}, packets to udp {}", std::process::id(), other.id(), other.at())?;
    out.flush()?;
    let mut device = Device::new(&head, &tail, UdpLink::new(other.at())?);
    let bar = progress::bar("head and tail", test.len() as u64);
    let half = test.len() / 2;
    let alive = device.answer(&test, 0..half, &bar)?;
    other.kill()?;
    bar.println(format!("image {}: the tail's process is killed", count(half)));
    let dead = device.answer(&test, half..test.len(), &bar)?;
    bar.finish_and_clear();
    show(&[("tail alive", &alive), ("tail killed", &dead)], out)?;
    if alive.different > 0 || alive.by_tail == 0 || dead.by_tail > 0 {
        return Err("the tail did not answer as it does in this process".into());
    }
    Ok(())
}

/// The same with a tail that is there already, of whatever make: it is not killed, and its classes are compared.
fn ask_elsewhere(
    head: &Model<'_>,
    tail: &Model<'_>,
    at: SocketAddr,
    test: &Dataset,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut device = Device::new(head, tail, UdpLink::new(at)?);
    device.classes_only = true;
    let bar = progress::bar("head and tail", test.len() as u64);
    let counts = device.answer(test, 0..test.len(), &bar)?;
    bar.finish_and_clear();
    show(&[("tail elsewhere", &counts)], out)?;
    if counts.different > 0 || counts.by_tail == 0 {
        return Err("the tail did not answer as the one in this process does".into());
    }
    Ok(())
}

/// A head and its link; and the tail in this process, to compare with.
pub struct Device<'m, L> {
    head: &'m Model<'m>,
    tail: &'m Model<'m>,
    client: Client<L>,
    /// Another engine computes: its confidence may differ in the last bits.
    classes_only: bool,
}

impl<'m, L: Link> Device<'m, L> {
    pub fn new(head: &'m Model<'m>, tail: &'m Model<'m>, link: L) -> Self {
        Self { head, tail, client: Client::new(link, Patience::default()), classes_only: false }
    }

    pub fn answer(
        &mut self,
        test: &Dataset,
        images: core::ops::Range<usize>,
        bar: &ProgressBar,
    ) -> Result<Counts, Failure> {
        let mut scratch = [self.head, self.tail].map(|model| vec![0; model.scratch_len().div_ceil(16)]);
        let [head, tail] = scratch.each_mut().map(|scratch: &mut Vec<u128>| bytemuck::cast_slice_mut(scratch));
        let (mut head, mut tail) = (Engine::new(self.head, head)?, Engine::new(self.tail, tail)?);
        let mut counts = Counts::default();
        for image in images {
            head.load(test.sample(image))?;
            let start = Instant::now();
            let class = match head.run(&mut AsTrained) {
                Outcome::Answer(answer) => {
                    let time = since(start);
                    counts.at_exit.push(time);
                    counts.each.push(time);
                    counts.by_exit += 1;
                    answer.class
                }
                Outcome::Offload { features, fallback } => {
                    let finished = self.client.finish(&features.without_zeros(), fallback)?;
                    let time = since(start);
                    counts.handed_over.push(time);
                    counts.each.push(time);
                    self.check(&finished, &features, &mut tail, &mut counts)?;
                    finished.class()
                }
            };
            counts.right += usize::from(usize::from(class) == test.label(image));
            bar.inc(1);
            bar.set_message(format!(
                "exit {}  tail {}  fallback {}  right {}",
                counts.by_exit, counts.by_tail, counts.by_fallback, counts.right
            ));
        }
        Ok(counts)
    }

    /// Counts who answered, and whether a tail's answer is that of the tail in this process.
    fn check(
        &self,
        finished: &Finished,
        features: &Features<'_>,
        tail: &mut Engine<'_>,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        match finished {
            Finished::Tail(answer) => {
                counts.by_tail += 1;
                let here = tail.resume(features, &mut AsTrained)?;
                let same = matches!(here, Outcome::Answer(here) if here.class == answer.class
                    && (self.classes_only || (Some(here.exit), Some(here.confidence)) == (answer.exit, answer.confidence)));
                counts.different += usize::from(!same);
            }
            Finished::Fallback { .. } => counts.by_fallback += 1,
        }
        Ok(())
    }
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn show(parts: &[(&str, &Counts)], out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = table(&["", "images", "by an exit", "by the tail", "by fallback", "right", "unlike in-process"]);
    let mut times = table(&["one image, input to answer", "mean of all", "exit: median", "handed over: median", "p99"]);
    for (name, counts) in parts {
        rows.add_row([
            (*name).to_owned(),
            count(counts.images()),
            count(counts.by_exit),
            count(counts.by_tail),
            count(counts.by_fallback),
            percent(counts.right as f64 / counts.images().max(1) as f64),
            count(counts.different),
        ]);
        let (exits, handed) = (sorted(&counts.at_exit), sorted(&counts.handed_over));
        let of =
            |times: &[u64], percent: usize| times.get(times.len() * percent / 100).map_or("-".into(), |t| micros(*t));
        times.add_row([(*name).to_owned(), micros(counts.mean()), of(&exits, 50), of(&handed, 50), of(&handed, 99)]);
    }
    writeln!(
        out,
        "{rows}\n{times}\nfallback: the exit's own answer, which it was not sure of; every image was answered"
    )?;
    Ok(())
}

fn sorted(times: &[u64]) -> Vec<u64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
}
