//! Reads values of inputs from a `.npz` file, an archive of `.npy` files as written by NumPy's `savez`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use nasprof_base::caught;
use ort::value::DynValue;
use zip::ZipArchive;

use crate::inputs::tensor;

/// Maximum bytes of an array.
const MAX_BYTES: u64 = 2 << 30;
/// Maximum bytes of the header before an array's values.
const MAX_HEADER: usize = 1 << 16;

/// The arrays of a file by name.
///
/// # Errors
/// If the file is not a `.npz` file, is damaged or too large, or contains an array with an unsupported element type.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Rc<DynValue>>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    // The archive reader is third-party code, so panics are caught.
    let read = caught(|| arrays(file)).unwrap_or_else(|| Err("is damaged".to_owned()))?;
    let value = |(name, array): (String, Array)| {
        let value = array.value().map_err(|problem| format!("array `{name}`: {problem}"))?;
        Ok((name, Rc::new(value)))
    };
    read.into_iter().map(value).collect()
}

fn arrays(file: File) -> Result<Vec<(String, Array)>, String> {
    let mut archive = ZipArchive::new(file).map_err(|e| format!("is not an .npz file: {e}"))?;
    let mut arrays = Vec::new();
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(|e| e.to_string())?;
        let name = entry.name().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        let read = (&mut entry).take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|e| format!("array `{name}`: {e}"))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("array `{name}` has more than {} GiB", MAX_BYTES >> 30));
        }
        let array = Array::parse(bytes).map_err(|problem| format!("array `{name}`: {problem}"))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// An array as stored in the file.
#[derive(Debug)]
struct Array {
    /// Kind and bytes of an element, such as `f4`.
    kind: String,
    shape: Vec<i64>,
    bytes: Vec<u8>,
    start: usize,
}

impl Array {
    /// Parses the header: magic bytes, version, length, and a Python dictionary as text.
    fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let wrong = || "is not an .npy file".to_owned();
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(wrong)?;
        let (length, start) = match rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 10),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
            _ => return Err(wrong()),
        };
        let header = bytes.get(start..start + length.min(MAX_HEADER + 1)).filter(|h| h.len() <= MAX_HEADER);
        let header = std::str::from_utf8(header.ok_or_else(wrong)?).map_err(|_| wrong())?;
        let after = |key: &str| Some(header.split_once(key)?.1.trim_start_matches([' ', ':']));
        let kind = after("'descr'").and_then(|text| text.strip_prefix('\'')?.split_once('\''));
        let kind = kind.ok_or("has fields, or elements of an unknown type")?.0;
        let by_columns = after("'fortran_order'").ok_or_else(wrong)?.starts_with("True");
        let shape = after("'shape'").and_then(|text| Some(text.strip_prefix('(')?.split_once(')')?.0));
        let sizes = shape.ok_or_else(wrong)?.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape: Vec<i64> = sizes
            .map(|size| size.parse().ok().filter(|&s: &i64| s >= 0).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        if by_columns && shape.len() > 1 {
            return Err("is in Fortran order; numpy.ascontiguousarray converts it".to_owned());
        }
        if kind.starts_with('>') {
            return Err("is big-endian".to_owned());
        }
        let kind = kind.trim_start_matches(['<', '|', '=']).to_owned();
        Ok(Self { kind, shape, start: start + length, bytes })
    }

    fn value(&self) -> Result<DynValue, String> {
        /// The values, in the byte size of their type.
        macro_rules! values {
            ($kind:ty) => {{
                let values = self.bytes[self.start..].as_chunks().0.iter().map(|bytes| <$kind>::from_le_bytes(*bytes));
                tensor(&self.shape, values.collect())
            }};
        }
        let size: usize = self.kind.get(1..).and_then(|size| size.parse().ok()).unwrap_or(0);
        let elements = self.shape.iter().try_fold(size, |all, &size| all.checked_mul(usize::try_from(size).ok()?));
        if elements != Some(self.bytes.len() - self.start) {
            return Err("has a shape that does not match its number of values".to_owned());
        }
        match self.kind.as_str() {
            "f4" => values!(f32),
            "f8" => values!(f64),
            "f2" => values!(half::f16),
            "i1" => values!(i8),
            "i2" => values!(i16),
            "i4" => values!(i32),
            "i8" => values!(i64),
            "u1" => values!(u8),
            "u2" => values!(u16),
            "u4" => values!(u32),
            "u8" => values!(u64),
            "b1" => tensor(&self.shape, self.bytes[self.start..].iter().map(|&byte| byte != 0).collect()),
            other => Err(format!("has elements of the unsupported type {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, values: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values);
        bytes
    }

    #[test]
    fn an_array_is_read() {
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }\n";
        let array = Array::parse(npy(header, &[0; 16])).unwrap();
        assert_eq!((array.kind.as_str(), &array.shape[..], array.bytes.len() - array.start), ("i8", &[1, 2][..], 16));
        let scalar = Array::parse(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", &[1])).unwrap();
        assert_eq!((scalar.kind.as_str(), scalar.shape.len()), ("b1", 0));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        let whole = npy(good, &[0; 8]);
        for end in 0..10 + good.len() {
            assert!(Array::parse(whole[..end].to_vec()).is_err(), "{end}");
        }
        for (from, to) in [
            ("'<f4'", "[('a', '<f4')]"),
            ("'<f4'", "'>f4'"),
            ("(2,)", "(-2,)"),
            ("(2,)", "(2"),
            ("(2,)", "(99999999999999999999,)"),
            ("False, 'shape': (2,)", "True, 'shape': (1, 2)"),
        ] {
            assert!(Array::parse(npy(&good.replace(from, to), &[0; 8])).is_err(), "{to}");
        }
        for (header, bytes) in [(good, 7), (good, 9), ("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", 24)]
        {
            assert!(Array::parse(npy(header, &vec![0; bytes])).unwrap().value().is_err(), "{header} {bytes}");
        }
    }
}
