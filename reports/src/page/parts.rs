//! Times of parts as bars, one below the other.

use maud::{Markup, html};
use nasprof_base::text::{count, ms, percent};

/// Most parts shown.
const SHOWN: usize = 40;

/// A part of a network or model.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) ms: f64,
    /// Number of times in the sum.
    pub(crate) count: usize,
}

/// Adds a time to the part with that name, and the part if it is new.
pub(crate) fn add(parts: &mut Vec<Part>, name: &str, ms: f64) {
    match parts.iter_mut().find(|part| part.name == name) {
        Some(known) => (known.ms, known.count) = (known.ms + ms, known.count + 1),
        None => parts.push(Part { name: name.to_owned(), ms, count: 1 }),
    }
}

/// Bars in the order of the list; `of` names the counted thing, in singular.
pub(crate) fn bars(parts: &[Part], of: &str) -> Markup {
    let most = parts.iter().map(|part| part.ms).fold(f64::MIN_POSITIVE, f64::max);
    let total: f64 = parts.iter().map(|part| part.ms).sum::<f64>().max(f64::MIN_POSITIVE);
    html! {
        div.parts {
            @for part in parts.iter().take(SHOWN) {
                div.part title=(count(part.count, of)) {
                    span { (part.name) }
                    span.meter { i style=(format!("width:{:.1}%", 100.0 * part.ms / most)) {} }
                    span.n { (ms(part.ms)) " · " (percent(part.ms / total)) }
                }
            }
            @if parts.len() > SHOWN { p.hint { "… and " (parts.len() - SHOWN) " more; each " (of) " is in the table." } }
        }
    }
}
