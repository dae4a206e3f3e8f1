//! The page around a report: one self-contained file, and the parts that all reports share.

mod parts;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use nasprof_base::text::printable;

pub(crate) use self::parts::{Part, add, bars};
pub(crate) use self::table::{Cell, Column, Table, table};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing may be fetched, whatever a name in the data contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// A part of a report, linked from the list at its top.
pub(crate) struct Section {
    /// For links; unique in a page.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) body: Markup,
}

impl Section {
    pub(crate) fn new(id: &'static str, title: impl Into<String>, body: Markup) -> Self {
        Self { id, title: title.into(), body }
    }
}

/// The whole file.
pub(crate) fn page(title: &str, subtitle: &str, sections: &[Section]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="generator" content=(concat!("nasprof ", env!("CARGO_PKG_VERSION")));
                // An embedded icon: otherwise browsers ask the server for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                noscript { style { "tbody.cut > tr:nth-child(n+201){display:table-row}.script{display:none}" } }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    div {
                        h1 { (title) }
                        p { (subtitle) }
                    }
                    button #theme.script type="button" aria-live="polite" { "Theme: system" }
                }
                @if sections.len() > 1 {
                    nav aria-label="Sections" {
                        @for section in sections { a href={ "#" (section.id) } { (section.title) } }
                    }
                }
                main #content tabindex="-1" {
                    @for section in sections {
                        section id=(section.id) {
                            h2 { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { "Made by nasprof " (env!("CARGO_PKG_VERSION")) ". This file holds all its data and fetches nothing." }
                div #tip role="status" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    printable(&markup.into_string())
}

/// A chart with a sentence on how to read it; charts are side by side if there is room.
pub(crate) fn figure(title: &str, how: &str, chart: &Markup) -> Markup {
    html! {
        figure {
            figcaption { strong { (title) } " " (unbroken(how)) }
            (chart)
        }
    }
}

/// A text whose numbers stay with their units at line breaks.
fn unbroken(text: &str) -> String {
    [" %", " ms", "± "].iter().fold(text.to_owned(), |text, part| text.replace(part, &part.replace(' ', "\u{a0}")))
}

/// Whether a statement supports or questions the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As expected.
    Good,
    /// To keep in mind.
    Doubtful,
    /// Not to be relied on.
    Bad,
    /// Not known.
    Unknown,
}

/// One line of a trust panel.
pub(crate) struct Statement {
    pub(crate) verdict: Verdict,
    pub(crate) subject: &'static str,
    pub(crate) text: String,
}

impl Statement {
    pub(crate) fn new(verdict: Verdict, subject: &'static str, text: impl Into<String>) -> Self {
        Self { verdict, subject, text: unbroken(&text.into()) }
    }
}

/// Statements, each with its verdict as sign, word and colour.
pub(crate) fn statements(all: &[Statement]) -> Markup {
    html! {
        ul.trust {
            @for statement in all {
                @let (class, sign, word) = match statement.verdict {
                    Verdict::Good => ("good", "✓", "fine"),
                    Verdict::Doubtful => ("doubtful", "!", "mind"),
                    Verdict::Bad => ("bad", "✗", "bad"),
                    Verdict::Unknown => ("unknown", "?", "unknown"),
                };
                li.(class) {
                    span.sign aria-label=(word) title=(word) { (sign) }
                    div { strong { (statement.subject) } " " (statement.text) }
                }
            }
        }
    }
}

/// Names and values.
pub(crate) fn facts<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in pairs {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// Names and values of several objects, one column each.
pub(crate) fn side_by_side<'a, V: AsRef<str>>(
    columns: &[&str],
    rows: impl IntoIterator<Item = (&'a str, Vec<V>)>,
) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th scope="col" {} @for column in columns { th scope="col" { (column) } } } }
                tbody {
                    @for (name, values) in rows {
                        tr { th scope="row" { (name) } @for value in values { td { (value.as_ref()) } } }
                    }
                }
            }
        }
    }
}

/// The most important figures of a report.
pub(crate) fn headline<M: AsRef<str>>(figures: impl IntoIterator<Item = (String, M)>) -> Markup {
    html! {
        div.headline {
            @for (value, meaning) in figures {
                div { strong { (unbroken(&value)) } span { (unbroken(meaning.as_ref())) } }
            }
        }
    }
}
