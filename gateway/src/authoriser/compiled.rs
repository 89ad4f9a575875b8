//! One tenant's entries at one revision, by principal and type.

use std::collections::HashMap;
use std::sync::Arc;

use metadata::model::Record;
use metadata::settings::Settings;
use metadata::settings::acl::{AclBinding, ResourceType};

use super::patterns::Patterns;

/// Everything that a tenant's entries say.
#[derive(Debug, Default)]
pub(crate) struct Authoriser {
    pub(super) principals: HashMap<Box<str>, Arc<ByType>>,
    /// The resources that some entry is about, whoever it is for.
    pub(super) mentioned: ByType,
    /// An entry cannot be read, by this version at least. It may be a denial, so nobody but super
    /// users gets anything.
    pub(super) unreadable: bool,
}

/// Patterns by the type of resource.
#[derive(Debug, Default)]
pub(super) struct ByType([Patterns; ResourceType::ALL.len()]);

// === impl Authoriser ===

impl Authoriser {
    /// Reads a tenant's entries.
    pub(crate) fn compile(settings: &Settings) -> Self {
        let mut entries = Vec::with_capacity(settings.entries.len());
        let mut unreadable = false;
        for (name, value) in &settings.entries {
            match AclBinding::decode(value) {
                Ok(acl) => entries.push(acl),
                Err(error) => {
                    tracing::error!(name, %error, "an access control entry cannot be read");
                    unreadable = true;
                }
            }
        }
        Self { unreadable, ..Self::of(&entries) }
    }

    pub(super) fn of(entries: &[AclBinding]) -> Self {
        let mut principals = HashMap::<&str, ByType>::new();
        let mut mentioned = ByType::default();
        for acl in entries {
            let of_principal = principals.entry(&acl.principal).or_default();
            of_principal.of_mut(acl.resource_type).add(acl);
            mentioned.of_mut(acl.resource_type).mention(acl);
        }
        let principals = principals.into_iter().map(|(name, of)| (name.into(), Arc::new(of)));
        Self { principals: principals.collect(), mentioned, unreadable: false }
    }
}

// === impl ByType ===

impl ByType {
    pub(super) fn of(&self, resource_type: ResourceType) -> &Patterns {
        &self.0[place(resource_type)]
    }

    fn of_mut(&mut self, resource_type: ResourceType) -> &mut Patterns {
        &mut self.0[place(resource_type)]
    }
}

fn place(resource_type: ResourceType) -> usize {
    let place = ResourceType::ALL.iter().position(|known| *known == resource_type);
    place.expect("all types are in the list of all types")
}
