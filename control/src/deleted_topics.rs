//! Which topics are gone for ever, from the authority for it (R9). For whoever deletes their records.

use std::collections::HashSet;

use protocol::ids::TopicId;
use segment::Store;

use crate::meta_log::{MetaLog, MetaLogError, MetaRecord};

/// The deleted topics of the cluster whose metadata log is in `store`. Writes nothing.
pub async fn deleted_topics(store: &Store) -> Result<HashSet<TopicId>, MetaLogError> {
    // The term only names a writer, and nothing is written.
    let (_log, records) = MetaLog::open(store, 0).await?;
    let deleted = records.into_iter().filter_map(|record| match record {
        MetaRecord::TopicsDeleted(topics) => Some(topics),
        _ => None,
    });
    Ok(deleted.flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_the_log_calls_deleted_is() {
        let store = Store::memory("test");
        let (gone, other) = (TopicId::random(), TopicId::random());
        assert!(deleted_topics(&store).await.unwrap().is_empty());
        let (mut log, _) = MetaLog::open(&store, 1).await.unwrap();
        log.append(&MetaRecord::TopicsDeleted(vec![gone])).await.unwrap();
        log.append(&MetaRecord::PartitionsAdded(vec![(other, 3)])).await.unwrap();
        assert_eq!(deleted_topics(&store).await.unwrap(), HashSet::from([gone]));
    }
}
