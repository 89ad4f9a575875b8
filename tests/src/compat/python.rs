//! Our own tests over the clients that Python programs use, in `tests/compat/python`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Options;
use crate::root;

/// The clients, as `tests/scripts/setup` installs them.
pub(super) const PIN: &str = "confluent-kafka 2.16.1 (librdkafka), aiokafka 0.14.0";

/// What Python is to run.
pub(super) fn program() -> PathBuf {
    root().join("tests/compat/python/suite.py")
}

/// The suite as a command.
pub(super) fn against(program: &Path, bootstrap: &str, options: &Options) -> Command {
    let mut command = Command::new(root().join(".tools/venv/bin/python"));
    command.arg(program).arg(bootstrap);
    command.args(&options.only);
    command
}
