//! Quotas of clients.

use protocol::ErrorCode;
use protocol::messages::describe_client_quotas_request::ComponentData;
use protocol::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest,
    alter_client_quotas_request as alteration,
};

use super::world::{World, is, text};

const RATE: &str = "producer_byte_rate";
const EXACT: i8 = 0;

/// Gives a user a rate, or takes it back.
fn altered(world: &mut World, version: i16, user: &str, rate: Option<f64>) {
    let entity = alteration::EntityData::default()
        .with_entity_type(text("user"))
        .with_entity_name(Some(text(user)));
    let operation = alteration::OpData::default()
        .with_key(text(RATE))
        .with_value(rate.unwrap_or_default())
        .with_remove(rate.is_none());
    let entry =
        alteration::EntryData::default().with_entity(vec![entity]).with_ops(vec![operation]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.entries[0].error_code);
    assert_eq!(answer.entries[0].entity[0].entity_name, Some(text(user)));
}

/// A user's rate.
fn described(world: &mut World, version: i16, user: &str) -> Option<f64> {
    let wanted = ComponentData::default()
        .with_entity_type(text("user"))
        .with_match_type(EXACT)
        .with_match(Some(text(user)));
    let request =
        DescribeClientQuotasRequest::default().with_components(vec![wanted]).with_strict(true);
    let answer = world.wire.ask(version, &request);
    is(ErrorCode::None, answer.error_code);
    let entries = answer.entries.expect("entries");
    let entry = entries.first()?;
    assert_eq!(entry.entity[0].entity_name, Some(text(user)));
    let [value] = &entry.values[..] else { panic!("{entry:?}") };
    assert_eq!(value.key.as_str(), RATE);
    Some(value.value)
}

pub(super) fn alter(world: &mut World, version: i16) {
    altered(world, version, "carol", Some(1024.0));
    assert_eq!(described(world, 1, "carol"), Some(1024.0));
    altered(world, version, "carol", None);
    assert_eq!(described(world, 1, "carol"), None);
}

pub(super) fn describe(world: &mut World, version: i16) {
    altered(world, 1, "dave", Some(2048.0));
    assert_eq!(described(world, version, "dave"), Some(2048.0));
    assert_eq!(described(world, version, "nobody"), None);
}
