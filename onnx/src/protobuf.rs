//! The wire format of Protocol Buffers for ONNX models and event files, read and written field by field.
//!
//! The messages are small parts of foreign schemas, so no compiler or generated code is needed. The reader borrows from
//! its input and allocates nothing for the sizes that a hostile file claims.

use thiserror::Error;

/// A message under construction; fields are written in the order of calls.
#[derive(Debug, Clone, Default)]
pub struct Message(Vec<u8>);

/// Wire types of the format.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    /// An empty message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The message so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The finished message.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    /// An `int64` or `int32` or enum; negative values take ten bytes, as the format has it.
    #[must_use]
    pub fn int(mut self, field: u64, value: i64) -> Self {
        self.tag(field, VARINT);
        self.varint(value as u64);
        self
    }

    /// A `double`.
    #[must_use]
    pub fn double(mut self, field: u64, value: f64) -> Self {
        self.tag(field, FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `float`.
    #[must_use]
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.tag(field, FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `string` or `bytes`.
    #[must_use]
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, LENGTH);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// A message within this one.
    #[must_use]
    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// A packed `repeated double`.
    #[must_use]
    pub fn doubles(self, field: u64, values: &[f64]) -> Self {
        let packed: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.bytes(field, packed)
    }
}

/// Bytes that are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// The bytes end within a field.
    #[error("it ends in the middle of a field, or a length is wrong")]
    Truncated,
    /// A number of more than 64 bits, a field without number, or a kind of field that does not exist.
    #[error("it is not in the Protocol Buffers format")]
    Malformed,
    /// A field that has another kind than the schema says.
    #[error("field {0} is of another kind than expected")]
    Kind(u64),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field<'a> {
    /// Its number in the schema.
    pub number: u64,
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Varint(u64),
    Fixed64,
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// An `int64`, `int32` or enum.
    ///
    /// # Errors
    /// If the field is of another kind.
    pub fn int(&self) -> Result<i64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value as i64),
            _ => Err(WireError::Kind(self.number)),
        }
    }

    /// A `float`.
    ///
    /// # Errors
    /// If the field is of another kind.
    pub fn float(&self) -> Result<f32, WireError> {
        match self.value {
            Value::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(WireError::Kind(self.number)),
        }
    }

    /// `bytes`, or a message that is not yet taken apart.
    ///
    /// # Errors
    /// If the field is of another kind.
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Kind(self.number)),
        }
    }

    /// A `string`.
    ///
    /// # Errors
    /// If the field is of another kind, or not UTF-8.
    pub fn text(&self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Malformed)
    }

    /// What this field holds of a `repeated float`: one value, or packed ones.
    ///
    /// # Errors
    /// If the field is of another kind.
    pub fn floats(&self) -> Result<impl Iterator<Item = f32> + use<'a>, WireError> {
        let (one, packed): (_, &[u8]) = match self.value {
            Value::Fixed32(bytes) => (Some(bytes), &[]),
            Value::Bytes(bytes) => (None, bytes),
            _ => return Err(WireError::Kind(self.number)),
        };
        let (packed, rest) = packed.as_chunks();
        if !rest.is_empty() {
            return Err(WireError::Truncated);
        }
        Ok(one.into_iter().chain(packed.iter().copied()).map(f32::from_le_bytes))
    }

    /// What this field holds of a `repeated int64`: one value, or packed ones.
    ///
    /// # Errors
    /// If the field is of another kind, or there would be more than `most` values in `into`.
    pub fn append_ints(&self, into: &mut Vec<i64>, most: usize) -> Result<(), WireError> {
        let mut packed = match self.value {
            Value::Varint(value) => {
                into.push(value as i64);
                &[]
            }
            Value::Bytes(bytes) => bytes,
            _ => return Err(WireError::Kind(self.number)),
        };
        while !packed.is_empty() {
            let (value, rest) = varint(packed)?;
            into.push(value as i64);
            packed = rest;
            if into.len() > most {
                break;
            }
        }
        if into.len() > most { Err(WireError::Malformed) } else { Ok(()) }
    }
}

/// The fields of a message, one after the other. After an error there are no more.
#[must_use]
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// See [`fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self) -> Result<Field<'a>, WireError> {
        let (tag, rest) = varint(self.rest)?;
        let number = tag >> 3;
        let (value, rest) = match tag & 7 {
            VARINT => {
                let (value, rest) = varint(rest)?;
                (Value::Varint(value), rest)
            }
            FIXED64 => (Value::Fixed64, rest.get(8..).ok_or(WireError::Truncated)?),
            FIXED32 => {
                let (bytes, rest) = rest.split_first_chunk().ok_or(WireError::Truncated)?;
                (Value::Fixed32(*bytes), rest)
            }
            LENGTH => {
                let (length, rest) = varint(rest)?;
                let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
                let (bytes, rest) = rest.split_at_checked(length).ok_or(WireError::Truncated)?;
                (Value::Bytes(bytes), rest)
            }
            _ => return Err(WireError::Malformed),
        };
        self.rest = rest;
        if number == 0 { Err(WireError::Malformed) } else { Ok(Field { number, value }) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), WireError> {
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        // The tenth byte has room for one bit.
        if i == 9 && byte > 1 {
            return Err(WireError::Malformed);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, &bytes[i + 1..]));
        }
    }
    Err(if bytes.len() < 10 { WireError::Truncated } else { WireError::Malformed })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's own description.
    #[test]
    fn encodings_of_the_specification() {
        assert_eq!(Message::new().int(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::new().bytes(2, "testing").as_bytes(),
            [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        assert_eq!(Message::new().message(3, &Message::new().int(1, 150)).as_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().int(1, -2).as_bytes().len(), 11);
    }
    #[test]
    fn what_is_written_is_read() {
        let message = Message::new().int(1, -2).float(2, 1.5).bytes(3, "text").double(4, 2.0);
        let packed = Message::new().int(1, 1).int(1, -1).int(1, 300);
        let packed: Vec<u8> = packed.as_bytes().split(|&b| b == 0x08).flatten().copied().collect();
        let message = message.bytes(5, packed);
        let read: Vec<Field> = fields(message.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!((read[0].int(), read[1].float(), read[2].text()), (Ok(-2), Ok(1.5), Ok("text")));
        let mut ints = Vec::new();
        read[4].append_ints(&mut ints, 3).unwrap();
        assert_eq!(ints, [1, -1, 300]);
        assert_eq!(read[4].append_ints(&mut Vec::new(), 2), Err(WireError::Malformed));
        assert_eq!(read[2].int(), Err(WireError::Kind(3)));
        assert_eq!(read[2].float(), Err(WireError::Kind(3)));
        assert_eq!(read[0].bytes(), Err(WireError::Kind(1)));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let whole = Message::new().int(1, 300).bytes(2, "text").float(3, 1.0).double(4, 1.0);
        let ends: Vec<usize> = [3, 9, 14, 23].into();
        for end in 1..whole.as_bytes().len() {
            let last = fields(&whole.as_bytes()[..end]).last().unwrap();
            assert_eq!(last.is_ok(), ends.contains(&end), "cut at {end}: {last:?}");
        }
        for (bytes, error) in [
            // A length of 2^63, a varint of eleven bytes, one of 70 bits, a group, field 0.
            (&[0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..], WireError::Truncated),
            (&[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], WireError::Malformed),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], WireError::Malformed),
            (&[0x0b], WireError::Malformed),
            (&[0x00, 0x01], WireError::Malformed),
        ] {
            assert_eq!(fields(bytes).collect::<Vec<_>>(), [Err(error)], "{bytes:?}");
        }
    }
}
