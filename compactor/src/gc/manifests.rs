//! What is there and what manifests say of it: compacted objects and producer snapshots.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use protocol::ids::TopicId;
use segment::keys::{self, Parsed};
use segment::store::Listed;
use segment::{Key, Manifest};

use super::{Collector, GcError, Known, PREFIXES};
use crate::limits::GC_IN_FLIGHT;

/// A partition by what its keys say: the tenant is only in the manifest.
type Name = (TopicId, i32);

impl Collector {
    /// Packs and producer snapshots that are old enough to be orphans.
    pub(super) async fn list_shared(&mut self, old_before_ms: i64) -> Result<Vec<Key>, GcError> {
        let mut shared = Vec::new();
        for prefix in 0..PREFIXES {
            for folder in [format!("d/{prefix:02x}/packs"), format!("x/{prefix:02x}/producers")] {
                let listed = self.listings.below(&folder).await?;
                let old = listed.into_iter().filter(|listed| listed.modified_ms < old_before_ms);
                shared.extend(old.filter(is_shared).map(|listed| listed.key));
            }
        }
        Ok(shared)
    }

    /// Objects and manifests of one prefix. A partition's own objects have its manifest's prefix.
    pub(super) async fn read_prefix(
        &mut self,
        prefix: u16,
        old_before_ms: i64,
        known: &mut Known,
    ) -> Result<(), GcError> {
        // In this order: what a manifest read later does not name, nobody names (R30).
        let mut own = self.list_own(prefix).await?;
        let listed = self.listings.below(&format!("m/{prefix:02x}")).await?;
        let names = listed.into_iter().filter_map(|listed| match keys::parse(&listed.key)? {
            Parsed::Manifest(topic, index) => Some((topic, index)),
            _ => None,
        });
        let names: Vec<Name> = names.collect();
        let manifests = &self.manifests;
        let loads = futures::stream::iter(names.clone())
            .map(|(topic, index)| async move { manifests.load_named(topic, index).await });
        let loaded: Vec<_> = loads.buffer_unordered(GC_IN_FLIGHT).collect().await;
        for manifest in loaded {
            let Some((manifest, version)) = manifest? else { continue };
            let manifest = self.follow_topic(manifest, version, known).await?;
            let name = (manifest.partition.topic, manifest.partition.index);
            let objects = own.remove(&name).unwrap_or_default();
            self.judge(&manifest, objects, old_before_ms, known);
        }
        // Objects without a manifest: of a partition whose manifest was deleted last.
        let there: HashSet<Name> = names.into_iter().collect();
        for (name, objects) in own {
            if !there.contains(&name) && self.is_deleted(name.0, known).await? {
                let old = objects.into_iter().filter(|it| it.modified_ms < old_before_ms);
                old.for_each(|listed| self.doomed.add(listed.key));
            }
        }
        Ok(())
    }

    async fn list_own(&mut self, prefix: u16) -> Result<HashMap<Name, Vec<Listed>>, GcError> {
        let mut own: HashMap<Name, Vec<Listed>> = HashMap::new();
        for listed in self.listings.below(&format!("d/{prefix:02x}")).await? {
            if let Some(Parsed::Compacted(topic, index, ..)) = keys::parse(&listed.key) {
                own.entry((topic, index)).or_default().push(listed);
            }
        }
        Ok(own)
    }

    fn judge(
        &mut self,
        manifest: &Manifest,
        own: Vec<Listed>,
        old_before_ms: i64,
        known: &mut Known,
    ) {
        let partition = manifest.partition;
        if manifest.deleted {
            known.dead.insert(partition);
            if own.is_empty() {
                known.bare.insert(partition);
            }
        } else {
            known.floors.insert(partition, manifest.floor());
            known.chained.extend(manifest.chain.iter().map(|link| link.log));
            let producers = manifest.producers.iter().filter_map(|producers| producers.key.clone());
            let packs = manifest.objects.iter().map(|object| object.key.clone());
            known.shared.extend(producers.chain(packs));
        }
        for listed in own {
            let named =
                !manifest.deleted && manifest.objects.iter().any(|object| object.key == listed.key);
            if !named && listed.modified_ms < old_before_ms {
                self.doomed.add(listed.key);
            }
        }
    }
}

/// Only what our own builders name is ours to delete.
fn is_shared(listed: &Listed) -> bool {
    matches!(keys::parse(&listed.key), Some(Parsed::Pack(_) | Parsed::Producers(_)))
}
