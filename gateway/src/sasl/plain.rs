//! PLAIN (RFC 4616): the password itself, checked against the SCRAM credential.
//!
//! Offered inside of TLS only (R60). There is no second kind of credential, so what is stored is as
//! little use to a thief as SCRAM's; the price is the iterations, milliseconds of work per log-in,
//! which is why few may run at a time (see [`super::Sasl`]).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use metadata::settings::credential::{ScramCredential, ScramMechanism};
use zeroize::Zeroizing;

/// `[authzid] NUL user NUL password`, taken apart.
pub(super) struct Plain {
    pub(super) user: String,
    password: Zeroizing<Vec<u8>>,
}

impl Plain {
    /// `None` for anything else, and for one who asks to be somebody else.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut parts = message.split(|byte| *byte == 0);
        let (authorization_id, user) = (parts.next()?, parts.next()?);
        let password = parts.next()?;
        if parts.next().is_some() || user.is_empty() || password.is_empty() {
            return None;
        }
        if !authorization_id.is_empty() && authorization_id != user {
            return None;
        }
        let user = std::str::from_utf8(user).ok()?.to_owned();
        std::str::from_utf8(password).ok()?;
        Some(Self { user, password: Zeroizing::new(password.to_vec()) })
    }

    /// Whether the credential is the password's. Milliseconds of work.
    pub(super) fn verify(&self, mechanism: ScramMechanism, credential: &ScramCredential) -> bool {
        let made = ScramCredential::from_password(
            mechanism,
            &self.password,
            credential.salt.clone(),
            credential.iterations,
        );
        verify_slices_are_equal(&made.stored_key, &credential.stored_key).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop};
    use proptest::proptest;

    use super::*;

    #[test]
    fn a_password_is_checked_against_the_scram_credential() {
        let plain = Plain::parse(b"\0alice\0secret").unwrap();
        assert_eq!(plain.user, "alice");
        for mechanism in ScramMechanism::ALL {
            let of = |password: &[u8]| {
                ScramCredential::from_password(mechanism, password, b"salt".to_vec(), 4_096)
            };
            assert!(plain.verify(mechanism, &of(b"secret")));
            assert!(!plain.verify(mechanism, &of(b"Secret")));
        }
    }

    #[test]
    fn other_messages_are_refused() {
        for message in [
            "",
            "\0",
            "\0\0",
            "alice",
            "alice\0secret",
            "\0alice",
            "\0alice\0",
            "\0\0secret",
            "\0alice\0secret\0",
            "\0alice\0sec\0ret",
            "admin\0alice\0secret",
        ] {
            assert!(Plain::parse(message.as_bytes()).is_none(), "{message:?}");
        }
        assert!(Plain::parse(b"\0alice\0\xff").is_none());
        assert!(Plain::parse(b"\0\xff\0secret").is_none());
        assert!(Plain::parse(b"alice\0alice\0secret").is_some(), "oneself may be asked for");
    }

    proptest! {
        #[test]
        fn no_message_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            drop(Plain::parse(&bytes));
        }
    }
}
