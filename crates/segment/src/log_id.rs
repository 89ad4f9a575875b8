//! The name of one log: one storage-node incarnation, for ever.
//!
//! A log has exactly one writer in its whole life, and its name says which: the
//! node, the cluster generation and the node's incarnation number, all of which
//! could be handed out twice after a metadata restore, and therefore a random
//! 64-bit nonce, which could not (R9).

use std::fmt;
use std::str::FromStr;

use protocol::ids::NodeId;

/// `{node}-{generation}-{incarnation}-{nonce:016x}`, e.g. `3-1-7-00c0ffee00c0ffee`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId {
    /// The storage node that writes the log. Never negative.
    pub node: NodeId,
    /// Cluster generation: grows at each takeover or rebuild.
    pub generation: u32,
    /// Counts the node's starts.
    pub incarnation: u64,
    /// Random; makes the name unique even when the numbers repeat.
    pub nonce: u64,
}

impl LogId {
    /// A new name with a fresh random nonce.
    pub fn fresh(node: NodeId, generation: u32, incarnation: u64) -> Self {
        let (nonce, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self { node, generation, incarnation, nonce }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, generation, incarnation, nonce } = self;
        write!(f, "{}-{generation}-{incarnation}-{nonce:016x}", node.0)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a log id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a log id: expected `{{node}}-{{generation}}-{{incarnation}}-{{nonce}}`")]
pub struct ParseLogIdError {
    /// What was given.
    pub text: String,
}

impl FromStr for LogId {
    type Err = ParseLogIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.split('-');
            let id = Self {
                node: NodeId(parts.next()?.parse().ok()?),
                generation: parts.next()?.parse().ok()?,
                incarnation: parts.next()?.parse().ok()?,
                nonce: u64::from_str_radix(parts.next()?, 16).ok()?,
            };
            // One text per id: keys are compared as text.
            (parts.next().is_none() && id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| ParseLogIdError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::LogId;
    use proptest::prelude::{any, proptest};
    use protocol::ids::NodeId;

    proptest! {
        #[test]
        fn text_round_trips(node in 0..=i32::MAX, generation: u32, incarnation: u64, nonce: u64) {
            let id = LogId { node: NodeId(node), generation, incarnation, nonce };
            assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            if let Ok(id) = text.parse::<LogId>() {
                assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn refuses_near_misses() {
        for text in [
            "",
            "3-1-7",
            "3-1-7-ff",
            "03-1-7-00c0ffee00c0ffee",
            "3-1-7-00C0FFEE00C0FFEE",
            "-3-1-7-00c0ffee00c0ffee",
            "3-1-7-00c0ffee00c0ffee-1",
        ] {
            assert!(text.parse::<LogId>().is_err(), "{text}");
        }
    }
}
