//! `thermocline-drill`: one operations drill; the result is `tests/results/drill-NAME.json` and the
//! exit code.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use thermocline_tests::cluster::FrontKind;
use thermocline_tests::drill::{self, Size, Upgrade};
use thermocline_tests::{groups, root};

/// Practises a disaster on a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which.
    drill: Drill,
    /// The nodes' front: a disk for `rebuild` and `rolling`, the object store for `standby`, unless said otherwise.
    #[arg(long, value_enum)]
    front: Option<FrontKind>,
    /// Topics, each with a group and ten partitions.
    #[arg(long)]
    topics: Option<u32>,
    /// What the producers of `standby` and `rolling` send.
    #[arg(long, default_value_t = 20)]
    mib_per_second: u32,
    /// For `rolling`: the binary of the release before this one. The cluster begins with it, goes to
    /// this release, back, and here again.
    #[arg(long, value_name = "BINARY")]
    old: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Drill {
    /// etcd's data is lost under load and rebuilt from the bucket.
    Rebuild,
    /// Of two sites on one bucket each is lost whole once; with disks, one is, and its disks with it.
    Standby,
    /// Every process is stopped and started again in turn, under load.
    Rolling,
    /// The clients' name goes to another gateway set, in network namespaces, by a real BIND.
    Dns,
}

impl Drill {
    fn name(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Standby => "standby",
            Self::Rolling => "rolling",
            Self::Dns => "dns",
        }
    }
}

fn main() -> Result<ExitCode> {
    let Arguments { drill, front, topics, mib_per_second, old } = Arguments::parse();
    groups::end_together()?;
    let dir = tempfile::Builder::new().prefix("thermocline-drill-").tempdir()?;
    let name = drill.name();
    eprintln!("drill: {name}, logs in {}", dir.path().display());
    let size = |default| Size { topics: topics.unwrap_or(default), partitions: 10 };
    let drilled = match drill {
        Drill::Rebuild => drill::rebuild(dir.path(), front.unwrap_or(FrontKind::Disk), size(100)),
        Drill::Standby => match front.unwrap_or(FrontKind::Object) {
            FrontKind::Object => drill::standby(dir.path(), size(10), mib_per_second),
            front => drill::loss(dir.path(), front, size(10)),
        },
        Drill::Rolling => {
            let rate = u64::from(mib_per_second) << 20;
            let upgrade = old.map_or(Upgrade::Nothing, Upgrade::From);
            drill::rolling(dir.path(), front.unwrap_or(FrontKind::Disk), rate, &upgrade)
        }
        Drill::Dns => drill::dns(dir.path()),
    };
    let outcome = match drilled {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("logs are kept in {}", dir.keep().display());
            return Err(error);
        }
    };
    let results = root().join("tests/results");
    fs::create_dir_all(&results)?;
    let path = results.join(format!("drill-{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(&outcome.json)? + "\n")?;
    eprintln!("{:#}\nwritten to {}", outcome.json, path.display());
    if outcome.wrong.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("drill: something is wrong; logs are kept in {}", dir.keep().display());
    Ok(ExitCode::FAILURE)
}
