//! The bytes of a GET, cut into verified blocks.
//!
//! Blocks that are not sealed stay what they are, slices of the bytes that came. With sealed ones
//! the whole buffer is made plain text where it is, without a copy if nobody else holds it: the
//! memory that was reserved for it is still all that it takes.

use bytes::{Bytes, BytesMut};
use segment::object::{Block, is_sealed, open_block, open_block_in_place};
use segment::{Extent, Keyring};

use super::wrong;
use crate::load::{Load, LoadError, Outcomes};
use crate::memory::Reservation;

/// The blocks of `load`, whose GET returned `bytes`.
pub(super) fn open(load: &Load, bytes: Bytes, memory: Reservation, keyring: &Keyring) -> Outcomes {
    let start = load.range().start;
    let place = |extent: &Extent| {
        let at = (extent.byte_offset - start) as usize;
        at..at + extent.byte_len as usize
    };
    if !load.extents.iter().any(|extent| is_sealed(&bytes[place(extent)])) {
        let bytes = memory.around(bytes);
        let blocks = load.extents.iter().map(|extent| {
            open_block(&bytes.slice(place(extent)), load.partition, extent, keyring)
                .map_err(|error| wrong(extent, error))
        });
        return blocks.collect();
    }
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let opened: Vec<_> = load
        .extents
        .iter()
        .map(|extent| {
            let place = place(extent);
            let block = &mut bytes[place.clone()];
            let (header, batches) = open_block_in_place(block, load.partition, extent, keyring)
                .map_err(|error| wrong(extent, error))?;
            Ok::<_, LoadError>((header, place.start + batches.start..place.start + batches.end))
        })
        .collect();
    let bytes = memory.around(bytes.freeze());
    let blocks = opened
        .into_iter()
        .map(|opened| opened.map(|(header, at)| Block { header, batches: bytes.slice(at) }));
    blocks.collect()
}
