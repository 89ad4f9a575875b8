//! Telling the processes of a cluster whose bucket was taken over to leave.

use metadata::{
    Entry, MetadataError, MetadataStore, Txn, TxnOutcome,
    keys::Key,
    model::{ClusterRecord, Record},
};

/// Marks the cluster's record, which every process looks at every two seconds. For whoever has read in
/// the bucket that a later generation has begun: that is final, so nobody needs to lead for this.
/// Returns the record's revision; `None` if somebody changed it meanwhile.
pub(crate) async fn retire(
    metadata: &dyn MetadataStore,
    entry: &Entry,
    record: ClusterRecord,
) -> Result<Option<i64>, MetadataError> {
    let retired = ClusterRecord { retired: true, ..record };
    let txn = Txn::new().when_mod(Key::Cluster, entry.mod_revision);
    match metadata.txn(txn.put(Key::Cluster, retired.encode())).await? {
        TxnOutcome::Committed { revision } => Ok(Some(revision)),
        TxnOutcome::Conflict => Ok(None),
    }
}
