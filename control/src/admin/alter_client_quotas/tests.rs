//! What changes, what is refused, and what is left alone.

use protocol::StrBytes;
use protocol::messages::alter_client_quotas_request::{EntityData as Named, OpData};

use super::*;
use crate::meta_log::MetaRecord;

const TENANT: TenantId = TenantId(7);

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn entry(entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> EntryData {
    let entity = entity.iter().map(|&(kind, name)| {
        Named::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    });
    let ops = ops.iter().map(|&(key, value)| {
        OpData::default()
            .with_key(text(key))
            .with_value(value.unwrap_or_default())
            .with_remove(value.is_none())
    });
    EntryData::default().with_entity(entity.collect()).with_ops(ops.collect())
}

fn request(entries: Vec<EntryData>) -> AlterClientQuotasRequest {
    AlterClientQuotasRequest::default().with_entries(entries)
}

/// Carries a request out.
fn alter(catalogue: &mut Catalogue, by: By, entries: Vec<EntryData>) -> Vec<String> {
    let Plan { changes, response } = plan(catalogue, TENANT, by, &request(entries));
    catalogue.apply(MetaRecord::SettingsChanged(changes));
    let said = |entry: &EntryResult| entry.error_message.as_deref().unwrap_or("").to_owned();
    response.entries.iter().map(said).collect()
}

fn quotas(catalogue: &Catalogue) -> Vec<(String, Vec<(&'static str, f64)>)> {
    let settings = catalogue.settings(TENANT, SettingKind::Quota);
    let decoded = settings.entries.iter().map(|(name, value)| {
        let values = QuotaRecord::decode(value).unwrap().values;
        (name.clone(), values.into_iter().map(|(key, value)| (key.name(), value)).collect())
    });
    decoded.collect()
}

const ALICE: &[(&str, Option<&str>)] = &[("user", Some("alice"))];

#[test]
fn quotas_are_set_changed_and_removed_by_key() {
    let mut catalogue = Catalogue::default();
    let set =
        entry(ALICE, &[("producer_byte_rate", Some(10.0)), ("request_percentage", Some(1.5))]);
    assert_eq!(alter(&mut catalogue, By::Client, vec![set.clone()]), [""]);
    assert!(plan(&catalogue, TENANT, By::Client, &request(vec![set])).changes.is_empty(), "is so");
    let change = entry(ALICE, &[("producer_byte_rate", Some(20.0)), ("request_percentage", None)]);
    assert_eq!(alter(&mut catalogue, By::Client, vec![change]), [""]);
    let left = vec![("user=alice".to_owned(), vec![("producer_byte_rate", 20.0)])];
    assert_eq!(quotas(&catalogue), left);
    let gone = entry(ALICE, &[("producer_byte_rate", None), ("no_such_key", None)]);
    assert_eq!(alter(&mut catalogue, By::Client, vec![gone]), [""]);
    assert!(quotas(&catalogue).is_empty(), "an entity without quotas is no setting");
}

#[test]
fn one_wrong_key_leaves_its_entity_alone_and_no_other() {
    let mut catalogue = Catalogue::default();
    let ops = [("producer_byte_rate", Some(10.0)), ("consumer_byte_rate", Some(-1.0))];
    let wrong = entry(ALICE, &ops);
    let right = entry(&[("client-id", None)], &[("producer_byte_rate", Some(5.0))]);
    let said = alter(&mut catalogue, By::Client, vec![wrong, right.clone(), right]);
    let duplicate = "Ignoring duplicate entity client-id=<default>";
    assert_eq!(said, ["Quota consumer_byte_rate must be greater than 0", "", duplicate]);
    let names: Vec<_> = quotas(&catalogue).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["client-id=<default>"]);
    let twice = entry(ALICE, &[("producer_byte_rate", Some(1.0)), ("producer_byte_rate", None)]);
    let said = alter(&mut catalogue, By::Client, vec![twice]);
    assert!(said[0].starts_with("Duplicate quota key producer_byte_rate"), "{said:?}");
}

#[test]
fn only_operators_limit_tenants_and_only_their_own_tenant_limits_addresses() {
    let mut catalogue = Catalogue::default();
    let tenant = entry(&[("tenant", None)], &[("partitions", Some(10.0))]);
    let said = alter(&mut catalogue, By::Client, vec![tenant.clone()]);
    assert_eq!(said, ["Unhandled client quota entity type: tenant"]);
    assert_eq!(alter(&mut catalogue, By::Operator, vec![tenant]), [""]);
    let address = entry(&[("ip", None)], &[("connection_creation_rate", Some(10.0))]);
    let said = alter(&mut catalogue, By::Client, vec![address.clone()]);
    assert_eq!(said, ["Addresses are limited by the operator of the cluster."]);
    let plan = plan(&catalogue, TenantId::DEFAULT, By::Client, &request(vec![address]));
    assert_eq!(plan.changes.len(), 1);
}

#[test]
fn a_validation_changes_nothing() {
    let set = entry(ALICE, &[("producer_byte_rate", Some(10.0))]);
    let request = request(vec![set]).with_validate_only(true);
    let plan = plan(&Catalogue::default(), TENANT, By::Client, &request);
    assert!(plan.changes.is_empty());
    assert_eq!(plan.response.entries[0].error_code, 0);
}
