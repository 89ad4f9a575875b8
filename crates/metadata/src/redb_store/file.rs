//! The file: two redb tables.
//!
//! ```text
//! marks     "format" → 1, "revision" → the store's revision
//! entries   key → create_revision i64 LE | mod_revision i64 LE | leased u8 | value
//! ```
//!
//! Persisted, keep stable. redb checksums its pages and recovers a torn commit by itself.

use std::{collections::BTreeMap, io, path::Path};

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition,
};

use crate::{embedded::engine::Stored, store::LeaseId};

const MARKS: TableDefinition<'_, &str, i64> = TableDefinition::new("marks");
const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
const FORMAT: &str = "format";
const FORMAT_VERSION: i64 = 1;
const REVISION: &str = "revision";
const HEADER_BYTES: usize = 17;
/// Everything is in memory anyway; redb's own default would keep up to 1 GiB.
const CACHE_BYTES: usize = 8 << 20;

/// Why the metadata file cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum RedbError {
    /// Another process holds the file.
    #[error("metadata file is in use by another process")]
    InUse,
    /// The directory or the file cannot be opened.
    #[error("metadata file cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// Written by another version, or not by us.
    #[error("metadata file has format {0}, this version reads {FORMAT_VERSION}")]
    Format(i64),
    /// An entry is damaged.
    #[error("metadata file holds a damaged entry: {0}")]
    Damaged(String),
    /// The file's own machinery failed.
    #[error("metadata file: {0}")]
    Redb(#[from] redb::Error),
}

pub(super) struct File {
    database: Database,
    /// Set by the first failed write: what is on disk is no longer known.
    failed: bool,
}

pub(super) struct Loaded {
    pub(super) revision: i64,
    pub(super) entries: BTreeMap<String, Stored>,
}

impl File {
    /// Opens or creates the file, and drops the keys whose leases died with their process.
    pub(super) fn open(path: &Path) -> Result<(Self, Loaded), RedbError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(
            |error| match error {
                DatabaseError::DatabaseAlreadyOpen => RedbError::InUse,
                DatabaseError::Storage(StorageError::Io(error)) => RedbError::Io(error),
                other => RedbError::Redb(other.into()),
            },
        )?;
        let mut file = Self { database, failed: false };
        file.prepare()?;
        let mut loaded = file.load()?;
        let leased = loaded.entries.iter().filter(|(_, stored)| stored.lease.is_some());
        let orphans: Vec<_> = leased.map(|(key, _)| (key.clone(), None)).collect();
        if !orphans.is_empty() {
            loaded.revision += 1;
            file.write(loaded.revision, &orphans)?;
            loaded.entries.retain(|_, stored| stored.lease.is_none());
        }
        Ok((file, loaded))
    }

    /// Makes one revision's changes durable.
    pub(super) fn write(
        &mut self,
        revision: i64,
        writes: &[(String, Option<Stored>)],
    ) -> Result<(), RedbError> {
        if self.failed {
            return Err(RedbError::Io(io::Error::other("an earlier write failed; restart")));
        }
        let written = self.try_write(revision, writes);
        self.failed = written.is_err();
        Ok(written?)
    }

    fn try_write(
        &self,
        revision: i64,
        writes: &[(String, Option<Stored>)],
    ) -> Result<(), redb::Error> {
        let txn = self.database.begin_write()?;
        {
            let mut entries = txn.open_table(ENTRIES)?;
            for (key, stored) in writes {
                match stored {
                    Some(stored) => entries.insert(key.as_str(), encode(stored).as_slice())?,
                    None => entries.remove(key.as_str())?,
                };
            }
            txn.open_table(MARKS)?.insert(REVISION, revision)?;
        }
        txn.commit()?;
        Ok(())
    }

    /// Creates the tables of a new file, and refuses a foreign one.
    fn prepare(&self) -> Result<(), RedbError> {
        let prepare = || -> Result<i64, redb::Error> {
            let txn = self.database.begin_write()?;
            let format = {
                txn.open_table(ENTRIES)?;
                let mut marks = txn.open_table(MARKS)?;
                let format = marks.get(FORMAT)?.map(|format| format.value());
                if format.is_none() {
                    marks.insert(FORMAT, FORMAT_VERSION)?;
                    marks.insert(REVISION, 0)?;
                }
                format
            };
            if format.is_none() {
                txn.commit()?;
            }
            Ok(format.unwrap_or(FORMAT_VERSION))
        };
        match prepare()? {
            FORMAT_VERSION => Ok(()),
            other => Err(RedbError::Format(other)),
        }
    }

    fn load(&self) -> Result<Loaded, RedbError> {
        let (revision, rows) = self.rows()?;
        let mut entries = BTreeMap::new();
        for (key, value) in rows {
            let stored = decode(&value).ok_or_else(|| RedbError::Damaged(key.clone()))?;
            entries.insert(key, stored);
        }
        Ok(Loaded { revision, entries })
    }

    fn rows(&self) -> Result<(i64, Vec<Row>), redb::Error> {
        let txn = self.database.begin_read()?;
        let revision = txn.open_table(MARKS)?.get(REVISION)?.map_or(0, |mark| mark.value());
        let mut rows = Vec::new();
        for row in txn.open_table(ENTRIES)?.iter()? {
            let (key, value) = row?;
            rows.push((key.value().to_owned(), value.value().to_vec()));
        }
        Ok((revision, rows))
    }
}

/// A key and its bytes in the file.
type Row = (String, Vec<u8>);

fn encode(stored: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + stored.value.len());
    bytes.extend(stored.create_revision.to_le_bytes());
    bytes.extend(stored.mod_revision.to_le_bytes());
    bytes.push(u8::from(stored.lease.is_some()));
    bytes.extend(&stored.value);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Stored> {
    let (create, rest) = bytes.split_first_chunk::<8>()?;
    let (modified, rest) = rest.split_first_chunk::<8>()?;
    let (&leased, value) = rest.split_first()?;
    Some(Stored {
        value: Bytes::copy_from_slice(value),
        create_revision: i64::from_le_bytes(*create),
        mod_revision: i64::from_le_bytes(*modified),
        // Which lease does not matter any more: none survived.
        lease: (leased != 0).then_some(LeaseId(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_a_short_one_is_refused() {
        let stored = Stored {
            value: Bytes::from_static(b"value"),
            create_revision: 3,
            mod_revision: 1 << 40,
            lease: Some(LeaseId(0)),
        };
        let bytes = encode(&stored);
        // Golden: the header's layout is persisted.
        assert_eq!(&bytes[..HEADER_BYTES], [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1]);
        assert_eq!(decode(&bytes), Some(stored));
        assert_eq!(decode(&bytes[..16]), None);
    }
}
