//! ChangeTenant, as far as it is about keys: encryption is turned on and off, and keys rotate.
//!
//! A tenant's keys stay when another takes over and when encryption ends, for as long as the tenant
//! is there: its older records are sealed with them. The key that seals is named by one setting, so
//! that nobody sees a moment without one while keys rotate.

use std::time::Duration;

use bytes::Bytes;
use hop::internal::{ChangeTenantRequest, ChangeTenantResponse, TenantChange};
use metadata::{
    model::Record,
    settings::{
        SettingKey, SettingKind,
        key::{CURRENT, CurrentKey, KEYS_MAX, TenantKeys},
        tenant::Tenants,
    },
};
use protocol::{ErrorCode, ids::TenantId};
use segment::seal::KeyId;
use tenant_keys::{KeyName, KeyWrapper};

use super::Refusal;
use super::change_tenant::{self, Plan};
use crate::catalogue::Catalogue;

/// How long whoever keeps the key-encryption keys may take: the next command waits as long.
const KEEPER_TIMEOUT: Duration = Duration::from_secs(5);

type Changes = Vec<(SettingKey, Option<Bytes>)>;

/// Whether a change is planned here.
pub(crate) fn is_about_keys(change: TenantChange) -> bool {
    matches!(
        change,
        TenantChange::EncryptionOn | TenantChange::EncryptionOff | TenantChange::RotateKey
    )
}

/// Plans a request.
pub(crate) async fn plan(
    catalogue: &Catalogue,
    keeper: &dyn KeyWrapper,
    request: &ChangeTenantRequest,
) -> Plan {
    let settings = catalogue.settings(TenantId::DEFAULT, SettingKind::Tenant);
    let planned = match Tenants::new(&settings).named(&request.name) {
        Some(tenant) => {
            let keys = Keys::of(catalogue, tenant);
            keys.change(keeper, request.change()).await.map(|changes| (tenant, changes))
        }
        None => Err(Refusal::new(
            ErrorCode::ResourceNotFound,
            format!("There is no tenant `{}`.", request.name),
        )),
    };
    match planned {
        Ok((tenant, changes)) => {
            let response =
                ChangeTenantResponse { tenant: tenant.0, ..ChangeTenantResponse::default() };
            Plan { changes, response }
        }
        Err(refusal) => Plan { changes: Vec::new(), response: change_tenant::refuse(&refusal) },
    }
}

/// What makes a tenant's keys go, with all that is sealed with them.
pub(crate) fn removal(catalogue: &Catalogue, tenant: TenantId) -> Changes {
    let settings = catalogue.settings(tenant, SettingKind::Key);
    settings.entries.keys().map(|name| (key(tenant, name.as_str()), None)).collect()
}

struct Keys {
    tenant: TenantId,
    keys: TenantKeys,
}

impl Keys {
    fn of(catalogue: &Catalogue, tenant: TenantId) -> Self {
        Self { tenant, keys: TenantKeys::new(&catalogue.settings(tenant, SettingKind::Key)) }
    }

    async fn change(
        &self,
        keeper: &dyn KeyWrapper,
        change: TenantChange,
    ) -> Result<Changes, Refusal> {
        match (change, self.keys.current) {
            (TenantChange::EncryptionOn, None) => self.another(keeper).await,
            (TenantChange::EncryptionOff, Some(_)) => Ok(vec![(key(self.tenant, CURRENT), None)]),
            (TenantChange::RotateKey, Some(_)) => {
                let mut changes = self.rewrapped(keeper).await;
                changes.extend(self.another(keeper).await?);
                Ok(changes)
            }
            (TenantChange::RotateKey, None) => {
                let text = "The tenant's records are not encrypted; there is no key to rotate.";
                Err(Refusal::new(ErrorCode::InvalidRequest, text.to_owned()))
            }
            // It is so already.
            _ => Ok(Vec::new()),
        }
    }

    /// A new key takes over.
    async fn another(&self, keeper: &dyn KeyWrapper) -> Result<Changes, Refusal> {
        if self.keys.wrapped.len() >= KEYS_MAX {
            let text = format!("A tenant may have at most {KEYS_MAX} keys.");
            return Err(Refusal::new(ErrorCode::PolicyViolation, text));
        }
        let number = self.keys.next();
        let name = KeyName { tenant: self.tenant, key: KeyId(number) };
        let made = tokio::time::timeout(KEEPER_TIMEOUT, keeper.make(name)).await;
        let made = made.map_err(|_| format!("no answer within {KEEPER_TIMEOUT:?}"));
        let made = made.and_then(|made| made.map_err(|error| error.to_string()));
        let wrapped = made.map_err(|error| {
            let text = format!("Control cannot make a key: {error}.");
            Refusal::new(ErrorCode::KafkaStorageError, text)
        })?;
        // In this order: a key is there before it is named.
        Ok(vec![
            (key(self.tenant, number.to_string()), Some(wrapped.encode())),
            (key(self.tenant, CURRENT), Some(CurrentKey(number).encode())),
        ])
    }

    /// All keys that another key-encryption key wraps, wrapped by the one that wraps now. One that
    /// cannot be stays as it is: a new key is needed all the same.
    async fn rewrapped(&self, keeper: &dyn KeyWrapper) -> Changes {
        let mut changes = Vec::new();
        for (number, wrapped) in &self.keys.wrapped {
            let name = KeyName { tenant: self.tenant, key: KeyId(*number) };
            match tokio::time::timeout(KEEPER_TIMEOUT, keeper.rewrap(name, wrapped)).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(again))) => {
                    changes.push((key(self.tenant, number.to_string()), Some(again.encode())));
                }
                Ok(Err(error)) => {
                    tracing::warn!(%name, %error, "a data key stays as it is wrapped")
                }
                // The keeper is away: the rest would take as long each.
                Err(_elapsed) => {
                    tracing::warn!(%name, "the keeper of keys does not answer");
                    break;
                }
            }
        }
        changes
    }
}

fn key(tenant: TenantId, name: impl Into<String>) -> SettingKey {
    SettingKey::new(tenant, SettingKind::Key, name)
}

#[cfg(test)]
mod tests;
