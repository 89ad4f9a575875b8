//! Settings: what a tenant has set besides its topics. Access control lists, credentials, quotas,
//! the configs of groups, the tenants themselves and their keys; and what operators have set for the cluster.
//!
//! A setting is a key and a value that only its own kind understands. Control commits changes of
//! them to the metadata log and copies them to the metadata store, where every process watches
//! them; none of those looks inside. Another kind is a variant here and a record type.

pub mod acl;
pub mod credential;
pub mod group;
pub mod key;
pub mod placement;
pub mod quota;
pub mod tenant;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use protocol::ids::TenantId;

/// Prefix of every setting's key.
pub const SETTINGS: &str = "s/";

/// What a setting is about. The spelling is persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SettingKind {
    /// An access control entry.
    Acl,
    /// What a user proves to be the user with.
    Credential,
    /// A quota of users, client ids, addresses, or of the tenant.
    Quota,
    /// The configs of a group.
    Group,
    /// A tenant.
    Tenant,
    /// Data keys of the tenant, wrapped.
    Key,
    /// Where partitions may be: of nodes and partitions, under the system's own tenant.
    Placement,
}

/// Names one setting: `s/{kind}/{tenant}/{name}` in the metadata store, where the name has percent
/// signs for all but letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingKey {
    /// Whose setting.
    pub tenant: TenantId,
    /// What it is about.
    pub kind: SettingKind,
    /// Its name among the tenant's settings of this kind: any text of at most
    /// [`SETTING_NAME_BYTES_MAX`](crate::limits::SETTING_NAME_BYTES_MAX) bytes, not empty.
    pub name: String,
}

/// A tenant's settings of one kind at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Another number whenever one of them changed, so that what is made of them is made again
    /// only then. 0 while there never were any.
    pub revision: u64,
    /// Values by name.
    pub entries: BTreeMap<String, Bytes>,
}

/// Everybody's settings, as the view and the catalogue hold them.
#[derive(Debug, Default)]
pub struct AllSettings {
    by_owner: HashMap<(TenantId, SettingKind), Arc<Settings>>,
    /// Those of a tenant that never had any: gateways ask for each request.
    none: Arc<Settings>,
    changes: u64,
}

// === impl SettingKind ===

impl SettingKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Acl,
        Self::Credential,
        Self::Quota,
        Self::Group,
        Self::Tenant,
        Self::Key,
        Self::Placement,
    ];

    /// Its spelling in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Credential => "credential",
            Self::Quota => "quota",
            Self::Group => "group",
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Placement => "placement",
        }
    }

    /// Reads the spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

// === impl SettingKey ===

impl SettingKey {
    /// Names a setting.
    pub fn new(tenant: TenantId, kind: SettingKind, name: impl Into<String>) -> Self {
        Self { tenant, kind, name: name.into() }
    }

    /// Reads a key; `None` for anything that this version would not write.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(SETTINGS)?.splitn(3, '/');
        let kind = SettingKind::parse(parts.next()?)?;
        let tenant = TenantId(parts.next()?.parse().ok()?);
        let name = percent_decode_str(parts.next()?).decode_utf8().ok()?.into_owned();
        let key = Self { tenant, kind, name };
        // One key, one text.
        (!key.name.is_empty() && key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = utf8_percent_encode(&self.name, NON_ALPHANUMERIC);
        write!(f, "{SETTINGS}{}/{}/{name}", self.kind.name(), self.tenant)
    }
}

impl From<SettingKey> for String {
    fn from(key: SettingKey) -> Self {
        key.to_string()
    }
}

// === impl AllSettings ===

impl AllSettings {
    /// A tenant's settings of one kind.
    pub fn of(&self, tenant: TenantId, kind: SettingKind) -> Arc<Settings> {
        Arc::clone(self.by_owner.get(&(tenant, kind)).unwrap_or(&self.none))
    }

    /// All tenants' settings of one kind, in no order.
    pub fn of_all(&self, kind: SettingKind) -> Vec<(TenantId, Arc<Settings>)> {
        let of_kind = self.by_owner.iter().filter(|((_, other), _)| *other == kind);
        of_kind.map(|((tenant, _), settings)| (*tenant, Arc::clone(settings))).collect()
    }

    /// Every setting.
    pub fn iter(&self) -> impl Iterator<Item = (SettingKey, &Bytes)> {
        self.by_owner.iter().flat_map(|(&(tenant, kind), settings)| {
            let entries = settings.entries.iter();
            entries.map(move |(name, value)| (SettingKey::new(tenant, kind, name.as_str()), value))
        })
    }

    /// Sets a value, or removes the setting. What is so already changes no revision.
    pub fn set(&mut self, key: &SettingKey, value: Option<Bytes>) {
        let owner = (key.tenant, key.kind);
        let before = self.by_owner.get(&owner).and_then(|of| of.entries.get(&key.name));
        if before == value.as_ref() {
            return;
        }
        self.changes += 1;
        let settings = Arc::make_mut(self.by_owner.entry(owner).or_default());
        settings.revision = self.changes;
        match value {
            Some(value) => drop(settings.entries.insert(key.name.clone(), value)),
            None => drop(settings.entries.remove(&key.name)),
        }
    }

    /// Takes the place of `before`: what says the same keeps its revision, and no revision comes
    /// twice.
    pub fn succeed(&mut self, before: &Self) {
        self.changes += before.changes;
        for (owner, settings) in &mut self.by_owner {
            match before.by_owner.get(owner) {
                Some(same) if same.entries == settings.entries => *settings = Arc::clone(same),
                _ => Arc::make_mut(settings).revision += before.changes,
            }
        }
        for owner in before.by_owner.keys() {
            self.by_owner.entry(*owner).or_insert_with(|| {
                self.changes += 1;
                Arc::new(Settings { revision: self.changes, ..Settings::default() })
            });
        }
    }
}

#[cfg(test)]
mod tests;
