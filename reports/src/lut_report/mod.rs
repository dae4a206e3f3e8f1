//! The report of one LUT: whether to trust it, which layers are slow, and why.

mod families;
mod kind;
mod layers;
mod speed;
mod trust;

use maud::html;
use nasprof_base::text::{count, rough};
use nasprof_lut::Lut;

use crate::page::{Section, headline, page};

pub(crate) use self::kind::{Kind, kinds_by_time};
pub use self::trust::mode_name;

/// A LUT as one HTML file. `name` is the reader's name for it, such as its file name.
#[must_use]
pub fn lut_report(lut: &Lut, name: &str) -> String {
    page(&format!("LUT {name}"), &context_line(lut), &sections(lut))
}

/// The context of a LUT, in one line.
#[must_use]
pub fn context_line(lut: &Lut) -> String {
    let header = &lut.context.header;
    format!(
        "{} on {} ({}), batch {}, {}, allocator {}, timed {}",
        header.space,
        header.device,
        header.backend,
        header.batch,
        count(header.threads, "thread"),
        header.allocator.name(),
        mode_name(header.mode)
    )
}

fn sections(lut: &Lut) -> Vec<Section> {
    let measured = lut.rows.iter().filter(|r| r.times.is_some()).count();
    let flagged = lut.rows.iter().filter(|r| !r.flags.is_empty()).count();
    let claimed = lut
        .context
        .calibration
        .as_ref()
        .map_or_else(|| "none".to_owned(), |c| format!("± {}", rough(c.shape_half_width.hypot(c.level_half_width))));
    let trust = html! {
        (headline([
            (format!("{measured} of {}", lut.rows.len()), "layers measured"),
            (lut.context.sessions.len().to_string(), "sessions, each a fresh process"),
            (flagged.to_string(), "layers with a flag"),
            (claimed, "95 % interval of an estimate, relative error and level together"),
        ]))
        (trust::trust(lut))
    };
    let mut all = vec![
        Section::new("trust", "How reliable is it?", trust),
        Section::new("speed", "How long layers take", speed::speed(lut)),
    ];
    all.extend(families::families(lut).map(|body| Section::new("families", "By size", body)));
    all.push(Section::new("layers", "All layers", layers::layers(lut)));
    all.push(Section::new("context", "Context", trust::context(lut)));
    all
}
