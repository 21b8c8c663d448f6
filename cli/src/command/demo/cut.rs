//! `lacewing demo --split --after K`: any network cut at any place, beside what `plan --loopback` makes of it.

use std::io::Write;
use std::path::Path;

use lacewing_converter::convert::convert_network;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::network::Network;
use lacewing_converter::placement::Objective;
use lacewing_converter::source::Source;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, bundled};
use lacewing_tail::client::UdpLink;

use super::networks::FLAGSHIP;
use super::split::{Counts, Device};
use crate::command::loopback::{self, Ran, TailProcess, mean_of_medians};
use crate::command::plan::{off_by, place_of, time};
use crate::failure::Failure;
use crate::progress;
use crate::show::{count, percent, table};

/// Times that every image is run: the median is taken, so that a noisy moment does not count.
const ROUNDS: usize = 5;
/// What the exit's threshold may cost, as `plan` has it where nothing is said.
const ACCURACY_DROP: f64 = 0.002;

/// Runs `network`, or the flagship, cut behind trunk junction `after`.
pub fn run(from: &Path, network: Option<&Path>, after: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let path = network.map_or_else(|| bundled::weights(FLAGSHIP), Path::to_path_buf);
    let mut source = Source::open(&path)?;
    let recipe = embedded_recipe(&source)?.ok_or_else(|| format!("{} carries no recipe", path.display()))?;
    let validation = data::load_for(from, Part::Validation, &recipe)?;
    let test = data::load_for(from, Part::Test, &recipe)?;
    let Imported { network, .. } = import(&mut source, recipe)?;
    let junctions = network.trunk.len();
    if !(1..junctions).contains(&after) {
        let most = junctions.saturating_sub(1);
        return Err(format!(
            "--after is {after}: the network has {junctions} junctions, so 1 to {most} can be cut behind"
        )
        .into());
    }
    let planned = loopback::plan(&network, &validation, Objective::Latency, ACCURACY_DROP)?;
    let here = planned.ran.iter().filter(|run| run.split == after);
    let chosen = here.min_by(|a, b| planned.latency_of(a).total_cmp(&planned.latency_of(b)));
    let chosen = chosen.ok_or_else(|| format!("no exit in front of junction {after} is accurate enough"))?;
    let rounds = run_rounds(&network, chosen, &test)?;
    let latency = planned.latency_of(chosen);
    show(&place_of(after, chosen.exit, junctions), latency, chosen, &rounds, out)?;
    if rounds.iter().any(|counts| counts.different > 0 || counts.by_tail == 0) {
        return Err("the tail did not answer as it does in this process".into());
    }
    Ok(())
}

fn run_rounds(network: &Network, chosen: &Ran, test: &Dataset) -> Result<Vec<Counts>, Failure> {
    let mut cut = network.cut(chosen.split, chosen.exit);
    if let (Some(exit), Some(threshold)) = (cut.exits.first_mut(), chosen.threshold) {
        exit.threshold = threshold;
    }
    let files = convert_network(&cut, None)?;
    let tail = files.tail.ok_or("the network has no tail")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tail.lace");
    std::fs::write(&file, &tail)?;
    let other = TailProcess::start(&[&file])?;
    let (head, tail) = (Model::parse(&files.head, &KernelSet::ALL)?, Model::parse(&tail, &KernelSet::ALL)?);
    let mut device = Device::new(&head, &tail, UdpLink::new(other.at())?);
    let bar = progress::bar("head and tail", (ROUNDS * test.len()) as u64);
    let rounds = (0..ROUNDS).map(|_| device.answer(test, 0..test.len(), &bar)).collect();
    bar.finish_and_clear();
    rounds
}

fn show(place: &str, planned: f64, chosen: &Ran, rounds: &[Counts], out: &mut dyn Write) -> Result<(), Failure> {
    let seconds = |nanoseconds: u64| nanoseconds as f64 * 1e-9;
    let images = rounds.first().map_or(0, Counts::images);
    let of_image = |image: usize| -> Vec<f64> {
        rounds.iter().filter_map(|counts| Some(seconds(*counts.each.get(image)?))).collect()
    };
    let measured = mean_of_medians(&mut (0..images).map(of_image).collect::<Vec<_>>());
    let means = rounds.iter().map(|counts| seconds(counts.mean()));
    let (least, most) =
        means.fold((f64::MAX, 0.0), |(least, most): (f64, f64), mean| (least.min(mean), most.max(mean)));
    let sum =
        |of: fn(&Counts) -> usize| rounds.iter().map(of).sum::<usize>() as f64 / (images * rounds.len()).max(1) as f64;
    let mut rows =
        table(&["run as two processes", "answered there", "right", "fallback", "planned", "measured", "off by"]);
    rows.add_row([
        place.to_owned(),
        percent(sum(|counts| counts.by_exit)),
        percent(sum(|counts| counts.right)),
        percent(sum(|counts| counts.by_fallback)),
        time(planned),
        time(measured),
        off_by(planned, measured),
    ]);
    writeln!(
        out,
        "{rows}\nplanned: as plan --loopback does, on the validation images, of which the exit takes {}. measured: one image, input to\n\
         answer, of each of {} test images the median of {ROUNDS} rounds, on average; means of whole rounds: {} to {}",
        percent(chosen.exit_rate),
        count(images),
        time(least),
        time(most)
    )?;
    Ok(())
}
