//! The catalogue: what the metadata log adds up to. Pure.
//!
//! Only committed records change it, in their order, so that every leader that replays the log
//! has the same catalogue. Requests are planned against it before they are committed.

pub(crate) mod name;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use metadata::model::TopicRecord;
use metadata::settings::tenant::Tenants;
use metadata::settings::{AllSettings, SettingKey, SettingKind, Settings};
use protocol::ids::{TenantId, TopicId};
use protocol::release::Release;

use crate::meta_log::MetaRecord;

/// All topics, and what else the log says.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    founded: Option<Founded>,
    topics: BTreeMap<TopicId, TopicRecord>,
    /// By name with dots as underscores: two names that collide are never both there.
    names: HashMap<TenantId, BTreeMap<String, TopicId>>,
    partitions: usize,
    settings: AllSettings,
    next_producer_id: i64,
    has_been_led: bool,
}

/// The cluster's identity, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Founded {
    pub(crate) cluster_id: String,
    pub(crate) generation: u16,
    /// Which site began that generation by a takeover; `None` if it began otherwise.
    pub(crate) site: Option<String>,
    /// Whether anybody has led in that generation.
    pub(crate) led: bool,
    pub(crate) group_state_topic: TopicId,
    pub(crate) group_state_partitions: i32,
    /// The newest release whose formats may be written.
    pub(crate) release: Release,
}

impl Catalogue {
    /// The catalogue after these records.
    pub(crate) fn replay(records: Vec<MetaRecord>) -> Self {
        let mut catalogue = Self::default();
        for record in records {
            catalogue.apply(record);
        }
        catalogue
    }

    /// Applies a committed record. Total: a record that repeats what is known changes nothing.
    pub(crate) fn apply(&mut self, record: MetaRecord) {
        match record {
            MetaRecord::Founded { cluster_id, generation, group_state, release } => {
                if self.founded.is_none() {
                    self.founded = Some(Founded {
                        cluster_id,
                        generation,
                        site: None,
                        led: false,
                        group_state_topic: group_state.id,
                        group_state_partitions: group_state.partitions,
                        release,
                    });
                    self.insert(group_state);
                }
            }
            MetaRecord::ReleaseFinished(release) => {
                if let Some(founded) = &mut self.founded {
                    founded.release = founded.release.max(release);
                }
            }
            MetaRecord::Generation(generation) => {
                if let Some(founded) = &mut self.founded {
                    founded.generation = founded.generation.max(generation);
                    (founded.site, founded.led) = (None, false);
                }
            }
            MetaRecord::TakenOver { generation, site } => {
                if let Some(founded) = &mut self.founded {
                    founded.generation = founded.generation.max(generation);
                    (founded.site, founded.led) = (Some(site), false);
                }
            }
            MetaRecord::Leader { .. } => {
                self.has_been_led = true;
                if let Some(founded) = &mut self.founded {
                    founded.led = true;
                }
            }
            MetaRecord::TopicsCreated(topics) => {
                for topic in topics {
                    self.insert(topic);
                }
            }
            MetaRecord::TopicsDeleted(ids) => {
                for id in ids {
                    self.remove(id);
                }
            }
            MetaRecord::PartitionsAdded(topics) => {
                for (id, partitions) in topics {
                    self.grow(id, partitions);
                }
            }
            MetaRecord::ProducerIdsReserved { next } => {
                self.next_producer_id = self.next_producer_id.max(next);
            }
            MetaRecord::ConfigsChanged(topics) => {
                for (id, configs) in topics {
                    if let Some(topic) = self.topics.get_mut(&id) {
                        topic.configs = configs;
                    }
                }
            }
            MetaRecord::SettingsChanged(changes) => {
                for (key, value) in changes {
                    self.settings.set(&key, value);
                }
            }
        }
    }

    /// The cluster's identity; `None` before it was founded.
    pub(crate) fn founded(&self) -> Option<&Founded> {
        self.founded.as_ref()
    }

    /// The newest release whose formats may be written.
    pub(crate) fn release(&self) -> Release {
        self.founded.as_ref().map_or(Release::FIRST, |founded| founded.release)
    }

    /// Whether anybody ever led, and so may have changed what is not in the log.
    pub(crate) fn has_been_led(&self) -> bool {
        self.has_been_led
    }

    /// The topic of exactly this name.
    pub(crate) fn by_name(&self, tenant: TenantId, name: &str) -> Option<&TopicRecord> {
        self.colliding(tenant, name).filter(|topic| topic.name == name)
    }

    /// The topic whose name is this one or cannot be told from it in a metric's name.
    pub(crate) fn colliding(&self, tenant: TenantId, name: &str) -> Option<&TopicRecord> {
        let id = self.names.get(&tenant)?.get(&name::collision_key(name))?;
        self.topics.get(id)
    }

    /// A tenant's topic by id: another tenant's is as good as none (R56).
    pub(crate) fn by_id(&self, tenant: TenantId, id: TopicId) -> Option<&TopicRecord> {
        self.topics.get(&id).filter(|topic| topic.tenant == tenant)
    }

    /// Whichever tenant's topic by id.
    pub(crate) fn topic(&self, id: TopicId) -> Option<&TopicRecord> {
        self.topics.get(&id)
    }

    /// All topics of all tenants.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &TopicRecord> {
        self.topics.values()
    }

    /// Whether there is such a tenant. One whose record only a newer version can read counts as there.
    pub(crate) fn has_tenant(&self, tenant: TenantId) -> bool {
        !Tenants::new(&self.settings(TenantId::DEFAULT, SettingKind::Tenant)).lack(tenant)
    }

    /// Whether a tenant has no topic and no setting but its keys, which go with it.
    pub(crate) fn is_empty_of(&self, tenant: TenantId) -> bool {
        let has_topics = self.topics.values().any(|topic| topic.tenant == tenant);
        let kinds = SettingKind::ALL.into_iter().filter(|kind| *kind != SettingKind::Key);
        !has_topics && kinds.map(|kind| self.settings(tenant, kind)).all(|of| of.entries.is_empty())
    }

    /// A tenant's settings of one kind, to plan changes against.
    pub(crate) fn settings(&self, tenant: TenantId, kind: SettingKind) -> Arc<Settings> {
        self.settings.of(tenant, kind)
    }

    /// All tenants' settings of one kind, in no order.
    pub(crate) fn settings_of_all(&self, kind: SettingKind) -> Vec<(TenantId, Arc<Settings>)> {
        self.settings.of_all(kind)
    }

    /// Every tenant's settings.
    pub(crate) fn all_settings(&self) -> impl Iterator<Item = (SettingKey, &Bytes)> {
        self.settings.iter()
    }

    /// The number of topics.
    pub(crate) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// The number of partitions of all topics.
    pub(crate) fn partition_count(&self) -> usize {
        self.partitions
    }

    /// The first producer id counter not reserved yet.
    pub(crate) fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    fn insert(&mut self, topic: TopicRecord) {
        let names = self.names.entry(topic.tenant).or_default();
        names.insert(name::collision_key(&topic.name), topic.id);
        self.partitions += count(topic.partitions);
        if let Some(before) = self.topics.insert(topic.id, topic) {
            self.partitions -= count(before.partitions);
        }
    }

    fn remove(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(&id) else { return };
        self.partitions -= count(topic.partitions);
        let key = name::collision_key(&topic.name);
        if let Some(names) = self.names.get_mut(&topic.tenant)
            && names.get(&key) == Some(&id)
        {
            names.remove(&key);
        }
    }

    fn grow(&mut self, id: TopicId, partitions: i32) {
        if let Some(topic) = self.topics.get_mut(&id)
            && partitions > topic.partitions
        {
            self.partitions += count(partitions) - count(topic.partitions);
            topic.partitions = partitions;
        }
    }
}

fn count(partitions: i32) -> usize {
    usize::try_from(partitions).expect("records with negative counts are refused")
}

#[cfg(test)]
mod tests;
