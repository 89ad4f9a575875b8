//! The roles of processes, by the names that certificates have for them.

/// What kind of process connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// A gateway.
    Gateway = 1,
    /// A storage node.
    StorageNode = 2,
    /// A cold reader.
    ColdReader = 3,
    /// Control.
    Control = 4,
    /// A compactor.
    Compactor = 5,
    /// Every role in one process, which no certificate says.
    Dev = 6,
    /// A command of whoever operates the cluster.
    Operator = 7,
}

impl Role {
    /// The roles that a certificate can give.
    pub const CERTIFIED: [Self; 6] = [
        Self::Gateway,
        Self::StorageNode,
        Self::ColdReader,
        Self::Control,
        Self::Compactor,
        Self::Operator,
    ];

    /// The name in certificates and logs; of a process, also that of its command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::StorageNode => "storage-node",
            Self::ColdReader => "cold-reader",
            Self::Control => "control",
            Self::Compactor => "compactor",
            Self::Dev => "dev",
            Self::Operator => "operator",
        }
    }

    /// The role that a certificate names so.
    pub fn certified(name: &str) -> Option<Self> {
        Self::CERTIFIED.into_iter().find(|role| role.name() == name)
    }

    /// The role of this number on the wire.
    pub(crate) fn from_wire(role: u8) -> Option<Self> {
        let known = Self::CERTIFIED.into_iter().chain([Self::Dev]);
        known.into_iter().find(|known| *known as u8 == role)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_one_name_and_one_number() {
        for role in Role::CERTIFIED {
            assert_eq!(Role::certified(role.name()), Some(role));
            assert_eq!(Role::from_wire(role as u8), Some(role));
        }
        assert_eq!(Role::from_wire(Role::Dev as u8), Some(Role::Dev));
        assert_eq!(Role::certified("dev"), None, "whoever is everybody has no certificate");
        assert_eq!((Role::from_wire(0), Role::from_wire(8)), (None, None));
    }
}
