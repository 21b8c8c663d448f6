//! Grids of networks, trained one to a thread.

mod dense;
mod error;
mod exits;
mod journal;
mod run;
mod table;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lacewing_models::Grid;
use lacewing_models::data::{Part, load_for};
use lacewing_models::grid::GridPoint;
use lacewing_models::recipe::Input;

use serde::{Deserialize, Serialize};

use crate::checkpoint::fingerprint;
use crate::train::Progress;
use crate::trained::Trained;
use dense::DenseTrainings;
pub use error::SweepError;
pub use exits::ExitPoint;
use journal::Journal;
pub use run::Run;
use run::{Job, Parts, Tools};
pub use table::{ExitSummary, Summary, csv, exits, exits_csv, summary, summary_csv};

/// Name of the file in a sweep's folder that has a line, one JSON object, for every network that has been trained.
pub const JOURNAL: &str = "runs.jsonl";

/// What the converter makes of a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Bytes of its model files, in their smallest packings.
    pub bytes: usize,
    /// Those of the head; all of them where the network is not split.
    pub head_bytes: usize,
    /// Multiplications of one run to the end of the trunk, every exit's branch included.
    pub macs: usize,
    /// Instructions of one such run on a Cortex-M4F in f32, as far as junctions and exits go.
    pub instructions: usize,
    /// Those of the head; all of them where the network is not split.
    pub head_instructions: usize,
}

/// Any error of a caller's.
pub type AnyError = Box<dyn core::error::Error + Send + Sync>;

/// How a sweep goes.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Folder of IDX files or an .npz file.
    pub data: &'a Path,
    /// The sweep's folder, which is made: [`JOURNAL`] is written there, and what it has is not trained again.
    pub out: &'a Path,
    /// Networks that are trained at the same time, each on one thread.
    pub threads: usize,
    /// Stops the sweep with [`SweepError::Stopped`] once it is true.
    pub stop: Option<&'a AtomicBool>,
    /// Measures a trained network as a model file.
    pub size: &'a (dyn Fn(&Trained) -> Result<Size, AnyError> + Sync),
    /// Told after every epoch.
    pub progress: &'a (dyn Fn(&SweepProgress<'_>) + Sync),
}

/// Where a sweep stands.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SweepProgress<'a> {
    /// Epochs done by all networks together, with those of an earlier call.
    pub epochs_done: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// The network that has just done one: its name, its pattern and its seed.
    pub network: (&'a str, &'a str, u64),
    /// Its training.
    pub training: &'a Progress,
}

/// Trains every network of `grid` with each of its seeds, and measures it: on the validation part, which may serve to choose,
/// and, once it is trained, on the test part, which is for the report. The runs are in the order of the grid and their numbers, but
/// for times, the same on any number of threads and with any interruptions.
///
/// # Errors
/// If data is missing or does not fit, the folder cannot be written to, a training fails, or the sweep is stopped. What was
/// finished before is kept in [`JOURNAL`], and the next call goes on from there.
pub fn sweep(grid: &Grid, settings: &Settings<'_>) -> Result<Vec<Run>, SweepError> {
    let sets = Sets::load(grid, settings.data)?;
    let jobs = jobs(grid, &sets);
    jobs.iter().try_for_each(Job::check)?;
    let (journal, found) = Journal::open(settings.out)?;
    let runs: Vec<Option<Run>> = jobs.iter().map(|job| found.get(&job.key).cloned()).collect();
    let cost = |(job, run): (&Job<'_>, &Option<Run>)| run.as_ref().map_or(0, |_| job.epochs());
    let left: Vec<usize> = (0..jobs.len()).filter(|at| runs.get(*at).is_some_and(Option::is_none)).collect();
    let work = Work {
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(jobs.iter().zip(&runs).map(cost).sum()),
        epochs: jobs.iter().map(Job::epochs).sum(),
        dense: DenseTrainings::of(left.iter().filter_map(|at| jobs.get(*at))),
        left,
        runs: Mutex::new(runs),
        failure: Mutex::new(None),
        jobs: &jobs,
        journal: &journal,
        settings,
    };
    std::thread::scope(|scope| {
        for _ in 0..settings.threads.clamp(1, work.left.len().max(1)) {
            scope.spawn(|| work.in_one_thread());
        }
    });
    work.finish()
}

/// The data set as every input section of the grid makes it.
struct Sets(Vec<(Input, Parts)>);

impl Sets {
    fn load(grid: &Grid, from: &Path) -> Result<Self, SweepError> {
        let mut sets = Self(Vec::new());
        for GridPoint { recipe, .. } in &grid.points {
            if let Some(Parts { training, validation, test, .. }) = sets.of(&recipe.input) {
                [training, validation, test].into_iter().try_for_each(|part| part.check_classes(recipe.classes))?;
                continue;
            }
            let load = |part| load_for(from, part, recipe);
            let (training, validation, test) = (load(Part::Train)?, load(Part::Validation)?, load(Part::Test)?);
            let fingerprint = [&training, &validation, &test].map(fingerprint).join("\n");
            sets.0.push((recipe.input, Parts { training, validation, test, fingerprint }));
        }
        Ok(sets)
    }

    fn of(&self, input: &Input) -> Option<&Parts> {
        self.0.iter().find(|(other, _)| other == input).map(|(_, parts)| parts)
    }
}

fn jobs<'a>(grid: &'a Grid, sets: &'a Sets) -> Vec<Job<'a>> {
    // A set for every input was loaded.
    let with_data = grid.points.iter().filter_map(|point| Some((point, sets.of(&point.recipe.input)?)));
    with_data.flat_map(|(point, data)| (0..grid.seeds).map(move |k| Job::new(point, k, data))).collect()
}

/// What the threads share.
struct Work<'a> {
    jobs: &'a [Job<'a>],
    /// The jobs that are not done, and the next of them.
    left: Vec<usize>,
    next: AtomicUsize,
    dense: DenseTrainings,
    runs: Mutex<Vec<Option<Run>>>,
    failure: Mutex<Option<SweepError>>,
    done: AtomicUsize,
    epochs: usize,
    journal: &'a Journal,
    settings: &'a Settings<'a>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work<'_> {
    /// Takes networks until none is left, one failed or the sweep is stopped. In a pool of one thread: trainings side by side would
    /// otherwise wait for each other.
    fn in_one_thread(&self) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let done = pool.map_err(|error| SweepError::Threads(error.to_string())).and_then(|pool| {
            pool.install(|| {
                while let Some((at, job)) = self.take() {
                    self.run(at, job)?;
                }
                Ok(())
            })
        });
        if let Err(error) = done {
            lock(&self.failure).get_or_insert(error);
        }
    }

    fn is_stopped(&self) -> bool {
        self.settings.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn take(&self) -> Option<(usize, &Job<'_>)> {
        if self.is_stopped() || lock(&self.failure).is_some() {
            return None;
        }
        let at = *self.left.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        Some((at, self.jobs.get(at)?))
    }

    fn run(&self, at: usize, job: &Job<'_>) -> Result<(), SweepError> {
        let mut epochs = 0;
        let mut progress = |now: &Progress| {
            epochs += 1;
            (self.settings.progress)(&SweepProgress {
                epochs_done: self.done.fetch_add(1, Ordering::Relaxed) + 1,
                epochs: self.epochs,
                network: (&job.point.recipe.name, &job.point.pattern, job.recipe.training.seed),
                training: now,
            });
        };
        let tools = Tools { stop: self.settings.stop, dense: &self.dense, size: self.settings.size };
        let run = job.run(&tools, &mut progress)?;
        // Those that patience or another network's dense training saved.
        self.done.fetch_add(job.epochs() - epochs, Ordering::Relaxed);
        self.journal.add(&job.key, &run)?;
        if let Some(place) = lock(&self.runs).get_mut(at) {
            *place = Some(run);
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Run>, SweepError> {
        let stopped = self.is_stopped();
        let runs = self.runs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let failure = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (of, finished) = (runs.len(), runs.iter().flatten().count());
        match failure {
            _ if stopped && finished < of => {
                Err(SweepError::Stopped { finished, of, journal: self.journal.path().to_path_buf() })
            }
            Some(error) => Err(error),
            None => Ok(runs.into_iter().flatten().collect()),
        }
    }
}

/// Where the journal of a sweep in `out` is.
fn journal_in(out: &Path) -> PathBuf {
    out.join(JOURNAL)
}
