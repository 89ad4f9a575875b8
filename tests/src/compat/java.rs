//! Our own suites over Apache Kafka's Java clients, Streams and Connect, and over its command-line
//! tools: `tests/compat/java`.

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
/// What clients have to say goes to the process's own standard error, beside the outcomes, also when
/// a tool that runs in it believes to write there.
const LOGGING: [&str; 2] = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.cacheOutputStream=true",
];

/// One of the module's main classes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Main {
    /// Clients as a library.
    Clients,
    /// The command-line tools.
    Tools,
}

impl Main {
    fn class(self) -> &'static str {
        match self {
            Self::Clients => "compat.Suite",
            Self::Tools => "compat.ToolSuite",
        }
    }
}

/// Compiles the suite and fetches the jars it needs; `scratch`, where the module puts them.
pub(super) fn build(scratch: &Path) -> Result<PathBuf> {
    let module = root().join(MODULE);
    output_of(Command::new("mvn").args(["-q", "-B", "package"]).current_dir(module))?;
    Ok(scratch.to_owned())
}

/// The suite as a command; it keeps its files in `dir`.
pub(super) fn against(
    main: Main,
    built: &Path,
    bootstrap: &str,
    options: &Options,
    omitted: &[&str],
    dir: &Path,
) -> Command {
    let mut command = Command::new("java");
    command.arg(HEAP).args(LOGGING);
    if let Some(only) = &options.only {
        command.arg(format!("-Donly={only}"));
    }
    if !omitted.is_empty() {
        command.arg(format!("-Domit=^({})$", omitted.join("|")));
    }
    let path = format!("{0}/classes:{0}/lib/*", built.display());
    let records = options.records.to_string();
    command.args(["-cp", &path, main.class(), bootstrap, REPLICATION, &records]).arg(dir);
    command
}
