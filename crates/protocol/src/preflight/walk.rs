//! One walk over one body: the rules of the parent module, applied along a shape.

use crate::limits::REQUEST_ELEMENTS_MAX;

use super::PreflightError;
use super::cursor::Cursor;
use super::shape::{Field, Kind, Shape};

pub(super) struct Walk<'a> {
    cursor: Cursor<'a>,
    shape: &'static Shape,
    version: i16,
    flexible: bool,
    elements_left: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shape: &'static Shape, version: i16, body: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(body),
            shape,
            version,
            flexible: version >= shape.flexible_from,
            elements_left: REQUEST_ELEMENTS_MAX,
        }
    }

    /// Walks the request; how many bytes follow it.
    pub(super) fn run(mut self) -> Result<usize, PreflightError> {
        self.fields(self.shape.fields)?;
        Ok(self.cursor.remaining())
    }

    fn fields(&mut self, fields: &'static [Field]) -> Result<(), PreflightError> {
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            if field.is_in(self.version) {
                self.value(&field.kind)?;
            }
        }
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    fn value(&mut self, kind: &'static Kind) -> Result<(), PreflightError> {
        match kind {
            Kind::Fixed(size) => self.cursor.skip(*size).map(drop),
            Kind::Bool => self.cursor.skip(1).map(drop),
            Kind::String | Kind::Bytes => self.text_or_bytes(kind),
            Kind::List(element) => self.array(self.min_size(element), |walk| walk.value(element)),
            Kind::Array(fields) => self.array(self.min_size_of(fields), |walk| walk.fields(fields)),
            Kind::Struct(fields) => self.fields(fields),
            Kind::NullableStruct(fields) => match self.cursor.i8()? {
                1 => self.fields(fields),
                _ => Ok(()),
            },
        }
    }

    fn text_or_bytes(&mut self, kind: &Kind) -> Result<(), PreflightError> {
        let length = match kind {
            _ if self.flexible => self.cursor.length_compact()?,
            Kind::String => self.cursor.length_i16()?,
            _ => self.cursor.length_i32()?,
        };
        self.cursor.skip(length.unwrap_or(0)).map(drop)
    }

    fn array(
        &mut self,
        element_size_min: usize,
        element: impl Fn(&mut Self) -> Result<(), PreflightError>,
    ) -> Result<(), PreflightError> {
        let at = self.cursor.position();
        let count =
            if self.flexible { self.cursor.length_compact()? } else { self.cursor.length_i32()? };
        let count = count.unwrap_or(0);
        // An element without any bytes would make every count possible.
        if count > self.cursor.remaining() / element_size_min.max(1) {
            return Err(PreflightError::ImpossibleCount { at, count });
        }
        self.charge(count)?;
        (0..count).try_for_each(|_| element(self))
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), PreflightError> {
        for _ in 0..self.cursor.varint()? {
            self.charge(1)?;
            let tag = self.cursor.varint()?;
            let length = self.cursor.varint()? as usize;
            let at = self.cursor.position();
            if length > self.cursor.remaining() {
                return Err(PreflightError::Truncated { at });
            }
            let known =
                fields.iter().find(|field| field.tag == Some(tag) && field.is_in(self.version));
            match known {
                // The decoder believes the structure, not the length, so they must agree.
                Some(field) => self.value(&field.kind)?,
                None => self.cursor.skip(length).map(drop)?,
            }
            if self.cursor.position() != at + length {
                return Err(PreflightError::TagLength { at });
            }
        }
        Ok(())
    }

    fn charge(&mut self, elements: usize) -> Result<(), PreflightError> {
        self.elements_left =
            self.elements_left.checked_sub(elements).ok_or(PreflightError::TooManyElements)?;
        Ok(())
    }

    /// The least bytes a value of this kind takes.
    fn min_size(&self, kind: &Kind) -> usize {
        match kind {
            Kind::Fixed(size) => *size,
            Kind::Bool | Kind::NullableStruct(_) => 1,
            Kind::Struct(fields) => self.min_size_of(fields),
            _ if self.flexible => 1,
            Kind::String => 2,
            Kind::Bytes | Kind::List(_) | Kind::Array(_) => 4,
        }
    }

    fn min_size_of(&self, fields: &[Field]) -> usize {
        let untagged = fields.iter().filter(|field| field.tag.is_none());
        let present = untagged.filter(|field| field.is_in(self.version));
        let sizes: usize = present.map(|field| self.min_size(&field.kind)).sum();
        sizes + usize::from(self.flexible)
    }
}
