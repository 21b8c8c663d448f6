//! The flagship: what sparsity, the exit and the split each bring.

use std::io::Write;

use super::Flagship;
use crate::failure::Failure;
use crate::show::{count, micros, percent, table};

pub fn show(flagship: &Flagship<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let (head, whole, dense) = (flagship.sparse.head()?, flagship.sparse.whole()?, flagship.dense.whole()?);
    let exit = head.exits().next().copied().ok_or("the head has no exit")?;
    writeln!(
        out,
        "{}: exit after junction {} taken at {} {}, split after junction {}",
        flagship.sparse.recipe.name,
        exit.after,
        exit.metric.name(),
        exit.threshold,
        head.split()
    )?;
    let mut rows = table(&["", "accuracy", "model file", "one image: median", "p99"]);
    let time = |latency: &lacewing_converter::latency::Latency| [micros(latency.median_ns), micros(latency.p99_ns)];
    let mut add = |name: &str, accuracy: f64, bytes: Option<usize>, latency: Option<[String; 2]>| {
        let [median, p99] = latency.unwrap_or_default();
        let bytes = bytes.map_or_else(String::new, |bytes| format!("{} bytes", count(bytes)));
        rows.add_row([name.to_owned(), percent(accuracy), bytes, median, p99]);
    };
    let device = flagship.always_head.accuracy;
    add("dense network", flagship.dense_whole.accuracy, Some(dense.bytes().len()), Some(time(&flagship.latency_dense)));
    add(
        "sparse network",
        flagship.always_tail.accuracy,
        Some(whole.bytes().len()),
        Some(time(&flagship.latency_sparse)),
    );
    add("head alone, at its exit", device, Some(head.bytes().len()), Some(time(&flagship.latency_device)));
    add("head + tail, with the exit", flagship.with_exit.accuracy, None, Some(time(&flagship.latency_both)));
    writeln!(out, "{rows}")?;
    if let Some(target) = &flagship.packed_for {
        writeln!(out, "times: one thread, files packed for this processor (lacewing pack --target {target})")?;
    }
    writeln!(
        out,
        "answered on the device: {} of the images; handed over: {:.1} bytes per image ({:.1} as packets), over all images\n",
        percent(flagship.with_exit.answered_on_device),
        flagship.with_exit.bytes_per_sample,
        flagship.with_exit.packet_bytes_per_sample
    )?;
    Ok(())
}
