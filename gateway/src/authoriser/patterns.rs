//! What one principal was allowed and denied, by the patterns of resource names.

use std::collections::{BTreeSet, HashMap};
use std::ops::BitOrAssign;

use metadata::settings::acl::{AclBinding, AclOperation, PatternType, Permission, WILDCARD};

/// Sets of operations, one bit each: `1 << code`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) allowed: u32,
    pub(super) denied: u32,
}

/// Masks by the host that they hold for.
#[derive(Debug, Default)]
struct ByHost {
    any: Masks,
    hosts: HashMap<Box<str>, Masks>,
}

/// Patterns of the names of one type of resources.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    literal: HashMap<Box<str>, ByHost>,
    prefixed: HashMap<Box<str>, ByHost>,
    /// Of all prefixes, so that each length costs one look.
    prefix_lengths: BTreeSet<usize>,
    wildcard: ByHost,
}

/// The bit of an operation, which is the one that KIP-430 shows it by.
pub(super) fn bit(operation: AclOperation) -> u32 {
    1 << operation.code()
}

/// Every operation.
const ALL: u32 = u32::MAX;

// === impl Masks ===

impl Masks {
    /// What an entry allows or denies, with what that implies.
    fn of(acl: &AclBinding) -> Self {
        use AclOperation as Op;
        let implied = match acl.operation {
            Op::All => ALL,
            Op::Read | Op::Write | Op::Delete | Op::Alter => bit(Op::Describe),
            Op::AlterConfigs => bit(Op::DescribeConfigs),
            _ => 0,
        };
        match acl.permission {
            Permission::Allow => Self { allowed: bit(acl.operation) | implied, denied: 0 },
            Permission::Deny if acl.operation == Op::All => Self { allowed: 0, denied: ALL },
            Permission::Deny => Self { allowed: 0, denied: bit(acl.operation) },
        }
    }

    /// What is left of the allowed after the denied.
    pub(super) fn granted(self) -> u32 {
        self.allowed & !self.denied
    }
}

impl BitOrAssign for Masks {
    fn bitor_assign(&mut self, other: Self) {
        self.allowed |= other.allowed;
        self.denied |= other.denied;
    }
}

// === impl ByHost ===

impl ByHost {
    fn add(&mut self, host: &str, masks: Masks) {
        if host == WILDCARD {
            self.any |= masks;
        } else {
            *self.hosts.entry(host.into()).or_default() |= masks;
        }
    }

    fn of(&self, host: &str) -> Masks {
        let mut masks = self.any;
        if let Some(more) = self.hosts.get(host) {
            masks |= *more;
        }
        masks
    }
}

// === impl Patterns ===

impl Patterns {
    pub(super) fn add(&mut self, acl: &AclBinding) {
        self.add_masks(acl, &acl.host, Masks::of(acl));
    }

    /// Remembers only that there is an entry about these resources.
    pub(super) fn mention(&mut self, acl: &AclBinding) {
        self.add_masks(acl, WILDCARD, Masks { allowed: ALL, denied: 0 });
    }

    fn add_masks(&mut self, acl: &AclBinding, host: &str, masks: Masks) {
        let name = acl.resource_name.as_str();
        let by_host = match acl.pattern_type {
            PatternType::Literal if name == WILDCARD => &mut self.wildcard,
            PatternType::Literal => self.literal.entry(name.into()).or_default(),
            PatternType::Prefixed => {
                self.prefix_lengths.insert(name.len());
                self.prefixed.entry(name.into()).or_default()
            }
        };
        by_host.add(host, masks);
    }

    /// What holds for a resource and a host.
    pub(super) fn of(&self, name: &str, host: &str) -> Masks {
        let mut masks = self.wildcard.of(host);
        if let Some(literal) = self.literal.get(name) {
            masks |= literal.of(host);
        }
        masks |= self.of_prefixes(name, host);
        masks
    }

    /// What the prefixes of a name say.
    pub(super) fn of_prefixes(&self, name: &str, host: &str) -> Masks {
        let mut masks = Masks::default();
        for length in self.prefix_lengths.range(..=name.len()) {
            // A length within a character is that of no prefix of this name.
            let prefixed = name.get(..*length).and_then(|prefix| self.prefixed.get(prefix));
            if let Some(prefixed) = prefixed {
                masks |= prefixed.of(host);
            }
        }
        masks
    }

    /// What holds for all resources.
    pub(super) fn of_wildcard(&self, host: &str) -> Masks {
        self.wildcard.of(host)
    }

    /// The names of literal entries.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.literal.keys().map(|name| &**name)
    }

    /// The names of prefixed entries.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixed.keys().map(|name| &**name)
    }
}
