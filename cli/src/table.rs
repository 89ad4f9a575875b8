//! Tables for people: columns as wide as what is in them, numbers to the right.

/// Rows below their headings.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell == "-" || cell.starts_with(|first: char| first.is_ascii_digit()))
    };
    let mut text = String::new();
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            match is_number(column) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            }
        });
        let line: Vec<String> = cells.collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Bytes as people say them: three digits and a unit.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1_000.0 {
            break;
        }
        value /= 1_024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ if value < 10.0 => format!("{value:.2} {unit}"),
        _ if value < 100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["1", "up", "12 B"]), row(["10", "fenced", "-"])];
        let text = table(&["NODE", "STATE", "IN/S"], &rows);
        assert_eq!(text, "NODE  STATE   IN/S\n   1  up      12 B\n  10  fenced     -\n");
    }

    #[test]
    fn bytes_have_three_digits_and_a_unit() {
        let told = [0, 999, 1_024, 10 << 10, 1_000 << 10, 1 << 30].map(bytes);
        assert_eq!(told, ["0 B", "999 B", "1.00 KiB", "10.0 KiB", "0.98 MiB", "1.00 GiB"]);
    }
}
