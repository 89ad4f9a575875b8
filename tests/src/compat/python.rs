//! Our own tests over the clients that Python programs use, in `tests/compat/python`.

use std::process::Command;

use super::Options;
use crate::root;

/// The clients, as `tests/scripts/setup` installs them.
pub(super) const PIN: &str = "confluent-kafka 2.16.1 (librdkafka), aiokafka 0.14.0";

/// The suite as a command.
pub(super) fn against(bootstrap: &str, options: &Options) -> Command {
    let mut command = Command::new(root().join(".tools/venv/bin/python"));
    command.arg(root().join("tests/compat/python/suite.py")).arg(bootstrap);
    command.args(&options.only);
    command
}
