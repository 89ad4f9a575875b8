//! The wrapped data keys of all tenants, from the authority for them. For whoever takes the bucket
//! over and has no copies of the settings yet.

use std::sync::Arc;

use metadata::settings::{SettingKind, Settings};
use protocol::ids::TenantId;
use segment::Store;

use crate::catalogue::Catalogue;
use crate::meta_log::{MetaLog, MetaLogError};

/// Each tenant's settings of its keys, of the cluster whose metadata log is in `store`. Writes
/// nothing.
pub async fn wrapped_keys(store: &Store) -> Result<Vec<(TenantId, Arc<Settings>)>, MetaLogError> {
    // The term only names a writer, and nothing is written.
    let (_log, records) = MetaLog::open(store, 0).await?;
    Ok(Catalogue::replay(records).settings_of_all(SettingKind::Key))
}

#[cfg(test)]
mod tests {
    use metadata::settings::SettingKey;

    use super::*;
    use crate::meta_log::MetaRecord;

    #[tokio::test]
    async fn the_keys_of_all_tenants_are_in_the_bucket() {
        let store = Store::memory("test");
        assert!(wrapped_keys(&store).await.unwrap().is_empty());
        let (mut log, _) = MetaLog::open(&store, 1).await.unwrap();
        let set = |kind, name: &str| {
            (SettingKey::new(TenantId(7), kind, name), Some(bytes::Bytes::from_static(b"wrapped")))
        };
        let changes = vec![set(SettingKind::Key, "1"), set(SettingKind::Group, "1")];
        log.append(&MetaRecord::SettingsChanged(changes)).await.unwrap();
        let keys = wrapped_keys(&store).await.unwrap();
        let [(tenant, settings)] = keys.as_slice() else { panic!("{keys:?}") };
        assert_eq!((*tenant, settings.entries.len()), (TenantId(7), 1));
    }
}
