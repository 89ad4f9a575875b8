//! An entry's bytes. Persisted: tags and codes are never reused.

use bytes::Bytes;
use prost::Message;

use super::{AclBinding, AclOperation, PatternType, Permission, ResourceType};
use crate::model::wire::{open, record, seal};
use crate::model::{DecodeError, Record};

record! {
    AclBinding as WireAcl {
        #[prost(int32, tag = "1")] resource_type: i32,
        #[prost(int32, tag = "2")] pattern_type: i32,
        #[prost(string, tag = "3")] resource_name: String,
        #[prost(string, tag = "4")] principal: String,
        #[prost(string, tag = "5")] host: String,
        #[prost(int32, tag = "6")] operation: i32,
        #[prost(int32, tag = "7")] permission: i32,
    }
    to: |acl| WireAcl {
        resource_type: acl.resource_type.code().into(),
        pattern_type: acl.pattern_type.code().into(),
        resource_name: acl.resource_name.clone(),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation.code().into(),
        permission: acl.permission.code().into(),
    };
    from: |wire| Ok(Self {
        resource_type: known(wire.resource_type, "resource type", ResourceType::from_code)?,
        pattern_type: known(wire.pattern_type, "pattern type", PatternType::from_code)?,
        resource_name: wire.resource_name,
        principal: wire.principal,
        host: wire.host,
        operation: known(wire.operation, "operation", AclOperation::from_code)?,
        permission: known(wire.permission, "permission", Permission::from_code)?,
    });
}

fn known<T>(code: i32, what: &str, from_code: impl Fn(i8) -> Option<T>) -> Result<T, String> {
    let known = i8::try_from(code).ok().and_then(from_code);
    known.ok_or_else(|| format!("{what} {code}"))
}
