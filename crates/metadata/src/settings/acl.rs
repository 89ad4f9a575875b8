//! Access control entries: who may, or may not, do what, from where, to which resources (KIP-11,
//! KIP-290).
//!
//! Nothing about an entry can change, it is there or not. So its name among the settings is the
//! entry itself in one spelling, and adding one twice is adding it once.

mod filter;
mod wire;

pub use filter::{AclFilter, UnknownElement};

/// The resource name that stands for all of a type, in a literal entry.
pub const WILDCARD: &str = "*";

/// The principal of entries that are about everybody.
pub const EVERYBODY: &str = "User:*";

/// The only resource of the type CLUSTER.
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// Declares an enum of Kafka's with the codes that are in messages and on disk.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are Kafka's, and so are their meanings")]
        pub enum $name {
            $($variant = $code,)*
        }

        impl $name {
            /// All there are, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Kafka's number.
            pub fn code(self) -> i8 {
                self as i8
            }

            /// What has this number. `None` for unknown ones and for those of filters.
            pub fn from_code(code: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.code() == code)
            }

            /// Kafka's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// What can be protected.
    ResourceType {
        Topic = 2, "TOPIC";
        Group = 3, "GROUP";
        Cluster = 4, "CLUSTER";
        TransactionalId = 5, "TRANSACTIONAL_ID";
        DelegationToken = 6, "DELEGATION_TOKEN";
        User = 7, "USER";
    }
}

codes! {
    /// What a resource name means.
    PatternType {
        Literal = 3, "LITERAL";
        Prefixed = 4, "PREFIXED";
    }
}

codes! {
    /// What can be done.
    AclOperation {
        All = 2, "ALL";
        Read = 3, "READ";
        Write = 4, "WRITE";
        Create = 5, "CREATE";
        Delete = 6, "DELETE";
        Alter = 7, "ALTER";
        Describe = 8, "DESCRIBE";
        ClusterAction = 9, "CLUSTER_ACTION";
        DescribeConfigs = 10, "DESCRIBE_CONFIGS";
        AlterConfigs = 11, "ALTER_CONFIGS";
        IdempotentWrite = 12, "IDEMPOTENT_WRITE";
        CreateTokens = 13, "CREATE_TOKENS";
        DescribeTokens = 14, "DESCRIBE_TOKENS";
    }
}

codes! {
    /// May, or may not.
    Permission {
        Deny = 2, "DENY";
        Allow = 3, "ALLOW";
    }
}

/// One access control entry, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// The type of the resources.
    pub resource_type: ResourceType,
    /// Whether `resource_name` is a name or the beginning of names.
    pub pattern_type: PatternType,
    /// The name, its beginning, or [`WILDCARD`].
    pub resource_name: String,
    /// `User:name`, or [`EVERYBODY`].
    pub principal: String,
    /// An address, or `*`.
    pub host: String,
    /// What is allowed or denied.
    pub operation: AclOperation,
    /// Which of the two.
    pub permission: Permission,
}

impl AclBinding {
    /// The entry's name among the tenant's settings: no two entries have the same.
    pub fn setting_name(&self) -> String {
        let Self { resource_type, pattern_type, operation, permission, .. } = self;
        let (principal, host) = (&self.principal, &self.host);
        format!(
            "{}.{}.{}.{}.{}.{}.{principal}{host}{}",
            resource_type.code(),
            pattern_type.code(),
            operation.code(),
            permission.code(),
            principal.len(),
            host.len(),
            self.resource_name
        )
    }

    /// Bytes of the texts, which [`ACL_TEXT_BYTES_MAX`](crate::limits::ACL_TEXT_BYTES_MAX) bounds.
    pub fn text_bytes(&self) -> usize {
        self.principal.len() + self.host.len() + self.resource_name.len()
    }
}

#[cfg(test)]
mod tests;
