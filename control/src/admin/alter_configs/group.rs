//! Configs of groups. They are settings, for a group may be configured before it is there, and who
//! keeps it is not known here.

use bytes::Bytes;
use metadata::limits::{SETTING_NAME_BYTES_MAX, SETTINGS_PER_KIND_MAX};
use metadata::model::Record;
use metadata::settings::group::{GroupRecord, validated};
use metadata::settings::{SettingKey, SettingKind};
use protocol::ErrorCode;
use protocol::ids::TenantId;
use protocol::messages::incremental_alter_configs_request::AlterConfigsResource;

use super::{Refusal, applied};
use crate::catalogue::Catalogue;

/// The setting that changes, and its value from then on; `None` if all stays as it is.
pub(super) fn plan(
    catalogue: &Catalogue,
    tenant: TenantId,
    resource: &AlterConfigsResource,
) -> Result<Option<(SettingKey, Option<Bytes>)>, Refusal> {
    let group = resource.resource_name.as_str();
    if group.is_empty() {
        let text = "Default group resources are not allowed.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    if group.len() > SETTING_NAME_BYTES_MAX {
        let text =
            format!("A group with configs has a name of at most {SETTING_NAME_BYTES_MAX} bytes.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    let present = catalogue.settings(tenant, SettingKind::Group);
    let before = present.entries.get(group).map(|value| GroupRecord::decode(value)).transpose();
    let before = before.map_err(|error| {
        tracing::error!(%error, "configs of a group cannot be read");
        Refusal::new(ErrorCode::UnsupportedVersion, "The present configs cannot be read.")
    })?;
    let before = before.unwrap_or_default().configs;
    let after = validated(&applied(&before, &resource.configs)?)
        .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
    if after == before {
        return Ok(None);
    }
    if before.is_empty() && present.entries.len() >= SETTINGS_PER_KIND_MAX {
        let text = format!("At most {SETTINGS_PER_KIND_MAX} groups may have configs.");
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    let value = (!after.is_empty()).then(|| GroupRecord { configs: after }.encode());
    Ok(Some((SettingKey::new(tenant, SettingKind::Group, group), value)))
}
