//! Keeps the keyring of a process like the settings say.
//!
//! A pass marks first which key each tenant seals with, then unwraps: between the two, and for as long
//! as a key does not unwrap, nothing of that tenant is stored, for it would be in plain text.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use metadata::ClusterView;
use metadata::settings::key::TenantKeys;
use metadata::settings::{SettingKind, Settings};
use process::Drain;
use protocol::ids::TenantId;
use segment::Keyring;
use segment::seal::KeyId;

use crate::metrics;
use crate::wrapper::{KeyName, KeyWrapper};

/// How often it is tried again to unwrap what did not.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// How long one unwrapping may take.
const UNWRAP_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the settings once, into `keyring`: before anything is stored or read. True if all keys
/// are there.
pub async fn load(view: &ClusterView, wrapper: &dyn KeyWrapper, keyring: &Keyring) -> bool {
    load_of(&view.settings_of_all(SettingKind::Key), wrapper, keyring).await
}

/// The same of settings that come from elsewhere: [`SettingKind::Key`] of each tenant.
pub async fn load_of(
    all: &[(TenantId, Arc<Settings>)],
    wrapper: &dyn KeyWrapper,
    keyring: &Keyring,
) -> bool {
    metrics::describe();
    pass(all, wrapper, keyring, &mut HashSet::new()).await
}

/// Follows the settings until the drain begins. [`load`] comes first.
pub fn follow(view: ClusterView, wrapper: Arc<dyn KeyWrapper>, keyring: Keyring, drain: &Drain) {
    let draining = drain.clone();
    drop(drain.spawn("tenant keys", async move {
        let mut told = HashSet::new();
        let mut changed = view.changed();
        let mut revisions = None;
        loop {
            let now = revisions_of(&view);
            let complete = if revisions.as_ref() == Some(&now) {
                true
            } else {
                let all = view.settings_of_all(SettingKind::Key);
                let complete = pass(&all, &*wrapper, &keyring, &mut told).await;
                // What did not unwrap is tried again though nothing changed.
                revisions = complete.then_some(now);
                complete
            };
            tokio::select! {
                () = draining.draining() => return,
                changed = changed.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY_PAUSE), if !complete => {}
            }
            if !complete {
                // Settings may change often; a keeper that is away is not asked as often.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }));
}

fn revisions_of(view: &ClusterView) -> Vec<(TenantId, u64)> {
    let all = view.settings_of_all(SettingKind::Key);
    let mut revisions: Vec<_> =
        all.into_iter().map(|(tenant, settings)| (tenant, settings.revision)).collect();
    revisions.sort_unstable();
    revisions
}

/// One pass over all tenants. True if all keys are there.
async fn pass(
    all: &[(TenantId, Arc<Settings>)],
    wrapper: &dyn KeyWrapper,
    keyring: &Keyring,
    told: &mut HashSet<KeyName>,
) -> bool {
    let all: Vec<(TenantId, TenantKeys)> =
        all.iter().map(|(tenant, settings)| (*tenant, TenantKeys::new(settings))).collect();
    let with_keys: HashSet<TenantId> =
        all.iter().filter(|(_, keys)| !keys.is_empty()).map(|(tenant, _)| *tenant).collect();
    for tenant in keyring.tenants() {
        if !with_keys.contains(&tenant) {
            keyring.forget(tenant);
        }
    }
    for (tenant, keys) in all.iter().filter(|(tenant, _)| with_keys.contains(tenant)) {
        keyring.set_current(*tenant, keys.current.map(KeyId));
    }
    let (mut here, mut unavailable) = (0, 0);
    for (tenant, keys) in &all {
        for (key, wrapped) in &keys.wrapped {
            let (tenant, key) = (*tenant, KeyId(*key));
            let name = KeyName { tenant, key };
            if keyring.key(tenant, key).is_ok() {
                here += 1;
                continue;
            }
            let unwrapped = tokio::time::timeout(UNWRAP_TIMEOUT, wrapper.unwrap(name, wrapped));
            let error = match unwrapped.await {
                Ok(Ok(unwrapped)) => {
                    keyring.put(tenant, unwrapped);
                    told.remove(&name);
                    here += 1;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => format!("no answer within {UNWRAP_TIMEOUT:?}"),
            };
            unavailable += 1;
            if told.insert(name) {
                tracing::error!(%tenant, %key, kek = wrapped.kek, error, "a data key is not available");
            }
        }
    }
    metrics::keys(here, unavailable);
    unavailable == 0
}

#[cfg(test)]
mod tests;
