//! `lacewing demo --split`: head and tail as two processes over loopback, and the tail killed half way.

use core::net::SocketAddr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use indicatif::ProgressBar;
use lacewing_engine::{Answer, AsTrained, Engine, Features, Model, Outcome};
use lacewing_models::Dataset;
use lacewing_models::data::{self, Part};
use lacewing_tail::client::{Client, Finished, Link, Patience, UdpLink};

use super::networks::{FLAGSHIP, load_one};
use crate::Failure;
use crate::progress;
use crate::show::{count, percent, table};

/// Who answered, and how well.
#[derive(Clone, Copy, Default)]
struct Counts {
    by_exit: usize,
    by_tail: usize,
    by_fallback: usize,
    right: usize,
    /// Answers of the tail that are not those of the same tail in this process: there must be none.
    different: usize,
}

impl Counts {
    const fn images(&self) -> usize {
        self.by_exit + self.by_tail + self.by_fallback
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
    let mut other = TailProcess::start(&file)?;
    writeln!(out, "head: process {}; tail: process {}, packets to udp {}", std::process::id(), other.id(), other.at)?;
    out.flush()?;
    let mut device = Device::new(&head, &tail, UdpLink::new(other.at)?);
    let bar = progress::bar("head and tail", test.len() as u64);
    let half = test.len() / 2;
    let alive = device.answer(&test, 0..half, &bar)?;
    other.kill()?;
    bar.println(format!("image {}: the tail's process is killed", count(half)));
    let dead = device.answer(&test, half..test.len(), &bar)?;
    bar.finish_and_clear();
    show(&[("tail alive", alive), ("tail killed", dead)], out)?;
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
    show(&[("tail elsewhere", counts)], out)?;
    if counts.different > 0 || counts.by_tail == 0 {
        return Err("the tail did not answer as the one in this process does".into());
    }
    Ok(())
}

/// A head and its link; and the tail in this process, to compare with.
struct Device<'m, L> {
    head: &'m Model<'m>,
    tail: &'m Model<'m>,
    client: Client<L>,
    /// Another engine computes: its confidence may differ in the last bits.
    classes_only: bool,
}

impl<'m, L: Link> Device<'m, L> {
    fn new(head: &'m Model<'m>, tail: &'m Model<'m>, link: L) -> Self {
        Self { head, tail, client: Client::new(link, Patience::default()), classes_only: false }
    }

    fn answer(
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
            let class = match head.run(&mut AsTrained) {
                Outcome::Answer(answer) => {
                    counts.by_exit += 1;
                    answer.class
                }
                Outcome::Offload { features, fallback } => {
                    self.hand_over(&features, fallback, &mut tail, &mut counts)?
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

    fn hand_over(
        &mut self,
        features: &Features<'_>,
        fallback: Option<Answer>,
        tail: &mut Engine<'_>,
        counts: &mut Counts,
    ) -> Result<u16, Failure> {
        let finished = self.client.finish(&features.without_zeros(), fallback)?;
        match &finished {
            Finished::Tail(answer) => {
                counts.by_tail += 1;
                let here = tail.resume(features, &mut AsTrained)?;
                let same = matches!(here, Outcome::Answer(here) if here.class == answer.class
                    && (self.classes_only || (Some(here.exit), Some(here.confidence)) == (answer.exit, answer.confidence)));
                counts.different += usize::from(!same);
            }
            Finished::Fallback { .. } => counts.by_fallback += 1,
        }
        Ok(finished.class())
    }
}

fn show(parts: &[(&str, Counts)], out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = table(&["", "images", "by an exit", "by the tail", "by fallback", "right", "unlike in-process"]);
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
    }
    writeln!(out, "{rows}\nfallback: the exit's own answer, which it was not sure of; every image was answered")?;
    Ok(())
}

/// This command once more, serving the tail. It is killed when it is let go of.
struct TailProcess {
    child: Child,
    at: SocketAddr,
}

impl TailProcess {
    fn start(tail: &Path) -> Result<Self, Failure> {
        let mut serve = Command::new(std::env::current_exe()?);
        serve.arg("serve").arg(tail).args(["--no-http", "--udp", "127.0.0.1:0", "--threads", "1", "--log", "warn"]);
        let mut child = serve.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        match child.stdout.take().map(|out| address_in(BufReader::new(out))) {
            Some(Ok(at)) => Ok(Self { child, at }),
            failed => {
                child.kill()?;
                child.wait()?;
                let why = failed.and_then(Result::err).unwrap_or_else(|| "it has no output".into());
                Err(format!("the tail's process did not start: {why}").into())
            }
        }
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for TailProcess {
    fn drop(&mut self) {
        // It may be dead already, which is what is wanted.
        let _ = self.kill();
    }
}

/// The address that a server prints once it listens.
fn address_in(out: impl BufRead) -> Result<SocketAddr, Failure> {
    for line in out.lines() {
        if let Some(address) = line?.strip_prefix("udp ") {
            return Ok(address.parse()?);
        }
    }
    Err("it printed no address".into())
}
