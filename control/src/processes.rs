//! Which processes are up, and of which release each is.
//!
//! Storage nodes, gateways and readers say it in the records that they have anyway; a record that
//! does not say it is one of release 1. Control processes and compactors, which have none, say it
//! under `m/`; those of release 1 are not seen, and refuse by themselves what they do not know.

use metadata::{
    Entry, MetadataError, MetadataStore,
    keys::{self, Key},
    model::{GatewayRecord, NodeLiveRecord, ProcessRecord, ReaderRecord, Record},
};
use protocol::release::Release;
use serde::Serialize;

/// A process that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessInfo {
    /// Its role, and its number if it has one.
    pub name: String,
    /// The newest release that it can behave as.
    pub release: u16,
}

/// All that have said so, by role.
pub async fn processes(metadata: &dyn MetadataStore) -> Result<Vec<ProcessInfo>, MetadataError> {
    let mut found = Vec::new();
    for prefix in ["nl/", "g/", "r/", keys::PROCESSES] {
        let listing = metadata.list(prefix).await?;
        found.extend(listing.entries.iter().map(read).collect::<Result<Vec<_>, _>>()?);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn read(entry: &Entry) -> Result<ProcessInfo, MetadataError> {
    let value = &entry.value;
    let (name, release) = match Key::parse(&entry.key) {
        Some(Key::NodeLive(node)) => {
            // It is up, whatever it says.
            let record = NodeLiveRecord::decode(value).unwrap_or_default();
            (format!("storage-node {node}"), Ok(record.release))
        }
        Some(Key::Gateway(broker)) => {
            (format!("gateway {broker}"), GatewayRecord::decode(value).map(|it| it.release))
        }
        Some(Key::Reader(reader)) => {
            (format!("cold-reader {reader}"), ReaderRecord::decode(value).map(|it| it.release))
        }
        _ => match ProcessRecord::decode(value) {
            Ok(record) => (record.role, Ok(record.release)),
            Err(error) => (entry.key.clone(), Err(error)),
        },
    };
    let unreadable = |error| MetadataError::Refused(format!("`{}`: {error}", entry.key));
    Ok(ProcessInfo { name, release: release.map_err(unreadable)?.number() })
}

/// Those that do not know `release`, in words; empty if all do.
pub(crate) fn behind(processes: &[ProcessInfo], release: Release) -> String {
    let behind = processes.iter().filter(|it| it.release < release.number());
    let named = behind.map(|it| format!("{} (release {})", it.name, it.release));
    named.collect::<Vec<_>>().join(", ")
}
