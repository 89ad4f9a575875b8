//! Our own suite over Apache Kafka's Java clients, Streams and Connect: `tests/compat/java`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Options, output_of};
use crate::root;

/// The Maven module; its `pom.xml` pins the versions.
pub(super) const MODULE: &str = "tests/compat/java";
/// As many as there are nodes.
const REPLICATION: &str = "3";
/// Four tests at a time, Streams among them.
const HEAP: &str = "-Xmx512m";
/// What clients have to say goes to standard error, beside the outcomes.
const LOG_LEVEL: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";

/// Compiles the suite and fetches the jars it needs; `scratch`, where the module puts them.
pub(super) fn build(scratch: &Path) -> Result<PathBuf> {
    let module = root().join(MODULE);
    output_of(Command::new("mvn").args(["-q", "-B", "package"]).current_dir(module))?;
    Ok(scratch.to_owned())
}

/// The suite as a command; it keeps its files in `dir`.
pub(super) fn against(
    built: &Path,
    bootstrap: &str,
    options: &Options,
    omitted: &[&str],
    dir: &Path,
) -> Command {
    let mut command = Command::new("java");
    command.args([HEAP, LOG_LEVEL]);
    if let Some(only) = &options.only {
        command.arg(format!("-Donly={only}"));
    }
    if !omitted.is_empty() {
        command.arg(format!("-Domit=^({})$", omitted.join("|")));
    }
    let path = format!("{0}/classes:{0}/lib/*", built.display());
    let records = options.records.to_string();
    command.args(["-cp", &path, "compat.Suite", bootstrap, REPLICATION, &records]).arg(dir);
    command
}
