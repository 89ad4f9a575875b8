//! franz-go's own tests of its client, from its published module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Options, output_of};

/// The module at the version whose tests are run.
pub(super) const MODULE: &str = "github.com/twmb/franz-go@v1.22.2";
/// Its checksum, as in a `go.sum`.
const SUM: &str = "h1:EdwIHGzD/4mgCpl/sNS0C74JYn6cL/r2KYS+8UC96Ww=";
/// The copy of the module below the scratch folder.
const SOURCE: &str = "module";
/// Shorter than the harness waits: Go then says what every test was doing.
const TIMEOUT: &str = "50m";
/// Tests at a time: most of them wait most of the time.
const PARALLEL: &str = "8";

/// Builds the tests in `scratch`; the test binary.
///
/// The module cache is read-only, and a package of it can be tested only as part of a main module.
pub(super) fn build(scratch: &Path) -> Result<PathBuf> {
    let binary = scratch.join(format!("{}.test", MODULE.replace('/', "-")));
    if binary.exists() {
        return Ok(binary);
    }
    fs::create_dir_all(scratch)?;
    // The download's own folder is no module: nothing is added to any go.mod.
    let answer = go(scratch, &["mod", "download", "-json", MODULE])?;
    let module: Value = serde_json::from_str(&answer)?;
    ensure!(module["Sum"] == SUM, "{MODULE} is {}, not {SUM}", module["Sum"]);
    let source = scratch.join(SOURCE);
    output_of(Command::new("rm").arg("-rf").arg(&source))?;
    let cached = module["Dir"].as_str().context("the module's folder")?;
    output_of(Command::new("cp").args(["-r", "--no-preserve=mode", cached]).arg(&source))?;
    let output = binary.display().to_string();
    go(&source, &["test", "-c", "-o", &output, "./pkg/kgo"])?;
    Ok(binary)
}

/// The suite as a command: the binary through `test2json`, as `go test -json` runs it.
pub(super) fn against(
    binary: PathBuf,
    bootstrap: &str,
    options: &Options,
    omitted: &[&str],
) -> Command {
    let mut command = Command::new("go");
    // One of the tests reads its package's sources.
    command.current_dir(binary.with_file_name(SOURCE).join("pkg/kgo"));
    command.args(["tool", "test2json", "-t"]).arg(binary);
    command.args([
        "-test.v=test2json",
        "-test.count=1",
        "-test.timeout",
        TIMEOUT,
        "-test.parallel",
        PARALLEL,
    ]);
    if !omitted.is_empty() {
        command.args(["-test.skip", &format!("^({})$", omitted.join("|"))]);
    }
    if let Some(only) = &options.only {
        command.args(["-test.run", only]);
    }
    command
        .env("KGO_SEEDS", bootstrap)
        .env("KGO_TEST_RECORDS", options.records.to_string())
        .env("KGO_LOG_LEVEL", "info");
    command
}

fn go(dir: &Path, args: &[&str]) -> Result<String> {
    output_of(Command::new("go").args(args).current_dir(dir))
}
