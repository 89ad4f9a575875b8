//! The start of a consumer's subscription: the topics it wants.
//!
//! The metadata of a member is its own business, but offsets must not be deleted or expire under a
//! group that reads them. So we look at the part that every version of the consumer protocol
//! shares:
//!
//! ```text
//! i16 version | i32 count | count × (i16 length | topic name) | rest, not looked at
//! ```

use bytes::{Buf, Bytes};
use protocol::StrBytes;

use crate::owned::owned;

/// The topics, or `None` if the bytes are not a subscription.
pub(crate) fn topics(metadata: &Bytes) -> Option<Vec<StrBytes>> {
    let mut rest = metadata.clone();
    let _version = rest.try_get_i16().ok()?;
    let count = usize::try_from(rest.try_get_i32().ok()?).ok()?;
    // A name takes two bytes at least: a count beyond that lies, and must not reserve memory.
    if count > rest.len() / 2 {
        return None;
    }
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        if length > rest.len() {
            return None;
        }
        let name = StrBytes::from_utf8(rest.split_to(length)).ok()?;
        topics.push(owned(&name));
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_of_a_subscription_are_read_whatever_follows() {
        let bytes = b"\x00\x03\x00\x00\x00\x02\x00\x01a\x00\x02bc\xff\xff\xff\xffmore";
        let topics = topics(&Bytes::from_static(bytes));
        assert_eq!(topics, Some(vec!["a".into(), "bc".into()]));
        assert_eq!(super::topics(&Bytes::from_static(b"\0\0\0\0\0\0")), Some(vec![]));
    }

    #[test]
    fn other_bytes_are_no_subscription() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\0\0\0\0",
            b"\0\0\x7f\xff\xff\xff",
            b"\0\0\xff\xff\xff\xff",
            b"\0\0\0\0\0\x01\x00\x05ab",
            b"\0\0\0\0\0\x01\xff\xffab",
            b"\0\0\0\0\0\x01\x00\x01\xff",
        ] {
            assert_eq!(topics(&Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
