//! Checks the memory that a Parquet file requests, before anything is allocated for it.
//!
//! The `parquet` crate allocates the sizes in page headers, which can be anything: 100 bytes can request 2 GiB. A LUT
//! needs few of the format's features, so every page's header is read here first and compared with the bytes in the
//! file.

use parquet::basic::{Compression, Repetition, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::columns::{COLUMNS, Kind};
use super::thrift::{I32, LIST, STRUCT, Thrift};

/// Maximum rows of a LUT.
pub(super) const MAX_ROWS: usize = 1 << 20;
/// Maximum bytes of all pages after decompression, and of all texts of a LUT.
pub(super) const MAX_BYTES: usize = 1 << 30;
/// Snappy decompresses 3 bytes to at most 64.
const MOST_OF_A_BYTE: usize = 22;
/// A LUT's schema has one element per column and a root.
const MAX_SCHEMA: usize = 2 * COLUMNS.len();

/// The format's numbers for page types and encodings.
const DATA_PAGE: usize = 0;
const DICTIONARY_PAGE: usize = 2;
/// PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY.
const ENCODINGS: [usize; 4] = [0, 2, 3, 8];

/// Refuses a footer whose schema would be built by deep recursion.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_footer(bytes: &[u8]) -> Result<(), String> {
    let wrong = "not a Parquet file, or a truncated one";
    let rest = bytes.strip_suffix(b"PAR1").ok_or(wrong)?;
    let (rest, length) = rest.split_last_chunk().ok_or(wrong)?;
    let start = rest.len().checked_sub(u32::from_le_bytes(*length) as usize).ok_or(wrong)?;
    Thrift::new(&rest[start..]).fields(|footer, number, kind| {
        if (number, kind) != (2, LIST) {
            return Ok(false);
        }
        let (elements, element) = footer.list()?;
        if elements > MAX_SCHEMA || element != STRUCT {
            return Err(format!("its schema has {elements} elements"));
        }
        for _ in 0..elements {
            footer.fields(|_, _, _| Ok(false))?;
        }
        Ok(true)
    })
}

/// Refuses a file that requests more than its bytes can hold, or whose columns differ in kind from a LUT's.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_pages(bytes: &[u8], metadata: &ParquetMetaData) -> Result<(), String> {
    let fields = metadata.file_metadata().schema().get_fields();
    for (field, (name, kind)) in fields.iter().zip(COLUMNS) {
        let fits = field.is_primitive()
            && field.get_physical_type() == physical(kind)
            && field.get_basic_info().repetition() != Repetition::REPEATED;
        if !fits {
            return Err(format!("its column {name} has the wrong type"));
        }
    }
    let (mut rows, mut total) = (0_usize, 0);
    for group in metadata.row_groups() {
        let count = usize::try_from(group.num_rows()).map_err(|_| "a negative number of rows")?;
        rows = rows.saturating_add(count);
        if rows > MAX_ROWS {
            return Err(format!("it has more than {MAX_ROWS} rows"));
        }
        if group.num_columns() != fields.len() {
            return Err("a row group lacks columns".to_owned());
        }
        for column in group.columns() {
            let about = |problem| format!("column {}: {problem}", column.column_path().string());
            total += pages(bytes, column, count, MAX_BYTES - total).map_err(about)?;
        }
    }
    let said = metadata.file_metadata().num_rows();
    if usize::try_from(said) != Ok(rows) {
        return Err(format!("it declares {said} rows, but has {rows}"));
    }
    Ok(())
}

/// The storage of values of a kind.
pub(super) fn physical(kind: Kind) -> Physical {
    match kind {
        Kind::Text => Physical::BYTE_ARRAY,
        Kind::Real => Physical::DOUBLE,
        Kind::Whole => Physical::INT64,
    }
}

/// Checks a column's pages; returns their bytes after decompression.
fn pages(bytes: &[u8], column: &ColumnChunkMetaData, rows: usize, most: usize) -> Result<usize, String> {
    let compressed = match column.compression() {
        Compression::UNCOMPRESSED => false,
        Compression::SNAPPY => true,
        other => return Err(format!("its compression {other:?} is not supported")),
    };
    let place = |offset: i64| usize::try_from(offset).map_err(|_| "a negative offset".to_owned());
    let start = place(column.dictionary_page_offset().unwrap_or(column.data_page_offset()))?;
    let end = start.saturating_add(place(column.compressed_size())?);
    let mut rest = bytes.get(start..end).ok_or("its pages lie outside the file")?;
    let (mut values, mut total) = (0_usize, 0_usize);
    while !rest.is_empty() {
        let mut thrift = Thrift::new(rest);
        let page = Page::read(&mut thrift)?;
        let body = &rest[thrift.position..];
        if page.stored > body.len() {
            return Err(format!("a page declares {} bytes, but only {} are left", page.stored, body.len()));
        }
        rest = &body[page.stored..];
        let bound = if compressed { page.stored.saturating_mul(MOST_OF_A_BYTE) } else { page.stored };
        total = total.saturating_add(page.plain);
        if page.plain > bound || total > most {
            return Err(format!("a page of {} bytes declares {} uncompressed bytes", page.stored, page.plain));
        }
        // A value of a dictionary has four bytes at least: a text's length.
        let room = if page.is_dictionary { page.plain / 4 } else { rows - values };
        if page.values > room {
            return Err(format!("a page declares {} values", page.values));
        }
        if !page.is_dictionary {
            values += page.values;
        }
    }
    if values != rows || usize::try_from(column.num_values()) != Ok(rows) {
        return Err(format!("it has {values} values in {rows} rows"));
    }
    Ok(total)
}

/// The contents of a page's header.
struct Page {
    is_dictionary: bool,
    /// Bytes in the file.
    stored: usize,
    /// Bytes after decompression.
    plain: usize,
    values: usize,
}

impl Page {
    fn read(thrift: &mut Thrift<'_>) -> Result<Self, String> {
        let (mut kind, mut stored, mut plain, mut values) = (None, None, None, None);
        thrift.fields(|thrift, number, of| {
            match (number, of) {
                (1, I32) => kind = Some(thrift.size()?),
                (2, I32) => plain = Some(thrift.size()?),
                (3, I32) => stored = Some(thrift.size()?),
                // The headers of data pages and of dictionaries begin alike.
                (5 | 7, STRUCT) => thrift.fields(|thrift, number, of| {
                    match (number, of) {
                        (1, I32) => values = Some(thrift.size()?),
                        (2, I32) => {
                            let encoding = thrift.size()?;
                            if !ENCODINGS.contains(&encoding) {
                                return Err(format!("its encoding {encoding} is not supported"));
                            }
                        }
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let kind = kind.filter(|kind| [DATA_PAGE, DICTIONARY_PAGE].contains(kind));
        match (kind, stored, plain, values) {
            (Some(kind), Some(stored), Some(plain), Some(values)) => {
                Ok(Self { is_dictionary: kind == DICTIONARY_PAGE, stored, plain, values })
            }
            _ => Err("unsupported page type".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page's header: type, sizes, and the header of a data page with values and encoding.
    fn header(plain: i64, stored: i64, values: i64, encoding: i64) -> Vec<u8> {
        let number = |value: i64| {
            let mut rest = ((value << 1) ^ (value >> 63)) as u64;
            let mut bytes = Vec::new();
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes
        };
        let field = |delta: u8, value| [vec![delta << 4 | I32], number(value)].concat();
        let inner = [field(1, values), field(1, encoding), vec![0]].concat();
        [field(1, 0), field(1, plain), field(1, stored), vec![2 << 4 | STRUCT], inner, vec![0]].concat()
    }

    fn read(bytes: &[u8]) -> Result<Page, String> {
        Page::read(&mut Thrift::new(bytes))
    }

    #[test]
    fn headers_of_pages_are_read() {
        let page = read(&header(300, 20, 7, 3)).unwrap();
        assert_eq!((page.plain, page.stored, page.values, page.is_dictionary), (300, 20, 7, false));
        for bad in [header(-1, 20, 7, 0), header(1 << 40, 20, 7, 0), header(300, -20, 7, 0), header(300, 20, -7, 0)] {
            assert!(read(&bad).is_err());
        }
        // DELTA_BINARY_PACKED itself contains the size to allocate.
        assert!(read(&header(300, 20, 7, 5)).is_err_and(|problem| problem.contains("encoding 5")));
    }

    #[test]
    fn a_schema_of_many_elements_is_refused() {
        let footer = |elements: usize| {
            let mut bytes = vec![0x15, 2, 0x19, 0xfc];
            let mut rest = elements;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes.extend(std::iter::repeat_n(0, elements));
            bytes.push(0);
            let length = bytes.len() as u32;
            [&b"PAR1"[..], &bytes, &length.to_le_bytes(), b"PAR1"].concat()
        };
        assert!(check_footer(&footer(38)).is_ok(), "a control");
        assert!(check_footer(&footer(1_000_000)).unwrap_err().contains("schema"));
        assert!(check_footer(b"PAR1").is_err() && check_footer(b"\xff\xff\xff\x7fPAR1").is_err());
    }
}
