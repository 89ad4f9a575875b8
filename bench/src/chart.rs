//! Curves over time as an SVG: logarithmic, all systems in one picture.

use std::fmt::Write as _;

use serde::Serialize;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 380.0;
/// Room for the labels of the axes.
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const COLOURS: [&str; 4] = ["#0a6ebd", "#d1495b", "#3b8b4f", "#8a63b8"];

/// A picture with time to the right.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the curves are in.
    pub(crate) unit: &'static str,
    pub(crate) seconds: f64,
    pub(crate) curves: Vec<Curve>,
    /// Where stretches of time begin, and what they are.
    pub(crate) marks: Vec<(f64, String)>,
}

/// One system's values.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Seconds and values.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let values = || self.curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
        let low = values().fold(f64::INFINITY, f64::min).clamp(1e-3, 1e9).log10().floor();
        let high = values().fold(0.0, f64::max).clamp(1e-3, 1e9).log10().ceil().max(low + 1.0);
        let x = |seconds: f64| LEFT + (WIDTH - LEFT) * seconds / self.seconds;
        let y =
            |value: f64| TOP + HEIGHT * (high - value.max(1e-3).log10().max(low)) / (high - low);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
             font-family=\"sans-serif\" font-size=\"12\"><text x=\"{LEFT}\" y=\"14\">{}, {}</text>\n",
            HEIGHT + TOP + 20.0,
            self.title,
            self.unit
        );
        for exponent in low as i32..=high as i32 {
            let value = 10_f64.powi(exponent);
            svg += &line(LEFT, WIDTH, y(value), y(value), "#ddd");
            svg += &text(4.0, y(value) + 4.0, &format!("{value} {}", self.unit));
        }
        for (seconds, name) in &self.marks {
            svg += &line(x(*seconds), x(*seconds), TOP, TOP + HEIGHT, "#999");
            svg += &text(x(*seconds) + 4.0, TOP - 8.0, name);
        }
        for ((index, curve), colour) in self.curves.iter().enumerate().zip(COLOURS) {
            svg += &curve_of(curve, colour, x, y);
            let at = LEFT + 8.0 + 300.0 * index as f64;
            svg += &line(at, at + 24.0, TOP + HEIGHT + 12.0, TOP + HEIGHT + 12.0, colour);
            svg += &text(at + 30.0, TOP + HEIGHT + 16.0, &curve.name);
        }
        svg + "</svg>\n"
    }
}

fn curve_of(curve: &Curve, colour: &str, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut points = String::new();
    for (seconds, value) in &curve.points {
        let _infallible = write!(points, "{:.1},{:.1} ", x(*seconds), y(*value));
    }
    format!(
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>\n",
        points.trim_end()
    )
}

fn line(x1: f64, x2: f64, y1: f64, y2: f64, colour: &str) -> String {
    format!(
        "<line x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>\n"
    )
}

fn text(x: f64, y: f64, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_values_are_drawn_higher_and_later_ones_further_right() {
        let points = vec![(0.0, 1.0), (5.0, 10.0), (10.0, 100.0)];
        let curve = Curve { name: "one".to_owned(), points };
        let chart = Chart {
            title: "t".to_owned(),
            unit: "ms",
            seconds: 10.0,
            curves: vec![curve],
            marks: vec![(5.0, "half".to_owned())],
        };
        let svg = chart.svg();
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(points, Some("60.0,420.0 510.0,230.0 960.0,40.0"));
        assert!(svg.contains(">half</text>") && svg.contains(">100 ms</text>"));
    }
}
