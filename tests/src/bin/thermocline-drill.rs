//! `thermocline-drill`: one operations drill; the result is `tests/results/drill-NAME.json` and the
//! exit code.

use std::fs;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use thermocline_tests::cluster::FrontKind;
use thermocline_tests::drill::{self, Size};
use thermocline_tests::{groups, root};

/// Practises a disaster on a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which.
    drill: Drill,
    /// The nodes' front.
    #[arg(long, value_enum, default_value_t = FrontKind::Disk)]
    front: FrontKind,
    /// Topics, each with a group and ten partitions.
    #[arg(long, default_value_t = 100)]
    topics: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Drill {
    /// etcd's data is lost under load and rebuilt from the bucket.
    Rebuild,
}

fn main() -> Result<ExitCode> {
    let Arguments { drill: Drill::Rebuild, front, topics } = Arguments::parse();
    groups::end_together()?;
    let dir = tempfile::Builder::new().prefix("thermocline-drill-").tempdir()?;
    eprintln!("drill: rebuild, logs in {}", dir.path().display());
    let outcome = match drill::rebuild(dir.path(), front, Size { topics, partitions: 10 }) {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("logs are kept in {}", dir.keep().display());
            return Err(error);
        }
    };
    let results = root().join("tests/results");
    fs::create_dir_all(&results)?;
    let path = results.join("drill-rebuild.json");
    fs::write(&path, serde_json::to_string_pretty(&outcome.json)? + "\n")?;
    eprintln!("{:#}\nwritten to {}", outcome.json, path.display());
    if outcome.wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("drill: something is wrong; logs are kept in {}", dir.keep().display());
    Ok(ExitCode::FAILURE)
}
