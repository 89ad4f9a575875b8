//! ChangePlacement: what operators say about nodes and partitions, checked and brought to what
//! changes. Pure: no I/O, no clock.

use bytes::Bytes;
use hop::internal::{ChangePlacementRequest, PlacementChange};
use metadata::{
    limits::SETTINGS_PER_KIND_MAX,
    model::Record,
    settings::{
        SettingKey, SettingKind,
        placement::{NodePlacement, Pin, PlacementName},
    },
};
use protocol::{ErrorCode, ids::TenantId};

use crate::catalogue::Catalogue;

/// A setting and its next value, if it has one.
pub(crate) type Change = (SettingKey, Option<Bytes>);

/// The changes to commit; none if everything is so already. Pins of topics that are gone go with
/// them.
pub(crate) fn plan(
    catalogue: &Catalogue,
    request: &ChangePlacementRequest,
) -> Result<Vec<Change>, ErrorCode> {
    let said = catalogue.settings(TenantId::SYSTEM, SettingKind::Placement);
    let mut changes: Vec<Change> = Vec::new();
    for PlacementChange { name, value } in &request.changes {
        let parsed = PlacementName::parse(name).ok_or(ErrorCode::InvalidRequest)?;
        let key = parsed.key();
        if changes.iter().any(|(other, _)| *other == key) {
            return Err(ErrorCode::InvalidRequest);
        }
        if let Some(value) = value {
            check(catalogue, parsed, value)?;
        }
        if said.entries.get(name) != value.as_ref() {
            changes.push((key, value.clone()));
        }
    }
    if changes.is_empty() {
        return Ok(changes);
    }
    let named = |key: &SettingKey| request.changes.iter().any(|change| change.name == key.name);
    let orphans = said.entries.keys().filter_map(|name| match PlacementName::parse(name)? {
        PlacementName::Partition(topic, index) if catalogue.topic(topic).is_none() => {
            Some(PlacementName::Partition(topic, index).key())
        }
        PlacementName::Partition(..) | PlacementName::Node(_) => None,
    });
    changes.extend(orphans.filter(|key| !named(key)).map(|key| (key, None)));
    let is_new = |(key, value): &&Change| value.is_some() && !said.entries.contains_key(&key.name);
    let added = changes.iter().filter(is_new).count();
    if said.entries.len() + added > SETTINGS_PER_KIND_MAX {
        return Err(ErrorCode::PolicyViolation);
    }
    Ok(changes)
}

fn check(catalogue: &Catalogue, name: PlacementName, value: &[u8]) -> Result<(), ErrorCode> {
    let readable = match name {
        PlacementName::Node(_) => NodePlacement::decode(value).is_ok(),
        PlacementName::Partition(topic, index) => {
            let topic = catalogue.topic(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            if !(0..topic.partitions).contains(&index) {
                return Err(ErrorCode::UnknownTopicOrPartition);
            }
            Pin::decode(value).is_ok()
        }
    };
    if readable { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metadata::{model::TopicRecord, settings::placement::Duty};
    use protocol::ids::{NodeId, TopicId};

    use super::*;
    use crate::meta_log::MetaRecord;

    fn topic(n: u8) -> TopicRecord {
        TopicRecord {
            tenant: TenantId(1),
            id: TopicId::from_slice(&[n; 16]).unwrap(),
            name: format!("topic-{n}"),
            partitions: 2,
            configs: BTreeMap::new(),
            internal: false,
            created_ms: 0,
        }
    }

    fn change(name: PlacementName, value: Option<Bytes>) -> PlacementChange {
        PlacementChange { name: name.to_string(), value }
    }

    fn ask(
        catalogue: &Catalogue,
        changes: &[(PlacementName, Option<Bytes>)],
    ) -> Result<Vec<Change>, ErrorCode> {
        let changes = changes.iter().map(|(name, value)| change(*name, value.clone())).collect();
        plan(catalogue, &ChangePlacementRequest { changes })
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let node = PlacementName::Node(NodeId(3));
        let drained = NodePlacement { duty: Duty::Draining, ..NodePlacement::default() }.encode();
        let mut catalogue = Catalogue::default();
        let changes = ask(&catalogue, &[(node, Some(drained.clone()))]).unwrap();
        assert_eq!(changes, [(node.key(), Some(drained.clone()))]);
        catalogue.apply(MetaRecord::SettingsChanged(changes));
        assert_eq!(ask(&catalogue, &[(node, Some(drained))]), Ok(Vec::new()));
        assert_eq!(ask(&catalogue, &[(node, None)]), Ok(vec![(node.key(), None)]));
    }

    #[test]
    fn pins_need_their_partition_and_go_with_their_topic() {
        let pin = |n: u8, index| PlacementName::Partition(topic(n).id, index);
        let to = Some(Pin { node: NodeId(1) }.encode());
        let mut catalogue =
            Catalogue::replay(vec![MetaRecord::TopicsCreated(vec![topic(1), topic(2)])]);
        for (n, index) in [(1, 2), (1, -1), (3, 0)] {
            let refused = ask(&catalogue, &[(pin(n, index), to.clone())]);
            assert_eq!(refused, Err(ErrorCode::UnknownTopicOrPartition));
        }
        let changes = ask(&catalogue, &[(pin(1, 1), to.clone())]).unwrap();
        catalogue.apply(MetaRecord::SettingsChanged(changes));
        catalogue.apply(MetaRecord::TopicsDeleted(vec![topic(1).id]));
        let changes = ask(&catalogue, &[(pin(2, 0), to.clone())]).unwrap();
        assert_eq!(changes, [(pin(2, 0).key(), to), (pin(1, 1).key(), None)]);
    }

    #[test]
    fn nonsense_is_refused() {
        let catalogue = Catalogue::default();
        let node = PlacementName::Node(NodeId(3));
        let garbage = Some(Bytes::from_static(b"?"));
        assert_eq!(ask(&catalogue, &[(node, garbage)]), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(&catalogue, &[(node, None), (node, None)]), Ok(Vec::new()));
        let value = Some(NodePlacement::default().encode());
        let twice = [(node, value.clone()), (node, value)];
        assert_eq!(ask(&catalogue, &twice), Err(ErrorCode::InvalidRequest));
        let changes = vec![PlacementChange { name: "rack/1".to_owned(), value: None }];
        let refused = plan(&catalogue, &ChangePlacementRequest { changes });
        assert_eq!(refused, Err(ErrorCode::InvalidRequest));
    }
}
