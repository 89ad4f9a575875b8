//! Where a front keeps its log: the text in the node record and in slot 0 of the data log.
//!
//! ```text
//!   disk:PATH          a file that only this machine reaches
//!   shared-disk:PATH   a file that another machine reaches after re-attaching the volume (R4)
//!   object             slots under `w/`, beside the data log of the same name
//! ```
//!
//! Whoever ends an incarnation reads here what has to be sealed, and whether it can do that itself.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use segment::seqlog::WalKind;

const DISK: &str = "disk:";
const SHARED_DISK: &str = "shared-disk:";
const OBJECT: &str = "object";

/// The place of a front's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontDescriptor {
    /// A file of one machine: nobody but the node itself drains it.
    Disk {
        /// The ring file.
        path: PathBuf,
    },
    /// A file on a volume that others can attach. Its node keeps a promise (R4), because a volume
    /// that is attached elsewhere does not stop a process that still has it open.
    SharedDisk {
        /// The ring file, at the same path wherever the volume is attached.
        path: PathBuf,
    },
    /// The object WAL of the incarnation: anybody drains it.
    Object,
}

/// The text names no front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no front: expected `disk:PATH`, `shared-disk:PATH` or `object`")]
pub struct ParseFrontError {
    /// What was given.
    pub text: String,
}

// === impl FrontDescriptor ===

impl FrontDescriptor {
    /// How slot 0 of the data log says it.
    pub fn wal_kind(&self) -> WalKind {
        match self {
            Self::Disk { .. } | Self::SharedDisk { .. } => WalKind::Disk,
            Self::Object => WalKind::Object,
        }
    }

    /// True when another process than the node itself, on another machine, can read the log.
    pub fn is_reachable_by_others(&self) -> bool {
        !matches!(self, Self::Disk { .. })
    }
}

impl fmt::Display for FrontDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { path } => write!(f, "{DISK}{}", path.display()),
            Self::SharedDisk { path } => write!(f, "{SHARED_DISK}{}", path.display()),
            Self::Object => f.write_str(OBJECT),
        }
    }
}

impl FromStr for FrontDescriptor {
    type Err = ParseFrontError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = |prefix| text.strip_prefix(prefix).filter(|path| !path.is_empty());
        if let Some(path) = path(DISK) {
            return Ok(Self::Disk { path: path.into() });
        }
        if let Some(path) = path(SHARED_DISK) {
            return Ok(Self::SharedDisk { path: path.into() });
        }
        match text {
            OBJECT => Ok(Self::Object),
            _ => Err(ParseFrontError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["disk:/var/lib/wal", "shared-disk:/mnt/vol-1/wal", "object"] {
            let front: FrontDescriptor = text.parse().unwrap();
            assert_eq!(front.to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "disk", "disk:", "shared-disk:", "object:", "tape:/dev/st0", "Disk:/wal"] {
            assert!(text.parse::<FrontDescriptor>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_disk_of_one_machine_is_out_of_reach_for_others() {
        let reachable =
            |text: &str| text.parse::<FrontDescriptor>().unwrap().is_reachable_by_others();
        assert!(!reachable("disk:/wal"));
        assert!(reachable("shared-disk:/wal") && reachable("object"));
    }
}
