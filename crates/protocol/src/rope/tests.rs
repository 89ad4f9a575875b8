//! The rope yields the bytes written to it, in order, and does not copy payloads.

use proptest::prelude::{any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

fn build(pieces: &[(Vec<u8>, Vec<u8>)]) -> (Rope, Vec<u8>) {
    let mut rope = RopeMut::new();
    let mut plain = Vec::new();
    for (field, payload) in pieces {
        rope.fields().put_slice(field);
        rope.link(Bytes::from(payload.clone()));
        plain.extend_from_slice(field);
        plain.extend_from_slice(payload);
    }
    assert_eq!(rope.len(), plain.len());
    (rope.finish(), plain)
}

proptest! {
    #[test]
    fn a_rope_reads_as_what_was_written(
        pieces in prop::collection::vec(
            (
                prop::collection::vec(any::<u8>(), 0..40),
                prop::collection::vec(any::<u8>(), 0..2000),
            ),
            0..8,
        ),
        steps in prop::collection::vec(1usize..900, 0..40),
    ) {
        let (mut rope, plain) = build(&pieces);
        prop_assert_eq!(rope.clone().into_bytes(), plain.clone());
        let mut read = Vec::new();
        for step in steps {
            let step = step.min(rope.remaining());
            let mut slices = [IoSlice::new(&[]); 32];
            let filled = rope.chunks_vectored(&mut slices);
            let seen: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
            prop_assert_eq!(seen, rope.remaining());
            prop_assert!(rope.remaining() == 0 || !rope.chunk().is_empty());
            read.extend_from_slice(&rope.copy_to_bytes(step));
        }
        let rest = rope.remaining();
        let mut tail = vec![0; rest];
        rope.copy_to_slice(&mut tail);
        read.extend_from_slice(&tail);
        prop_assert_eq!(read, plain);
    }
}

#[test]
fn a_large_payload_is_linked_and_not_copied() {
    let payload = Bytes::from(vec![7; 4096]);
    let mut rope = RopeMut::frame(16);
    rope.fields().put_i32(1);
    rope.link(payload.clone());
    rope.fields().put_i32(2);
    let rope = rope.finish_frame().unwrap();
    assert!(rope.chunks().any(|piece| piece.as_ptr() == payload.as_ptr()));
    let bytes = rope.into_bytes();
    assert_eq!(bytes[..4], (4096i32 + 8).to_be_bytes());
    assert_eq!(bytes.len(), 4 + 4 + 4096 + 4);
}
