//! Results as JSON (the contract), as an HTML page, and as a table on the terminal.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::chart::Chart;

/// One figure of a scenario.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<f64>,
    pub(crate) target: Option<f64>,
    pub(crate) moonshot: Option<f64>,
    pub(crate) better: &'static str,
    pub(crate) against: Option<&'static str>,
}

impl Row {
    /// A row whose value is the median of the samples, with their range.
    pub(crate) fn median(
        name: &str,
        unit: &'static str,
        better: &'static str,
        mut samples: Vec<f64>,
    ) -> Self {
        samples.sort_by(f64::total_cmp);
        let middle = samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN);
        Self {
            name: name.to_owned(),
            value: middle,
            unit,
            min: samples.first().copied(),
            max: samples.last().copied(),
            target: None,
            moonshot: None,
            better,
            against: None,
        }
    }

    pub(crate) fn target(mut self, target: f64, moonshot: f64) -> Self {
        (self.target, self.moonshot) = (Some(target), Some(moonshot));
        self
    }

    pub(crate) fn against(mut self, peer: &'static str) -> Self {
        self.against = Some(peer);
        self
    }
}

/// A scenario's result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) commit: String,
    /// Share of the machine's CPU time that neither we nor our peers used.
    pub(crate) foreign_cpu_share: f64,
    pub(crate) rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chart: Option<Chart>,
}

impl Report {
    pub(crate) fn new(scenario: &str, foreign_cpu_share: f64, rows: Vec<Row>) -> Self {
        let chart = None;
        Self { scenario: scenario.to_owned(), commit: commit(), foreign_cpu_share, rows, chart }
    }

    pub(crate) fn with_chart(self, chart: Chart) -> Self {
        Self { chart: Some(chart), ..self }
    }

    /// Writes `folder/scenario.json` and `.html`, and returns the table for the terminal.
    pub(crate) fn write(&self, folder: &Path) -> Result<String> {
        fs::create_dir_all(folder)?;
        let path = |ending: &str| folder.join(format!("{}.{ending}", self.scenario));
        fs::write(path("json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(path("html"), self.html())?;
        Ok(self.table())
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{} at {} (foreign CPU {:.0} %)\n",
            self.scenario,
            self.commit,
            self.foreign_cpu_share * 100.0
        );
        for row in &self.rows {
            let range = match (row.min, row.max) {
                (Some(min), Some(max)) => format!("[{} .. {}]", digits(min), digits(max)),
                _ => String::new(),
            };
            let target = row.target.map_or_else(String::new, |target| format!("target {target}"));
            let _infallible = writeln!(
                text,
                "  {:<38} {:>10} {:<12} {:<24} {:<14} {}",
                row.name,
                digits(row.value),
                row.unit,
                range,
                target,
                row.against.map_or_else(String::new, |peer| format!("against {peer}"))
            );
        }
        text
    }

    fn html(&self) -> String {
        let mut rows = String::new();
        let widest = self.rows.iter().map(|row| row.value).fold(f64::MIN_POSITIVE, f64::max);
        for row in &self.rows {
            let met = row.target.map(|target| match row.better {
                "lower" => row.value <= target,
                _ => row.value >= target,
            });
            let mark = met.map_or("", |met| if met { "met" } else { "missed" });
            let _infallible = writeln!(
                rows,
                "<tr class=\"{mark}\"><td>{}</td><td class=n>{}</td><td>{}</td><td class=n>{} – {}</td>\
                 <td class=n>{}</td><td>{}</td><td><div style=\"width:{:.0}px\"></div></td></tr>",
                row.name,
                digits(row.value),
                row.unit,
                digits(row.min.unwrap_or(row.value)),
                digits(row.max.unwrap_or(row.value)),
                row.target.map_or_else(String::new, |target| target.to_string()),
                row.against.unwrap_or_default(),
                200.0 * row.value / widest,
            );
        }
        format!(
            "<!doctype html><meta charset=utf-8><title>{0}</title><style>body{{font:15px sans-serif;margin:2em}}\
             td,th{{padding:.3em .8em;text-align:left}}.n{{text-align:right}}td div{{background:#48a;height:.9em}}\
             .missed td:nth-child(2){{color:#b00}}.met td:nth-child(2){{color:#070}}</style>\
             <h1>{0}</h1><p>commit {1}, foreign CPU {2:.0} %</p><table><tr><th>row<th>median<th>unit<th>range\
             <th>target<th>against<th></tr>{rows}</table>{3}",
            self.scenario,
            self.commit,
            self.foreign_cpu_share * 100.0,
            self.chart.as_ref().map(Chart::svg).unwrap_or_default()
        )
    }
}

/// Three decimals, or what a figure below a tenth needs: prices per GiB are fractions of a cent.
fn digits(value: f64) -> String {
    let decimals = if value != 0.0 && value.abs() < 0.1 { 6 } else { 3 };
    format!("{value:.decimals$}")
}

fn commit() -> String {
    Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_median_with_its_range() {
        let row = Row::median("x", "MB/s", "higher", vec![3.0, 1.0, 2.0]);
        assert_eq!((row.value, row.min, row.max), (2.0, Some(1.0), Some(3.0)));
    }

    #[test]
    fn json_keeps_the_contract_of_its_keys() {
        let row = Row::median("x", "ms", "lower", vec![1.0]).target(2.0, 1.0).against("floor");
        let report = Report::new("s", 0.25, vec![row]);
        let json = serde_json::to_value(&report).expect("serialises");
        assert_eq!(json["foreign_cpu_share"], 0.25);
        for key in
            ["name", "value", "unit", "target", "moonshot", "better", "against", "min", "max"]
        {
            assert!(!json["rows"][0][key].is_null(), "{key}");
        }
    }
}
