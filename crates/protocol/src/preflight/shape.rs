//! The language of the shape tables: a request is a list of fields, each in some versions.

/// How a request lies on the wire.
#[derive(Debug)]
pub(super) struct Shape {
    /// First version with compact lengths and tagged fields (KIP-482); `i16::MAX` if none.
    pub(super) flexible_from: i16,
    pub(super) fields: &'static [Field],
}

/// One field of a request or of a structure in it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    min: i16,
    max: i16,
    /// Tagged fields stand after all others, in any order, and may be absent.
    pub(super) tag: Option<u32>,
}

/// What a field holds. Whether it may be null is the decoder's business.
#[derive(Debug)]
pub(super) enum Kind {
    /// A number of this many bytes.
    Fixed(usize),
    /// A boolean: any byte but 0 is true.
    Bool,
    String,
    /// Opaque bytes, record sets included.
    Bytes,
    /// Elements of a primitive type.
    List(&'static Self),
    /// Elements that are structures.
    Array(&'static [Field]),
    /// A structure by itself.
    Struct(&'static [Field]),
    /// A structure behind a byte that says whether it is there.
    NullableStruct(&'static [Field]),
}

pub(super) const I8: Kind = Kind::Fixed(1);
pub(super) const I16: Kind = Kind::Fixed(2);
pub(super) const I32: Kind = Kind::Fixed(4);
pub(super) const I64: Kind = Kind::Fixed(8);
pub(super) const UUID: Kind = Kind::Fixed(16);

/// A field in all versions.
pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, min: 0, max: i16::MAX, tag: None }
}

impl Field {
    /// Only from this version on.
    pub(super) const fn since(self, min: i16) -> Self {
        let Self { name, kind, max, tag, .. } = self;
        Self { name, kind, min, max, tag }
    }

    /// Only up to this version.
    pub(super) const fn until(self, max: i16) -> Self {
        let Self { name, kind, min, tag, .. } = self;
        Self { name, kind, min, max, tag }
    }

    /// A tagged field.
    pub(super) const fn tagged(self, tag: u32) -> Self {
        let Self { name, kind, min, max, .. } = self;
        Self { name, kind, min, max, tag: Some(tag) }
    }

    pub(super) fn is_in(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}
