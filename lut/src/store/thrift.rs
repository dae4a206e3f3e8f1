//! The subset of Thrift's compact protocol that is needed to check the headers of a Parquet file before the `parquet`
//! crate allocates the memory that they request.

/// Maximum nesting of structures; Parquet headers nest less deeply.
const MAX_DEPTH: usize = 16;

/// Types of the compact protocol that Parquet headers use.
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// Reads from the front of a slice.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    /// Bytes read so far.
    pub(super) position: usize,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    fn byte(&mut self) -> Result<u8, String> {
        let byte = *self.bytes.get(self.position).ok_or("a header is truncated")?;
        self.position += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a header has a number of more than 64 bits".to_owned())
    }

    fn signed(&mut self) -> Result<i64, String> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// A size or count: a number of 32 bits that is not negative.
    pub(super) fn size(&mut self) -> Result<usize, String> {
        let value = self.signed()?;
        let size = i32::try_from(value).ok().and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| format!("a header has the invalid size {value}"))
    }

    /// Reads the fields of a structure: `field` gets number and type of each, and reads its value or returns `false` to
    /// skip it.
    pub(super) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i64, u8) -> Result<bool, String>,
    ) -> Result<(), String> {
        let mut number = 0;
        while let Some((next, kind)) = self.field(number)? {
            number = next;
            if !field(self, number, kind)? {
                self.skip(kind, 0)?;
            }
        }
        Ok(())
    }

    /// Number and type of the next field; `None` at the end of the structure.
    fn field(&mut self, before: i64) -> Result<Option<(i64, u8)>, String> {
        let byte = self.byte()?;
        let (delta, kind) = (byte >> 4, byte & 0xf);
        match (delta, kind) {
            (_, 0) => Ok(None),
            (0, _) => Ok(Some((self.signed()?, kind))),
            _ => Ok(Some((before.saturating_add(i64::from(delta)), kind))),
        }
    }

    /// Number and type of a list's elements.
    pub(super) fn list(&mut self) -> Result<(usize, u8), String> {
        let byte = self.byte()?;
        let short = usize::from(byte >> 4);
        let count = if short == 15 { usize::try_from(self.unsigned()?).unwrap_or(usize::MAX) } else { short };
        // Each element takes a byte at least.
        if count > self.bytes.len() - self.position {
            return Err(format!("a header has a list of {count} elements"));
        }
        Ok((count, byte & 0xf))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("a header is nested too deeply".to_owned());
        }
        match kind {
            // Values of Boolean fields are in the type.
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.unsigned().map(drop),
            7 => self.advance(8),
            8 => {
                let length = self.unsigned()?;
                self.advance(usize::try_from(length).unwrap_or(usize::MAX))
            }
            9 | 10 => {
                let (count, element) = self.list()?;
                // In a list, a Boolean is a byte.
                let element = if matches!(element, 1 | 2) { 3 } else { element };
                (0..count).try_for_each(|_| self.skip(element, depth + 1))
            }
            STRUCT => {
                let mut number = 0;
                while let Some((next, kind)) = self.field(number)? {
                    number = next;
                    self.skip(kind, depth + 1)?;
                }
                Ok(())
            }
            other => Err(format!("a header has a value of the unknown type {other}")),
        }
    }

    fn advance(&mut self, count: usize) -> Result<(), String> {
        if count > self.bytes.len() - self.position {
            return Err("a header is truncated".to_owned());
        }
        self.position += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_skipped() {
        // Field 1: i32 -3 (zigzag 5); field 3: text "ab"; field 4: list of two structures, each with a Boolean; end.
        let bytes = [0x15, 5, 0x28, 2, b'a', b'b', 0x19, 0x2c, 0x11, 0, 0x12, 0, 0];
        let mut seen = Vec::new();
        let mut thrift = Thrift::new(&bytes);
        thrift
            .fields(|_, number, kind| {
                seen.push((number, kind));
                Ok(false)
            })
            .unwrap();
        assert_eq!((seen, thrift.position), (vec![(1, I32), (3, 8), (4, LIST)], bytes.len()));
        assert!(Thrift::new(&bytes[1..]).size().unwrap_err().contains("-3"));
    }

    #[test]
    fn what_is_cut_off_or_false_is_refused() {
        let whole = [0x15, 4, 0x28, 2, b'a', b'b', 0];
        let skip = |bytes: &[u8]| Thrift::new(bytes).fields(|_, _, _| Ok(false));
        assert!(skip(&whole).is_ok(), "a control");
        for end in 0..whole.len() {
            assert!(skip(&whole[..end]).is_err(), "cut at {end}");
        }
        // A text and a list that are longer than the rest, a list of 2^62 elements, an invalid type.
        assert!(skip(&[0x18, 0xff, 0x7f, 0]).is_err() && skip(&[0x19, 0xfc, 0x7f, 0]).is_err());
        assert!(skip(&[0x19, 0xf3, 255, 255, 255, 255, 255, 255, 255, 255, 63]).is_err());
        assert!(skip(&[0x1e, 0]).is_err());
        assert!(skip(&[0x1c; 1000]).unwrap_err().contains("nested"));
    }
}
