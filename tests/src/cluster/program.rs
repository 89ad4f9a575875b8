//! What a role's process is: this build, an older binary, or this build as an older release.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::thermocline_binary;

/// What a role's process is, from its next start on.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The binary; none is that of this build.
    pub binary: Option<PathBuf>,
    /// The release that it behaves as; none is the newest it knows.
    pub release: Option<u16>,
}

impl Program {
    /// Runs a role with its file, which says the release if there is one to say.
    pub(super) fn command(&self, subcommand: &str, config: &Path) -> Result<Command> {
        let binary = self.binary.clone().unwrap_or_else(thermocline_binary);
        let mut config = config.to_owned();
        if let Some(release) = self.release {
            let text = fs::read_to_string(&config)?;
            config.set_extension("capped.toml");
            fs::write(&config, format!("{text}\n[cluster]\nrelease = {release}\n"))?;
        }
        let mut command = Command::new(binary);
        command.arg(subcommand).arg("--config").arg(&config);
        Ok(command)
    }
}
