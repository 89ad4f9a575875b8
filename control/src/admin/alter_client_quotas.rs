//! AlterClientQuotas (KIP-546). Each entity's change happens, or none of it; entities do not wait for
//! each other.
//!
//! Addresses are nobody's names: only the default tenant, which is the operator's, limits them, and
//! what it says holds for the connections of all tenants. The tenant itself is an entity that only
//! the operator's own commands may name.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use metadata::limits::{SETTING_NAME_BYTES_MAX, SETTINGS_PER_KIND_MAX};
use metadata::model::Record;
use metadata::settings::quota::{EntityType, QuotaEntity, QuotaKey, QuotaRecord};
use metadata::settings::{SettingKey, SettingKind, Settings};
use protocol::{
    ErrorCode,
    ids::TenantId,
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse,
        alter_client_quotas_request::EntryData,
        alter_client_quotas_response::{EntityData, EntryData as EntryResult},
    },
};

use super::Refusal;
use crate::catalogue::Catalogue;
use crate::command::By;
use crate::limits::QUOTAS_ALTERED_PER_REQUEST_MAX;

/// What to do and what to answer.
pub(crate) struct Plan {
    /// The settings that change.
    pub(crate) changes: Vec<(SettingKey, Option<Bytes>)>,
    /// The answer, if that succeeds.
    pub(crate) response: AlterClientQuotasResponse,
}

/// Plans a request of one tenant.
pub(crate) fn plan(
    catalogue: &Catalogue,
    tenant: TenantId,
    by: By,
    request: &AlterClientQuotasRequest,
) -> Plan {
    let present = catalogue.settings(tenant, SettingKind::Quota);
    let mut count = present.entries.len();
    let mut named = HashSet::new();
    let mut changes = Vec::new();
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        let planned = change(&present, tenant, by, entry).and_then(|(entity, change)| {
            let name = entity.to_string();
            if !named.insert(name.clone()) {
                let text = format!("Ignoring duplicate entity {entity}");
                return Err(Refusal::new(ErrorCode::InvalidRequest, text));
            }
            let Some(value) = change else { return Ok(()) };
            let added = value.is_some() && !present.entries.contains_key(&name);
            check_room(count + usize::from(added), changes.len())?;
            count += usize::from(added);
            changes.push((SettingKey::new(tenant, SettingKind::Quota, name), value));
            Ok(())
        });
        entries.push(match planned {
            Ok(()) => answer(entry).with_error_message(None),
            Err(refusal) => refused(entry, refusal),
        });
    }
    if request.validate_only {
        changes.clear();
    }
    Plan { changes, response: AlterClientQuotasResponse::default().with_entries(entries) }
}

/// An answer that refuses everything alike.
pub(crate) fn refuse_all(
    request: &AlterClientQuotasRequest,
    refusal: &Refusal,
) -> AlterClientQuotasResponse {
    let entries = request.entries.iter().map(|entry| refused(entry, refusal.clone()));
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

/// Turns the successes of an answer into this refusal: their record was not committed.
pub(crate) fn refuse_planned(response: &mut AlterClientQuotasResponse, refusal: &Refusal) {
    for entry in response.entries.iter_mut().filter(|entry| entry.error_code == 0) {
        entry.error_code = refusal.code.code();
        entry.error_message = refusal.clone().text();
    }
}

/// The entity, and if it changes, its value from then on: none without any quota.
type Change = (QuotaEntity, Option<Option<Bytes>>);

fn change(
    present: &Settings,
    tenant: TenantId,
    by: By,
    entry: &EntryData,
) -> Result<Change, Refusal> {
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidRequest, text);
    let parts = entry.entity.iter();
    let parts = parts.map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
    let entity = QuotaEntity::checked(parts).map_err(|error| invalid(error.to_string()))?;
    check_right(&entity, tenant, by)?;
    let name = entity.to_string();
    if name.len() > SETTING_NAME_BYTES_MAX {
        return Err(invalid("The names of the entity are too long.".to_owned()));
    }
    let before = present.entries.get(&name).map(|value| QuotaRecord::decode(value));
    let before = before.transpose().map_err(|error| {
        tracing::error!(%entity, %error, "quota cannot be read");
        Refusal::new(ErrorCode::UnsupportedVersion, "The present quota cannot be read.")
    })?;
    let before = before.unwrap_or_default();
    let after = QuotaRecord { values: changed(&entity, &before.values, entry)? };
    let change = (after != before).then(|| (!after.values.is_empty()).then(|| after.encode()));
    Ok((entity, change))
}

fn check_right(entity: &QuotaEntity, tenant: TenantId, by: By) -> Result<(), Refusal> {
    let has = |kind| entity.0.contains_key(&kind);
    let text = if has(EntityType::Tenant) && by == By::Client {
        // As of any type that Kafka does not know.
        "Unhandled client quota entity type: tenant"
    } else if has(EntityType::Ip) && tenant != TenantId::DEFAULT {
        "Addresses are limited by the operator of the cluster."
    } else {
        return Ok(());
    };
    Err(Refusal::new(ErrorCode::InvalidRequest, text))
}

/// All quotas of an entity after the changes.
fn changed(
    entity: &QuotaEntity,
    before: &BTreeMap<QuotaKey, f64>,
    entry: &EntryData,
) -> Result<BTreeMap<QuotaKey, f64>, Refusal> {
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidRequest, text);
    let mut ops = HashMap::new();
    for op in &entry.ops {
        if ops.insert(op.key.as_str(), op).is_some() {
            let text = format!(
                "Duplicate quota key {} not updating quota for this entity {entity}",
                op.key.chars().take(100).collect::<String>()
            );
            return Err(invalid(text));
        }
    }
    let mut after = before.clone();
    for (name, op) in ops {
        if op.remove {
            // What was never there is gone, whatever it is called; so in Kafka.
            if let Some(key) = QuotaKey::parse(name) {
                after.remove(&key);
            }
            continue;
        }
        let key = QuotaKey::checked(entity, name, op.value);
        after.insert(key.map_err(|error| invalid(error.to_string()))?, op.value);
    }
    Ok(after)
}

fn check_room(entities: usize, changes: usize) -> Result<(), Refusal> {
    let text = if entities > SETTINGS_PER_KIND_MAX {
        format!("There may be quotas of at most {SETTINGS_PER_KIND_MAX} entities.")
    } else if changes >= QUOTAS_ALTERED_PER_REQUEST_MAX {
        format!(
            "A request may change the quotas of at most {QUOTAS_ALTERED_PER_REQUEST_MAX} entities."
        )
    } else {
        return Ok(());
    };
    Err(Refusal::new(ErrorCode::PolicyViolation, text))
}

fn answer(entry: &EntryData) -> EntryResult {
    let entity = entry.entity.iter().map(|part| {
        EntityData::default()
            .with_entity_type(part.entity_type.clone())
            .with_entity_name(part.entity_name.clone())
    });
    EntryResult::default().with_entity(entity.collect())
}

fn refused(entry: &EntryData, refusal: Refusal) -> EntryResult {
    answer(entry).with_error_code(refusal.code.code()).with_error_message(refusal.text())
}

#[cfg(test)]
mod tests;
