//! Session tickets that every gateway can read (R65): after a failover, clients that come back in
//! a storm resume their sessions wherever they land, and cost no signature.
//!
//! ```text
//! cluster secret ─ HKDF ─► key of listener and issuers ─ + slot + salt ─► key of one ticket
//! ticket: version 1 │ slot 4 │ salt 16 │ sealed (AES-256-GCM)
//! ```
//!
//! Nobody distributes keys: whoever has the cluster's secret derives that of a slot of time. A
//! ticket is taken in its slot and the next. The issuers of client certificates are part of the
//! key, so that no session outlives a change of them; other listeners' tickets are worth nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand;
use process::Clock;
use rustls::server::ProducesTickets;

/// The length of a slot, and so the least that a ticket lives.
const SLOT_SECONDS: u32 = 6 * 60 * 60;

/// Of the layout and of the derivation.
const VERSION: u8 = 1;
/// Version, slot and salt.
const HEADER_BYTES: usize = 1 + 4 + SALT_BYTES;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// Makes and reads the tickets of one listener.
pub(super) struct Tickets {
    listener: Prk,
    clock: Clock,
}

/// Tells HKDF how much to derive.
struct Length(usize);

// === impl Tickets ===

impl Tickets {
    /// For a listener of this name that believes these issuers.
    pub(super) fn new(secret: &[u8; 32], listener: &str, ca_mark: u64, clock: Clock) -> Self {
        let cluster = Salt::new(HKDF_SHA256, b"thermocline tls tickets").extract(secret);
        let mark = ca_mark.to_be_bytes();
        let mut key = [0; KEY_BYTES];
        expand(&cluster, &[listener.as_bytes(), &[0], &mark], &mut key);
        Self { listener: Salt::new(HKDF_SHA256, &[]).extract(&key), clock }
    }

    fn slot(&self) -> u32 {
        let seconds = self.clock.now_ms() / 1000 / i64::from(SLOT_SECONDS);
        u32::try_from(seconds).unwrap_or(0)
    }

    /// The key of the ticket with this header. It seals once, so its nonce may follow from it.
    fn key(&self, header: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let mut bytes = [0; KEY_BYTES + NONCE_BYTES];
        expand(&self.listener, &[header], &mut bytes);
        let (key, nonce) = bytes.split_at(KEY_BYTES);
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        Some((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(nonce).ok()?))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SLOT_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut ticket = Vec::with_capacity(HEADER_BYTES + plain.len() + AES_256_GCM.tag_len());
        ticket.push(VERSION);
        ticket.extend(self.slot().to_be_bytes());
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).ok()?;
        ticket.extend(salt);
        let (key, nonce) = self.key(&ticket)?;
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).ok()?;
        ticket.extend(sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (header, sealed) = ticket.split_at_checked(HEADER_BYTES)?;
        let (version, rest) = header.split_first()?;
        let slot = u32::from_be_bytes(*rest.first_chunk()?);
        // One ahead is that of a gateway whose clock is.
        if *version != VERSION || slot.abs_diff(self.slot()) > 1 {
            return None;
        }
        let (key, nonce) = self.key(header)?;
        let mut plain = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::empty(), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

fn expand(key: &Prk, info: &[&[u8]], out: &mut [u8]) {
    key.expand(info, Length(out.len()))
        .and_then(|derived| derived.fill(out))
        .expect("HKDF gives 255 hashes, more than is asked for");
}

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn tickets(clock: &Clock) -> Tickets {
        Tickets::new(&SECRET, "SSL", 1, clock.clone())
    }

    #[test]
    fn what_one_gateway_seals_another_opens() {
        let clock = Clock::manual(1_000_000_000_000);
        let ticket = tickets(&clock).encrypt(b"session").unwrap();
        assert_eq!(tickets(&clock).decrypt(&ticket).unwrap(), b"session");
        let again = tickets(&clock).encrypt(b"session").unwrap();
        assert_ne!(ticket, again, "nothing links a client's connections");
    }

    #[test]
    fn a_ticket_lives_to_the_end_of_the_next_slot() {
        let clock = Clock::manual(i64::from(SLOT_SECONDS) * 1000 * 80_000);
        let tickets = tickets(&clock);
        let ticket = tickets.encrypt(b"session").unwrap();
        let slot = Duration::from_secs(SLOT_SECONDS.into());
        clock.advance(slot * 2 - Duration::from_millis(1));
        assert!(tickets.decrypt(&ticket).is_some());
        clock.advance(Duration::from_millis(1));
        assert!(tickets.decrypt(&ticket).is_none());
    }

    #[test]
    fn tickets_of_others_are_not_read() {
        let clock = Clock::manual(1_000_000_000_000);
        let ticket = tickets(&clock).encrypt(b"session").unwrap();
        let others = [
            Tickets::new(&[8; 32], "SSL", 1, clock.clone()),
            Tickets::new(&SECRET, "SSL2", 1, clock.clone()),
            Tickets::new(&SECRET, "SSL", 2, clock.clone()),
        ];
        for other in others {
            assert!(other.decrypt(&ticket).is_none());
        }
    }

    #[test]
    fn whatever_a_client_sends_is_no_ticket() {
        let clock = Clock::manual(1_000_000_000_000);
        let tickets = tickets(&clock);
        let ticket = tickets.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut wrong = ticket.clone();
            wrong[at] ^= 1;
            assert!(tickets.decrypt(&wrong).is_none(), "byte {at}");
            assert!(tickets.decrypt(&ticket[..at]).is_none(), "cut at {at}");
        }
    }
}
