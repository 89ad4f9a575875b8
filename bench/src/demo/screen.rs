//! The picture of the demonstration: a column per second. On a terminal it is drawn over itself;
//! elsewhere every second is a line.

use std::io::{self, Write};

use crate::timeline::{Flow, Slot};

/// Bars from nothing to the full height of a line.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Where to draw.
pub(super) struct Screen {
    is_terminal: bool,
    /// Seconds that were drawn.
    drawn: usize,
}

impl Screen {
    pub(super) fn new(is_terminal: bool) -> Self {
        Self { is_terminal, drawn: 0 }
    }

    /// Draws what is new in `slots`, which are seconds.
    pub(super) fn show(&mut self, out: &mut impl Write, slots: &[Slot]) -> io::Result<()> {
        if slots.len() == self.drawn {
            return Ok(());
        }
        if self.is_terminal {
            let lines = picture(slots);
            if self.drawn > 0 {
                // Up to the picture's first line.
                write!(out, "\x1b[{}A", lines.len())?;
            }
            for line in lines {
                writeln!(out, "\x1b[2K{line}")?;
            }
        } else {
            for (second, slot) in slots.iter().enumerate().skip(self.drawn) {
                writeln!(out, "{}", one_line(second + 1, slot))?;
            }
        }
        self.drawn = slots.len();
        out.flush()
    }
}

fn one_line(second: usize, slot: &Slot) -> String {
    format!(
        "{second:3} s  produce {:6.1} MB/s  p50 {:7.2} ms  p99 {:7.2} ms  tail {:6.1} MB/s  replay {:7.1} MB/s",
        megabytes(slot, Flow::Produce),
        slot.latency.percentile_ms(0.5),
        slot.latency.percentile_ms(0.99),
        megabytes(slot, Flow::Tail),
        megabytes(slot, Flow::Replay),
    )
}

fn picture(slots: &[Slot]) -> Vec<String> {
    let p99: Vec<f64> = slots.iter().map(|slot| slot.latency.percentile_ms(0.99)).collect();
    let latency: String = p99.iter().map(|ms| bar(doublings(*ms))).collect();
    let last = p99.last().copied().unwrap_or_default();
    let mut lines = vec![
        format!("  {:>3} s; the latency's bar is one step higher for twice the time", slots.len()),
        format!("  produce p99 {last:9.2} ms    {latency}"),
    ];
    for (name, flow) in [("produce", Flow::Produce), ("tail", Flow::Tail), ("replay", Flow::Replay)]
    {
        let rates: Vec<f64> = slots.iter().map(|slot| megabytes(slot, flow)).collect();
        let most = rates.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let bars: String = rates
            .iter()
            .map(|rate| if *rate > 0.0 { bar((rate / most * 7.0) as usize) } else { ' ' })
            .collect();
        let last = rates.last().copied().unwrap_or_default();
        lines.push(format!("  {name:<11} {last:9.1} MB/s  {bars}"));
    }
    lines
}

fn megabytes(slot: &Slot, flow: Flow) -> f64 {
    slot.bytes(flow) as f64 / 1e6
}

/// How often half a millisecond has to be doubled.
fn doublings(ms: f64) -> usize {
    (ms / 0.5).max(1.0).log2() as usize
}

fn bar(height: usize) -> char {
    BARS[height.min(BARS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::histogram::Histogram;

    fn seconds(count: usize) -> Vec<Slot> {
        let mut second = Slot { latency: Histogram::new(), bytes: [1_000_000, 0, 0] };
        second.latency.record(Duration::from_millis(4));
        vec![second; count]
    }

    #[test]
    fn elsewhere_every_second_is_one_line_once() {
        let (mut screen, mut out) = (Screen::new(false), Vec::new());
        for count in [1, 1, 3] {
            screen.show(&mut out, &seconds(count)).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let firsts: Vec<&str> = text.lines().filter_map(|l| l.split_whitespace().next()).collect();
        assert_eq!(firsts, ["1", "2", "3"]);
        assert!(text.contains("produce    1.0 MB/s") && !text.contains('\x1b'));
    }

    #[test]
    fn a_terminal_is_drawn_over() {
        let (mut screen, mut out) = (Screen::new(true), Vec::new());
        screen.show(&mut out, &seconds(1)).unwrap();
        let lines = out.iter().filter(|byte| **byte == b'\n').count();
        assert!(!String::from_utf8_lossy(&out).contains("\x1b[5A"));
        screen.show(&mut out, &seconds(2)).unwrap();
        assert!(String::from_utf8_lossy(&out).contains(&format!("\x1b[{lines}A")));
    }

    #[test]
    fn bars_grow_with_the_latency_and_end_at_the_top() {
        let heights: Vec<char> =
            [0.0, 0.6, 1.1, 5.0, 1e9].iter().map(|ms| bar(doublings(*ms))).collect();
        assert_eq!(heights, ['▁', '▁', '▂', '▄', '█']);
    }
}
