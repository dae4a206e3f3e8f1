//! LUTs on disk: Parquet, CSV or JSON by the file's ending, without loss, replaced atomically.

mod columns;
mod csv_text;
mod parquet_file;
mod parquet_limits;
mod validate;

mod thrift;

use std::fs;
use std::path::Path;

use nasprof_base::caught;
pub use nasprof_base::replace_file;

use crate::model::is_profile;
use crate::{Context, FORMAT_VERSION, Lut, LutError};

/// Maximum bytes of a file; a LUT of a hundred thousand rows is smaller.
const MAX_BYTES: u64 = 1 << 30;

/// File formats of a LUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Parquet, with a checksum.
    Parquet,
    /// CSV below the context in a comment line.
    Csv,
    /// JSON.
    Json,
}

impl FileFormat {
    /// By the file's ending.
    ///
    /// # Errors
    /// If the ending is unknown.
    pub fn of(path: &Path) -> Result<Self, LutError> {
        match path.extension().and_then(|e| e.to_str()).unwrap_or("") {
            "parquet" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            other => {
                let problem = match other {
                    "" => "has no extension; use .parquet, .csv or .json".to_owned(),
                    other => format!("the extension `.{other}` is not .parquet, .csv or .json"),
                };
                Err(LutError::Format { path: path.display().to_string(), problem })
            }
        }
    }
}

/// Reads a LUT.
///
/// # Errors
/// If the file cannot be read, is not a LUT, is damaged, or has values that no measurement can produce. The profile of
/// a model is a separate error.
pub fn read(path: &Path) -> Result<Lut, LutError> {
    match read_any(path)? {
        Content::Lut(lut) => Ok(*lut),
        Content::Model(_) => Err(LutError::Model { path: path.display().to_string() }),
    }
}

/// The contents of a file that is read as a LUT.
pub(crate) enum Content {
    /// A LUT.
    Lut(Box<Lut>),
    /// The bytes of a model's profile, damaged or not.
    Model(Vec<u8>),
}

/// Reads a file once, as a LUT or a profile.
pub(crate) fn read_any(path: &Path) -> Result<Content, LutError> {
    let fail = |source| LutError::File { path: path.display().to_string(), source };
    let metadata = fs::metadata(path).map_err(fail)?;
    // A device or a pipe has no length and may have no end.
    if !metadata.is_file() {
        return Err(fail(std::io::Error::other("not a regular file")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(fail(std::io::Error::other("the file is larger than 1 GiB")));
    }
    let bytes = fs::read(path).map_err(fail)?;
    let lut = match FileFormat::of(path)? {
        FileFormat::Json => match parse_json(&bytes) {
            Err(_) if is_profile(&bytes) => return Ok(Content::Model(bytes)),
            lut => lut,
        },
        format => parse(bytes, format),
    };
    lut.map(|lut| Content::Lut(Box::new(lut)))
        .map_err(|problem| LutError::Format { path: path.display().to_string(), problem })
}

/// Reads a LUT from the bytes of a file. The result has the current [`FORMAT_VERSION`], whatever the file's version is.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: Vec<u8>, format: FileFormat) -> Result<Lut, String> {
    match format {
        // The library does not expect hostile files: some damage makes it panic.
        FileFormat::Parquet => {
            checked(caught(|| parquet_file::decode(bytes)).unwrap_or_else(|| Err("a damaged Parquet file".to_owned()))?)
        }
        FileFormat::Csv => checked(csv_text::decode(&bytes)?),
        FileFormat::Json => parse_json(&bytes),
    }
}

fn parse_json(bytes: &[u8]) -> Result<Lut, String> {
    checked(serde_json::from_slice(bytes).map_err(|e| e.to_string())?)
}

/// The version from which a size effect is one of the sum of layers.
const SUMS_FROM: u32 = 4;

/// A LUT of the current version, with values that can be.
fn checked(mut lut: Lut) -> Result<Lut, String> {
    check_version(&lut.context)?;
    if lut.context.format_version < SUMS_FROM
        && let Some(calibration) = &mut lut.context.calibration
    {
        let sums: Vec<f64> = lut.context.anchors.iter().map(|anchor| anchor.sum_ns).collect();
        calibration.size_effect = calibration.size_effect.map(|effect| effect.completed(&sums));
    }
    lut.context.format_version = FORMAT_VERSION;
    validate::validate(&lut)?;
    Ok(lut)
}

fn check_version(context: &Context) -> Result<(), String> {
    match context.format_version {
        1..=FORMAT_VERSION => Ok(()),
        version => Err(format!("format_version {version} is not known (this version reads 1 to {FORMAT_VERSION})")),
    }
}

/// Refuses a path that [`write()`] would refuse for its ending. Call it before the measurement.
///
/// # Errors
/// If the ending is unknown.
pub fn check_ending(path: &Path) -> Result<(), LutError> {
    FileFormat::of(path).map(drop)
}

/// Writes a LUT; a file of that name is replaced in one step or left as it was. The written file is read back: a file
/// that cannot be read, or has other contents, is never left behind.
///
/// # Errors
/// If the ending is unknown, the LUT cannot be read back, or the disk fails.
pub fn write(lut: &Lut, path: &Path) -> Result<(), LutError> {
    let unwritable = |problem| LutError::Unwritable { path: path.display().to_string(), problem };
    let bytes = encode(lut, FileFormat::of(path)?).map_err(unwritable)?;
    replace_file(path, &bytes).map_err(|source| LutError::File { path: path.display().to_string(), source })
}

fn encode(lut: &Lut, format: FileFormat) -> Result<Vec<u8>, String> {
    validate::validate(lut)?;
    let bytes = match format {
        FileFormat::Parquet => parquet_file::encode(lut)?,
        FileFormat::Csv => csv_text::encode(lut)?,
        FileFormat::Json => serde_json::to_vec_pretty(lut).map_err(|e| e.to_string())?,
    };
    let back = parse(bytes.clone(), format).map_err(|problem| format!("the LUT could not be read back: {problem}"))?;
    if back != *lut {
        return Err("it would read back as a different LUT".to_owned());
    }
    Ok(bytes)
}
