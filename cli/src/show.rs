//! Numbers and tables for people to read.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// A table whose first column is text and whose others are numbers.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header);
    for (k, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if k == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// `12345678` as `12,345,678`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A fraction as a percentage with two decimals.
pub fn percent(fraction: f64) -> String {
    format!("{:.2} %", fraction * 100.0)
}

/// Nanoseconds as microseconds.
pub fn micros(nanoseconds: u64) -> String {
    format!("{:.2} µs", nanoseconds as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped_by_three() {
        let shown = [0, 12, 999, 1_000, 12_345_678].map(super::count);
        assert_eq!(shown, ["0", "12", "999", "1,000", "12,345,678"]);
    }
}
