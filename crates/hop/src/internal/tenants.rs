//! What operators ask of control about tenants.

/// Makes a tenant, changes its host names or keys, or deletes it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChangeTenantRequest {
    /// The tenant's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What to do with it.
    #[prost(enumeration = "TenantChange", tag = "2")]
    pub change: i32,
    /// Its host names from then on; none when it is deleted.
    #[prost(string, repeated, tag = "3")]
    pub hosts: Vec<String>,
}

/// What became of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChangeTenantResponse {
    /// Kafka error code; 0 if it is done.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// What is wrong, in words.
    #[prost(string, tag = "2")]
    pub message: String,
    /// The tenant's id, if it is done.
    #[prost(uint32, tag = "3")]
    pub tenant: u32,
}

/// What to do with a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TenantChange {
    /// Nothing: what a message without the field says.
    Unspecified = 0,
    /// There is none of this name yet.
    Create = 1,
    /// It gets other host names.
    SetHosts = 2,
    /// It goes. It must have nothing left.
    Delete = 3,
    /// Its records are sealed in the object store from then on.
    EncryptionOn = 4,
    /// New records are not sealed any more.
    EncryptionOff = 5,
    /// Another key seals from then on.
    RotateKey = 6,
}
