//! Draws a well-formed body from a shape: the walker run backwards.

use bytes::{BufMut, BytesMut};

use crate::preflight::shape::{Field, Kind, Shape};
use crate::wire;

/// A tag that no schema uses.
const UNKNOWN_TAG: u32 = 4711;

/// A body of this version; `entropy` decides counts and contents and may run out.
pub(super) fn body(shape: &'static Shape, version: i16, entropy: &[u8]) -> Vec<u8> {
    let flexible = version >= shape.flexible_from;
    let mut draw = Draw { version, flexible, entropy: entropy.iter(), out: BytesMut::new() };
    draw.fields(shape.fields, false);
    draw.out.to_vec()
}

struct Draw<'a> {
    version: i16,
    flexible: bool,
    entropy: std::slice::Iter<'a, u8>,
    out: BytesMut,
}

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        self.entropy.next().copied().unwrap_or(0)
    }

    fn below(&mut self, bound: u8) -> usize {
        usize::from(self.byte() % bound)
    }

    fn fields(&mut self, fields: &'static [Field], in_tag: bool) {
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            if field.is_in(self.version) {
                self.value(&field.kind, in_tag);
            }
        }
        if self.flexible {
            self.tagged_fields(fields);
        }
    }

    /// `in_tag`: the encoder leaves out a tagged field that has its default, so never draw that.
    fn value(&mut self, kind: &'static Kind, in_tag: bool) {
        match kind {
            Kind::Fixed(size) => {
                let first = self.byte();
                self.out.put_u8(if in_tag { 1 } else { first });
                for _ in 1..*size {
                    let byte = self.byte();
                    self.out.put_u8(byte);
                }
            }
            Kind::Bool => {
                let byte = self.byte() & 1;
                self.out.put_u8(byte);
            }
            Kind::String => {
                let text = "thermo"[..self.below(7)].to_owned();
                wire::put_string(&mut self.out, Some(&text), self.flexible).unwrap();
            }
            Kind::Bytes => {
                let length = self.below(9);
                wire::put_count(&mut self.out, Some(length), self.flexible);
                self.out.put_bytes(0xab, length);
            }
            Kind::List(element) => self.elements(|draw| draw.value(element, false)),
            Kind::Array(fields) => self.elements(|draw| draw.fields(fields, false)),
            Kind::Struct(fields) => self.fields(fields, in_tag),
            Kind::NullableStruct(fields) => {
                let present = self.byte() & 1 == 1;
                self.out.put_i8(if present { 1 } else { -1 });
                if present {
                    self.fields(fields, false);
                }
            }
        }
    }

    fn elements(&mut self, element: impl Fn(&mut Self)) {
        let count = self.below(4);
        wire::put_count(&mut self.out, Some(count), self.flexible);
        (0..count).for_each(|_| element(self));
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) {
        let choice = self.byte();
        let mut tags = Vec::new();
        let version = self.version;
        for field in fields.iter().filter(|field| field.is_in(version)) {
            if let Some(tag) = field.tag.filter(|tag| choice & (1 << tag) != 0) {
                let before = self.out.split();
                self.value(&field.kind, true);
                tags.push((tag, std::mem::replace(&mut self.out, before)));
            }
        }
        if choice & 0x80 != 0 {
            tags.push((UNKNOWN_TAG, BytesMut::from(&b"later"[..])));
        }
        wire::put_varint(&mut self.out, tags.len() as u32);
        for (tag, content) in tags {
            wire::put_varint(&mut self.out, tag);
            wire::put_varint(&mut self.out, content.len() as u32);
            self.out.put_slice(&content);
        }
    }
}
