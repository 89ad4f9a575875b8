//! What a classic consumer says about itself and is told: the embedded consumer protocol.
//!
//! The metadata of a member is its own business, but offsets must not be deleted or expire under a
//! group that reads them, and such a member may be in a group whose partitions the coordinator
//! assigns (KIP-848). All of it is the client's bytes: nothing is reserved for what they claim.
//!
//! ```text
//! subscription   i16 version | topics | user data
//!                | from 1: owned partitions | from 2: i32 generation | from 3: rack
//! assignment     i16 version | partitions | user data
//!
//! topics         i32 count | count × name
//! partitions     i32 count | count × (name | i32 count | count × i32)
//! name, rack     i16 length | text, -1 for null       user data   i32 length | bytes, -1 for null
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::StrBytes;

use crate::owned::owned;

/// First version with owned partitions, with a generation, and with a rack.
const OWNED_FROM: i16 = 1;
const GENERATION_FROM: i16 = 2;
const RACK_FROM: i16 = 3;

/// Partitions under the names of their topics.
pub(crate) type NamedPartitions = Vec<(StrBytes, Vec<i32>)>;

/// A subscription in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<StrBytes>,
    /// What the member has, as of `generation`.
    pub(crate) owned: NamedPartitions,
    /// -1 if the client does not say.
    pub(crate) generation: i32,
    pub(crate) rack: Option<StrBytes>,
}

/// The topics, whatever follows them; `None` if the bytes are not a subscription.
pub(crate) fn topics(metadata: &Bytes) -> Option<Vec<StrBytes>> {
    let mut rest = metadata.clone();
    let _version = rest.try_get_i16().ok()?;
    get_topics(&mut rest)
}

impl Subscription {
    /// Reads a subscription of any version. What newer ones add at the end is not looked at.
    pub(crate) fn parse(metadata: &Bytes) -> Option<Self> {
        let mut rest = metadata.clone();
        let version = rest.try_get_i16().ok()?;
        let topics = get_topics(&mut rest)?;
        skip_bytes(&mut rest)?;
        let owned =
            if version >= OWNED_FROM { get_partitions(&mut rest)? } else { NamedPartitions::new() };
        let generation = if version >= GENERATION_FROM { rest.try_get_i32().ok()? } else { -1 };
        let rack = if version >= RACK_FROM { get_nullable_text(&mut rest)? } else { None };
        Some(Self { topics, owned, generation, rack })
    }
}

/// Reads an assignment. A member that has been given nothing yet has no bytes at all.
pub(crate) fn parse_assignment(assignment: &Bytes) -> Option<NamedPartitions> {
    let mut rest = assignment.clone();
    if rest.is_empty() {
        return Some(NamedPartitions::new());
    }
    let _version = rest.try_get_i16().ok()?;
    get_partitions(&mut rest)
}

/// Writes an assignment in version 0, which every client reads.
pub(crate) fn encode_assignment(partitions: &NamedPartitions) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(0);
    out.put_i32(i32::try_from(partitions.len()).expect("topics are counted in i32"));
    for (name, indexes) in partitions {
        out.put_i16(i16::try_from(name.len()).expect("a topic's name is at most 249 bytes"));
        out.put_slice(name.as_bytes());
        out.put_i32(i32::try_from(indexes.len()).expect("partitions are counted in i32"));
        indexes.iter().for_each(|index| out.put_i32(*index));
    }
    out.put_i32(-1); // no user data
    out.freeze()
}

fn get_topics(rest: &mut Bytes) -> Option<Vec<StrBytes>> {
    // A name takes two bytes at least.
    let count = get_count(rest, 2)?;
    (0..count).map(|_| get_nullable_text(rest)?).collect()
}

fn get_partitions(rest: &mut Bytes) -> Option<NamedPartitions> {
    let count = get_count(rest, 6)?;
    let one = |_| {
        let name = get_nullable_text(rest)??;
        let count = get_count(rest, 4)?;
        let indexes: Option<Vec<i32>> = (0..count).map(|_| rest.try_get_i32().ok()).collect();
        Some((name, indexes?))
    };
    (0..count).map(one).collect()
}

/// A count of elements. One beyond what the bytes can hold lies, and must not reserve memory.
fn get_count(rest: &mut Bytes, element_bytes: usize) -> Option<usize> {
    let count = usize::try_from(rest.try_get_i32().ok()?).ok()?;
    (count <= rest.len() / element_bytes).then_some(count)
}

/// `None` if the bytes are wrong, `Some(None)` for a null.
fn get_nullable_text(rest: &mut Bytes) -> Option<Option<StrBytes>> {
    let length = rest.try_get_i16().ok()?;
    if length == -1 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    if length > rest.len() {
        return None;
    }
    let text = StrBytes::from_utf8(rest.split_to(length)).ok()?;
    Some(Some(owned(&text)))
}

fn skip_bytes(rest: &mut Bytes) -> Option<()> {
    let length = rest.try_get_i32().ok()?;
    let length = if length == -1 { 0 } else { usize::try_from(length).ok()? };
    (length <= rest.len()).then(|| rest.advance(length))
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

    #[test]
    fn a_subscription_is_read_in_every_version() {
        let topics = b"\x00\x00\x00\x01\x00\x01a\x00\x00\x00\x02ud";
        let owned = b"\x00\x00\x00\x01\x00\x01a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x07";
        let generation = b"\x00\x00\x00\x05";
        let rack = b"\x00\x01r";
        for version in 0..=4_i16 {
            let parts: [&[u8]; 5] = [&version.to_be_bytes(), topics, owned, generation, rack];
            let bytes = parts[..(version as usize + 2).min(5)].concat();
            let read = Subscription::parse(&Bytes::from(bytes.clone())).expect("readable");
            assert_eq!(read.topics, [StrBytes::from("a")]);
            let owned = if version >= 1 { vec![("a".into(), vec![0, 7])] } else { vec![] };
            assert_eq!(read.owned, owned);
            assert_eq!(read.generation, if version >= 2 { 5 } else { -1 });
            assert_eq!(read.rack, (version >= 3).then(|| StrBytes::from("r")));
            let cut = Bytes::copy_from_slice(&bytes[..bytes.len() - 1]);
            assert_eq!(Subscription::parse(&cut), None, "version {version}");
        }
    }

    #[test]
    fn an_assignment_reads_back_as_it_was_written() {
        let partitions = vec![("a".into(), vec![0, 7]), ("bc".into(), vec![])];
        assert_eq!(parse_assignment(&encode_assignment(&partitions)), Some(partitions));
        assert_eq!(parse_assignment(&Bytes::new()), Some(vec![]));
        assert_eq!(parse_assignment(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff")), None);
    }
}
