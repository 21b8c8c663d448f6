//! Progress bars, on standard error; silent where that is no terminal.

use core::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A bar of `len` steps with `what` in front of it.
pub fn bar(what: &str, len: u64) -> ProgressBar {
    styled(ProgressBar::new(len), what)
}

/// Moves a bar of 100 steps to a share, 0 to 1, of `what`.
pub fn share(bar: &ProgressBar, what: &str, share: f64) {
    bar.set_position((100.0 * share) as u64);
    bar.set_message(what.to_owned());
}

/// The same among others.
pub fn bar_in(bars: &MultiProgress, what: &str, len: u64) -> ProgressBar {
    styled(bars.add(ProgressBar::new(len)), what)
}

fn styled(bar: ProgressBar, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:26} {bar:28} {pos:>6}/{len:6} {elapsed:>4} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
