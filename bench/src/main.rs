//! `thermocline-bench SCENARIO [--seconds n]`: one scenario with its peers in the same run,
//! interleaved, reported as a table, `bench/results/SCENARIO.json` and `.html`.

mod certificates;
mod chart;
mod clock;
mod consume;
mod crowd;
mod demo;
mod frames;
mod histogram;
mod load;
mod login;
mod memory_limit;
mod peers;
mod persistent;
mod procfs;
mod report;
mod sample;
mod scenario;
mod subject;
mod timeline;
mod wire;

use anyhow::Result;
use clap::Parser;
use thermocline_tests::cluster::FrontKind;

#[derive(Debug, Parser)]
#[command(about = "Runs one benchmark scenario and writes bench/results/SCENARIO.{json,html}")]
struct Arguments {
    /// Which scenario; see docs/benchmarks.md. `demo` is none: it draws on the terminal.
    scenario: String,
    /// Seconds of load per repetition.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Repetitions of each side, interleaved.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Storage nodes, where a scenario has many.
    #[arg(long, default_value_t = 16)]
    nodes: usize,
    /// Idle clients, where a scenario has many.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// The nodes' front, where a scenario can do with another than its own.
    #[arg(long, value_enum)]
    front: Option<FrontKind>,
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.scenario == "demo" {
        return demo::run();
    }
    let Arguments { seconds, repeats, nodes, connections, front, .. } = arguments;
    let options = scenario::Options { seconds, repeats, nodes, connections, front };
    let report = scenario::run(&arguments.scenario, &options)?;
    let folder = thermocline_tests::root().join("bench/results");
    println!("{}", report.write(&folder)?);
    println!("written to {}", folder.display());
    Ok(())
}
