//! OAUTHBEARER (RFC 7628, KIP-255): a token that somebody whom we believe has signed.
//!
//! ```text
//! n,,^Aauth=Bearer <token>^A^A ─► token ─► principal, until it expires
//!                                    │
//!                                    └─► {"status":"invalid_token"} ─► ^A ─► refused
//! ```
//!
//! The second line is the mechanism's own way to say no: the client acknowledges it before the
//! exchange fails.

mod jwks;
mod keys;
mod token;

pub(super) use self::keys::Keys;
pub(super) use self::token::Rules;

/// Separates what a message consists of.
const SEPARATOR: char = '\u{1}';

/// What a client acknowledges a refusal with.
pub(super) const ACKNOWLEDGED: &[u8] = b"\x01";

/// Refuses a token, whatever is wrong with it (RFC 7628, section 3.2.2).
pub(super) const REFUSED: &[u8] = br#"{"status":"invalid_token"}"#;

/// A client's message, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientMessage<'a> {
    /// Who it asks to be; nobody in particular if it is empty.
    pub(super) authorization_id: &'a str,
    pub(super) token: &'a str,
}

impl<'a> ClientMessage<'a> {
    /// `None` for anything else. Other pairs than the token's are extensions (KIP-342) that nobody
    /// here asks about.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let (header, pairs) = message.split_once(SEPARATOR)?;
        let header = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,"))?;
        let authorization_id = match header.strip_suffix(',')? {
            "" => "",
            named => named.strip_prefix("a=")?,
        };
        let pairs = pairs.strip_suffix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
        let mut token = None;
        for pair in pairs.split(SEPARATOR) {
            let (key, value) = pair.split_once('=')?;
            if key == "auth" && token.replace(bearer(value)?).is_some() {
                return None;
            }
        }
        Some(Self { authorization_id, token: token? })
    }
}

/// The token out of `Bearer <token>`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop};
    use proptest::proptest;

    use super::*;

    fn parse(message: &str) -> Option<(&str, &str)> {
        let message = ClientMessage::parse(message.as_bytes())?;
        Some((message.authorization_id, message.token))
    }

    #[test]
    fn the_token_is_found() {
        for message in [
            "n,,\u{1}auth=Bearer a.b.c\u{1}\u{1}",
            "n,,\u{1}auth=bearer a.b.c\u{1}\u{1}",
            "y,,\u{1}traceId=7\u{1}auth=Bearer  a.b.c\u{1}x=\u{1}\u{1}",
        ] {
            assert_eq!(parse(message), Some(("", "a.b.c")), "{message:?}");
        }
        let named = "n,a=alice,\u{1}host=h\u{1}port=9\u{1}auth=Bearer a.b.c\u{1}\u{1}";
        assert_eq!(parse(named), Some(("alice", "a.b.c")));
    }

    #[test]
    fn other_messages_are_refused() {
        for message in [
            "",
            "\u{1}",
            "n,,\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a.b.c\u{1}",
            "n,,auth=Bearer a.b.c\u{1}\u{1}",
            "p=tls-exporter,,\u{1}auth=Bearer a.b.c\u{1}\u{1}",
            "n,alice,\u{1}auth=Bearer a.b.c\u{1}\u{1}",
            "n,,\u{1}auth=Basic a.b.c\u{1}\u{1}",
            "n,,\u{1}auth=Bearer\u{1}\u{1}",
            "n,,\u{1}auth=Bearer \u{1}\u{1}",
            "n,,\u{1}auth=Bearer a\u{1}auth=Bearer b\u{1}\u{1}",
            "n,,\u{1}token=a.b.c\u{1}\u{1}",
        ] {
            assert_eq!(parse(message), None, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = ClientMessage::parse(&bytes);
        }
    }
}
