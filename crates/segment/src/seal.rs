//! Seals: records that only their tenant's key opens, and only in the place they were written for.
//!
//! ```text
//! sealed bytes
//! size field
//!    4 key id: which of the tenant's data keys
//!   32 seed: random, of these bytes alone
//!      ciphertext, as long as what is sealed
//!   16 tag
//! ```
//!
//! AES-256-GCM under a key of its own for every message: HKDF-SHA256 of the data key, with the seed
//! as salt and the purpose as info. The nonce is zero. So nothing has to be counted or remembered
//! so that a pair of key and nonce does not come twice: not over crashes, not over retries, not
//! between two nodes that write for one tenant. It would take two equal seeds of 256 random bits,
//! however many messages a data key seals.
//!
//! What the bytes are, and where they are stored, is authenticated with them: see the callers.

mod keyring;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use bytes::{Buf as _, BufMut as _};
use protocol::ids::TenantId;
use zeroize::Zeroizing;

pub use keyring::Keyring;

/// Length of a data key.
pub const DATA_KEY_LEN: usize = 32;

/// What stands before the ciphertext.
pub const SEAL_PREFIX_LEN: usize = 4 + SEED_LEN;

/// What stands behind it.
pub const SEAL_TAG_LEN: usize = 16;

/// What sealed bytes are longer by.
pub const SEAL_OVERHEAD: usize = SEAL_PREFIX_LEN + SEAL_TAG_LEN;

const SEED_LEN: usize = 32;

/// One of a tenant's data keys; they count up from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is sealed. Bytes of one kind never open as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The batches of a block.
    Block,
    /// A batch in a slot of an object WAL.
    WalEntry,
}

/// A key that is not here. It may come: the same attempt may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("data key {key} of tenant {tenant} is not available")]
pub struct KeyMissing {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub key: KeyId,
}

/// Sealed bytes that do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not without their key.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// Changed, sealed for another place, or under another key of the same name.
    #[error("sealed bytes fail their authentication under data key {0}")]
    Forged(KeyId),
    /// Shorter than any sealed bytes are.
    #[error("sealed bytes are cut short")]
    Short,
}

/// A tenant's data key. In memory only, and wiped when it is dropped.
pub struct DataKey {
    id: KeyId,
    key: Zeroizing<[u8; DATA_KEY_LEN]>,
}

impl DataKey {
    /// The key of this id.
    pub fn new(id: KeyId, key: impl Into<Zeroizing<[u8; DATA_KEY_LEN]>>) -> Self {
        Self { id, key: key.into() }
    }

    /// Which of its tenant's keys it is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Seals in place. `sealed` has room for prefix and tag around what is sealed.
    ///
    /// # Panics
    /// When `sealed` is shorter than [`SEAL_OVERHEAD`], or the system has no random bytes.
    pub fn seal(&self, purpose: Purpose, identity: &[u8], sealed: &mut [u8]) {
        let mut seed = [0; SEED_LEN];
        rand::fill(&mut seed).expect("the system has random bytes");
        self.seal_with(&seed, purpose, identity, sealed);
    }

    fn seal_with(
        &self,
        seed: &[u8; SEED_LEN],
        purpose: Purpose,
        identity: &[u8],
        sealed: &mut [u8],
    ) {
        let (mut prefix, rest) = sealed.split_at_mut(SEAL_PREFIX_LEN);
        let (text, tag_at) = rest.split_at_mut(rest.len() - SEAL_TAG_LEN);
        prefix.put_u32(self.id.0);
        prefix.put_slice(seed);
        let tag = self
            .message_key(seed, purpose)
            .seal_in_place_separate_tag(only_nonce(), Aad::from(identity), text)
            .expect("far less than GCM's limit of 64 GiB");
        tag_at.copy_from_slice(tag.as_ref());
    }

    /// The key of one message.
    fn message_key(&self, seed: &[u8], purpose: Purpose) -> LessSafeKey {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, seed).extract(&*self.key);
        let info = [purpose.name()];
        let key = secret.expand(&info, &AES_256_GCM).expect("32 bytes are not too many");
        let mut bytes = Zeroizing::new([0; DATA_KEY_LEN]);
        key.fill(&mut *bytes).expect("an AES-256 key is as long as a data key");
        let key = UnboundKey::new(&AES_256_GCM, &*bytes);
        LessSafeKey::new(key.expect("an AES-256 key is as long as a data key"))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Purpose {
    /// Persisted: part of every message's key.
    fn name(self) -> &'static [u8] {
        match self {
            Self::Block => b"thermocline block",
            Self::WalEntry => b"thermocline wal entry",
        }
    }
}

/// Under which key bytes are sealed.
pub fn key_id(sealed: &[u8]) -> Result<KeyId, OpenError> {
    if sealed.len() < SEAL_OVERHEAD {
        return Err(OpenError::Short);
    }
    Ok(KeyId((&sealed[..4]).get_u32()))
}

/// Opens in place what `tenant` has sealed; returns the plain bytes, a part of `sealed`. After an
/// error `sealed` holds nothing of use.
pub fn open<'a>(
    keyring: &Keyring,
    tenant: TenantId,
    purpose: Purpose,
    identity: &[u8],
    sealed: &'a mut [u8],
) -> Result<&'a mut [u8], OpenError> {
    let id = key_id(sealed)?;
    let key = keyring.key(tenant, id)?;
    let (prefix, text) = sealed.split_at_mut(SEAL_PREFIX_LEN);
    key.message_key(&prefix[4..], purpose)
        .open_in_place(only_nonce(), Aad::from(identity), text)
        .map_err(|_| OpenError::Forged(id))
}

/// Of the only message under its key.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests;
