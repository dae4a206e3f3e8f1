//! PNG images of pictures, for viewers without SVG.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::RenderError;

/// Longest side of a picture, pixels.
const MAX_SIDE: f32 = 4096.0;

/// The font of all text: the machine's fonts are not used, so a picture looks the same everywhere.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// A picture in the PNG format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Png {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file's content.
    pub bytes: Vec<u8>,
}

impl Png {
    /// Renders an SVG file on white, at its own size, or smaller if a side would be longer than 4096 pixels.
    ///
    /// # Errors
    /// If the text is not an SVG file.
    pub fn render(svg: &str) -> Result<Self, RenderError> {
        let wrong = |problem: String| RenderError::Picture(problem);
        let options =
            Options { fontdb: Arc::clone(&FONTS), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
        let tree = Tree::from_str(svg, &options).map_err(|e| wrong(e.to_string()))?;
        let size = tree.size();
        let scale = (MAX_SIDE / size.width().max(size.height())).min(1.0);
        let (width, height) = ((size.width() * scale).ceil().max(1.0), (size.height() * scale).ceil().max(1.0));
        let (width, height) = (width as u32, height as u32);
        let mut pixels = Pixmap::new(width, height).ok_or_else(|| wrong("it has no size".to_owned()))?;
        pixels.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
        let bytes = pixels.encode_png().map_err(|e| wrong(e.to_string()))?;
        Ok(Self { width, height, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_size_and_its_text() {
        let picture = |text: &str| {
            format!(
                "<svg xmlns='http://www.w3.org/2000/svg' width='60' height='20'>\
                 <text x='2' y='15' font-family='sans-serif' font-size='12'>{text}</text></svg>"
            )
        };
        let png = Png::render(&picture("abc")).unwrap();
        assert_eq!((png.width, png.height), (60, 20));
        assert!(png.bytes.starts_with(b"\x89PNG"));
        assert_ne!(png.bytes, Png::render(&picture("xyz")).unwrap().bytes);
        assert_ne!(png.bytes, Png::render(&picture("")).unwrap().bytes);
    }

    #[test]
    fn a_large_picture_is_made_smaller_and_a_bad_one_refused() {
        let png = Png::render("<svg xmlns='http://www.w3.org/2000/svg' width='8192' height='100'/>").unwrap();
        assert_eq!((png.width, png.height), (4096, 50));
        assert!(Png::render("<svg").is_err());
        assert!(Png::render("").is_err());
    }
}
