//! The integration tests of the `rdkafka` crate, from its published crate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Options, output_of};

/// The crate whose tests are run. Its own lock file pins everything else, librdkafka among it.
pub(super) const CRATE: &str = "rdkafka 0.39.0 (librdkafka 2.12.1)";
const VERSION: &str = "0.39.0";
/// Its checksum, as in a `Cargo.lock`.
const CHECKSUM: &str = "d7956f9ac12b5712e50372d9749a3102f4810a8d42481c5eae3748d36d585bcf";
const FIXED_ADDRESS: &str = r#""bootstrap.servers", "localhost""#;
const ASKED_ADDRESS: &str = r#""bootstrap.servers", std::env::var("KAFKA_HOST").unwrap()"#;
/// Lines of control's table: the tests' own broker gives a topic three partitions.
pub(super) const CONTROL_LINES: &str = "default_partitions = 3\n";
/// The copy of the crate below the scratch folder.
const SOURCE: &str = "crate";
/// Tests at a time: most of them wait most of the time.
const PARALLEL: &str = "4";

/// Builds the tests in `scratch`; the folder of the crate.
///
/// A crate of the registry can be tested only as a workspace of its own.
pub(super) fn build(scratch: &Path) -> Result<PathBuf> {
    let source = scratch.join(SOURCE);
    if !source.join("Cargo.toml").exists() {
        let fetched = fetch(&scratch.join("pin"))?;
        // Copied aside, so that a copy that was cut short is not taken for a whole one.
        let copy = scratch.join("copy");
        output_of(Command::new("rm").arg("-rf").args([&copy, &source]))?;
        output_of(Command::new("cp").args(["-r", "--no-preserve=mode"]).args([&fetched, &copy]))?;
        let manifest = copy.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)? + "\n[workspace]\n";
        fs::write(&manifest, text)?;
        ask_for_the_address(&copy.join("tests/test_high_producers.rs"))?;
        fs::rename(&copy, &source)?;
    }
    output_of(cargo_test(&source).arg("--no-run"))?;
    Ok(source)
}

/// Has cargo download the crate as a dependency of an empty package; where it is.
fn fetch(pin: &Path) -> Result<PathBuf> {
    fs::create_dir_all(pin)?;
    let manifest = format!(
        "[package]\nname = \"pin\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [lib]\npath = \"lib.rs\"\n[dependencies]\nrdkafka = \"={VERSION}\"\n[workspace]\n"
    );
    fs::write(pin.join("Cargo.toml"), manifest)?;
    fs::write(pin.join("lib.rs"), "")?;
    let answer = output_of(cargo(pin).args(["metadata", "--format-version", "1"]))?;
    let lock = fs::read_to_string(pin.join("Cargo.lock"))?;
    ensure!(lock.contains(CHECKSUM), "rdkafka {VERSION} is not the one of checksum {CHECKSUM}");
    let metadata: Value = serde_json::from_str(&answer)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let package =
        packages.iter().find(|package| package["name"] == "rdkafka").context("rdkafka")?;
    let manifest = package["manifest_path"].as_str().context("the crate's manifest")?;
    Ok(Path::new(manifest).parent().context("the crate's folder")?.to_owned())
}

/// One of the files takes the cluster to be at `localhost`, where the others ask for it.
fn ask_for_the_address(tests: &Path) -> Result<()> {
    let text = fs::read_to_string(tests)?;
    Ok(fs::write(tests, text.replace(FIXED_ADDRESS, ASKED_ADDRESS))?)
}

/// The suite as a command. Filters are those of Rust's test harness: parts of names.
pub(super) fn against(
    source: &Path,
    bootstrap: &str,
    options: &Options,
    omitted: &[&str],
) -> Command {
    let mut command = cargo_test(source);
    command.args(["--no-fail-fast", "--", "--test-threads", PARALLEL]);
    for test in omitted {
        command.args(["--skip", test.rsplit('/').next().unwrap_or(test)]);
    }
    command.args(&options.only);
    command.env("KAFKA_HOST", bootstrap);
    command
}

fn cargo_test(source: &Path) -> Command {
    let mut command = cargo(source);
    command.args(["test", "--locked", "--tests", "--target-dir"]);
    command.arg(source.with_file_name("target"));
    command
}

fn cargo(dir: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(dir);
    command
}
