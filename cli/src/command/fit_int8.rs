//! `lacewing fit-int8`

use std::io::Write;

use lacewing_models::recipe::Int8Training;
use lacewing_training::{Trained, fit_int8};

use crate::args::FitInt8;
use crate::command::tuning::{Data, hand_over, import};
use crate::command::{train, will_hold_a_network};
use crate::failure::Failure;
use crate::progress;
use crate::show::{percent, table};

pub fn run(args: &FitInt8, out: &mut dyn Write) -> Result<(), Failure> {
    let tuning = &args.tuning;
    will_hold_a_network(&tuning.out)?;
    let imported = import(&args.model, tuning)?;
    let data = Data::load(tuning, &imported.recipe)?;
    let mut trained = hand_over(&imported.network, &imported.recipe)?;
    let mut columns = vec![("f32", trained.accuracies(&data.validation)?)];
    let int8 = |trained: &Trained| trained.int8().map(|int8| int8.accuracies(&data.validation)).transpose();
    trained.calibrate_int8(&data.training)?;
    columns.extend(int8(&trained)?.map(|accuracies| ("int8 before", accuracies)));
    let mut settings = data.settings(tuning);
    settings.int8 = Some(Int8Training { epochs: tuning.epochs, learning_rate: tuning.learning_rate });
    let bar = progress::bar(&trained.recipe().name, tuning.epochs as u64);
    let tuned = fit_int8(trained, &settings, &data.training, &data.validation, |now| train::show(now, &bar));
    bar.finish_and_clear();
    let tuned = tuned?;
    columns.extend(int8(&tuned)?.map(|accuracies| ("int8 after", accuracies)));
    tuned.save(&tuning.out)?;
    for warning in &imported.warnings {
        writeln!(out, "note: {warning}")?;
    }
    let headings: Vec<&str> =
        ["validation accuracy"].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut accuracies = table(&headings);
    let exits = &tuned.recipe().exits;
    for exit in 0..=exits.len() {
        let place = train::place(exits.get(exit));
        let each = columns.iter().filter_map(|(_, accuracies)| accuracies.get(exit).map(|accuracy| percent(*accuracy)));
        accuracies.add_row([place].into_iter().chain(each));
    }
    writeln!(out, "{}: {}, trained for int8\n{accuracies}", tuning.out.display(), imported.network.name)?;
    Ok(())
}
