//! Stored images and their decoding.

use std::fmt;
use std::io::Cursor;
use std::path::Path;

use image::{ImageReader, Limits};
use nasprof_base::caught;

/// Channels, height, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// A size.
    #[must_use]
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Number of values.
    #[must_use]
    pub fn elements(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// A decoded image: one byte per value, channel by channel, each row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its size.
    pub size: Size,
    /// `size.elements()` values.
    pub pixels: Vec<u8>,
}

/// Maximum file size in bytes; photographs are smaller.
const MAX_FILE: u64 = 1 << 28;
/// Maximum number of rows and of columns.
const MAX_SIDE: u32 = 1 << 15;
/// Maximum memory for decoding one image, in bytes.
const MAX_MEMORY: u64 = 1 << 30;

impl Image {
    /// Reads a JPEG or PNG file as a grey image (1 channel) or a colour image (3).
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(path: &Path, channels: usize) -> Result<Self, String> {
        let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
        if length > MAX_FILE {
            return Err(format!("the file is too large for an image: {length} bytes"));
        }
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        // The decoders are memory-safe, but may panic on damaged files.
        caught(|| decode(&bytes, channels)).unwrap_or_else(|| Err("the decoder failed".to_owned()))
    }

    /// Copies a grey image to three equal channels if `channels` is 3.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        if self.size.channels == channels || self.size.channels != 1 {
            return self;
        }
        Self { size: Size { channels, ..self.size }, pixels: self.pixels.repeat(channels) }
    }
}

fn decode(bytes: &[u8], channels: usize) -> Result<Image, String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let decoded = reader.decode().map_err(|e| e.to_string())?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    if width == 0 || height == 0 {
        return Err("the image has no pixels".to_owned());
    }
    let interleaved = if channels == 1 { decoded.into_luma8().into_raw() } else { decoded.into_rgb8().into_raw() };
    let mut pixels = Vec::with_capacity(interleaved.len());
    for channel in 0..channels {
        pixels.extend(interleaved.iter().skip(channel).step_by(channels));
    }
    Ok(Image { size: Size::new(channels, height, width), pixels })
}
