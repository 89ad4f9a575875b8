//! Key-encryption keys in a file.
//!
//! ```text
//! # openssl rand -hex 32
//! 2026-11:7f0c…64 hexadecimal digits…
//! 2026-05:91aa…
//! ```
//!
//! The first key wraps, all of them unwrap. A data key is wrapped by AES-256-GCM with a random nonce
//! of 96 bits: there is one wrapping per tenant and rotation, so that even a million of them leave
//! the chance of a nonce that comes twice below 2^-56.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, ready};
use metadata::settings::key::WrappedKey;
use segment::seal::{DATA_KEY_LEN, DataKey};
use zeroize::Zeroizing;

use crate::wrapper::{KeyName, KeyWrapper, WrapError};

/// A file has a few lines of some eighty bytes each.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Bits of the mode that let others in: writers of the group, and everybody else.
const FOREIGN_MODE: u32 = 0o027;

/// See the module. Read each time it is asked: its keys stay in no memory.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// A key-encryption key.
struct Kek {
    name: String,
    key: Zeroizing<[u8; DATA_KEY_LEN]>,
}

impl KeyFile {
    /// The file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether it can be read: for a process that starts.
    pub fn check(&self) -> Result<(), WrapError> {
        self.keys().map(drop)
    }

    fn keys(&self) -> Result<Vec<Kek>, WrapError> {
        read(&self.path).map_err(|what| {
            WrapError::Keeper(format!("`encryption.key_file` \"{}\" {what}", self.path.display()))
        })
    }

    fn kek(&self, name: &str) -> Result<Kek, WrapError> {
        let found = self.keys()?.into_iter().find(|kek| kek.name == name);
        found.ok_or_else(|| WrapError::UnknownKek(name.to_owned()))
    }

    fn first(&self) -> Result<Kek, WrapError> {
        Ok(self.keys()?.swap_remove(0))
    }

    fn made(&self, name: KeyName) -> Result<WrappedKey, WrapError> {
        let kek = self.first()?;
        let mut key = Zeroizing::new([0; DATA_KEY_LEN]);
        rand::fill(&mut *key).expect("the system has random bytes");
        Ok(kek.wrap(name, &key))
    }

    fn rewrapped(&self, name: KeyName, old: &WrappedKey) -> Result<Option<WrappedKey>, WrapError> {
        let first = self.first()?;
        if first.name == old.kek {
            return Ok(None);
        }
        let key = self.kek(&old.kek)?.unwrap(name, old)?;
        Ok(Some(first.wrap(name, &key)))
    }
}

impl KeyWrapper for KeyFile {
    fn make(&self, name: KeyName) -> BoxFuture<'_, Result<WrappedKey, WrapError>> {
        ready(self.made(name)).boxed()
    }

    fn unwrap<'a>(
        &'a self,
        name: KeyName,
        wrapped: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<DataKey, WrapError>> {
        let key = self.kek(&wrapped.kek).and_then(|kek| kek.unwrap(name, wrapped));
        ready(key.map(|key| DataKey::new(name.key, key))).boxed()
    }

    fn rewrap<'a>(
        &'a self,
        name: KeyName,
        wrapped: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, WrapError>> {
        ready(self.rewrapped(name, wrapped)).boxed()
    }
}

impl Kek {
    fn wrap(&self, name: KeyName, key: &[u8; DATA_KEY_LEN]) -> WrappedKey {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the system has random bytes");
        let mut text = Zeroizing::new(*key);
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(identity(&self.name, name)),
                &mut *text,
            )
            .expect("32 bytes are not too many");
        let sealed = [&nonce[..], &text[..], tag.as_ref()].concat();
        WrappedKey { kek: self.name.clone(), sealed: Bytes::from(sealed) }
    }

    fn unwrap(
        &self,
        name: KeyName,
        wrapped: &WrappedKey,
    ) -> Result<Zeroizing<[u8; DATA_KEY_LEN]>, WrapError> {
        let forged = || WrapError::Forged { name, kek: self.name.clone() };
        let (nonce, sealed) = wrapped.sealed.split_first_chunk().ok_or_else(forged)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let identity = Aad::from(identity(&self.name, name));
        let key = self.cipher().open_in_place(nonce, identity, &mut text);
        let key = key.map_err(|_| forged())?;
        let key: &[u8; DATA_KEY_LEN] = (&*key).try_into().map_err(|_| forged())?;
        Ok(Zeroizing::new(*key))
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &*self.key);
        LessSafeKey::new(key.expect("a key of 32 bytes"))
    }
}

/// What is authenticated with a wrapped key. Persisted.
fn identity(kek: &str, name: KeyName) -> Vec<u8> {
    let (tenant, key) = (name.tenant.0.to_be_bytes(), name.key.0.to_be_bytes());
    [b"thermocline data key".as_slice(), &tenant, &key, kek.as_bytes()].concat()
}

/// The keys of a file, or what is wrong with it.
fn read(path: &Path) -> Result<Vec<Kek>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.mode() & FOREIGN_MODE != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(format!("has mode {mode:03o}; make it 400, 600 or 440"));
    }
    // One allocation, which is wiped: a buffer that grew would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize + 1));
    let mut limited = file.take(FILE_BYTES_MAX + 1);
    limited.read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is longer than {FILE_BYTES_MAX} bytes"));
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Kek>, String> {
    let mut keys: Vec<Kek> = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once(':').and_then(|(name, key)| kek(name.trim(), key.trim()));
        let key = key.ok_or_else(|| {
            format!("line {number}: a key is a name, a colon and 64 hexadecimal digits")
        })?;
        if keys.iter().any(|other| other.name == key.name) {
            return Err(format!("line {number}: key `{}` comes twice", key.name));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err("has no key".to_owned()) } else { Ok(keys) }
}

fn kek(name: &str, digits: &str) -> Option<Kek> {
    let mut key = Zeroizing::new([0; DATA_KEY_LEN]);
    if name.is_empty() || digits.len() != 2 * DATA_KEY_LEN {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(Kek { name: name.to_owned(), key })
}

#[cfg(test)]
mod tests;
