//! Plain tables that fit 80 columns.

/// Milliseconds with four significant digits.
pub(super) fn ms(value: f64) -> String {
    let digits = if value > 0.0 { (3 - value.log10().floor() as i32).clamp(0, 6) as usize } else { 0 };
    format!("{value:.digits$} ms")
}

/// A fraction as percent.
pub(super) fn percent(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// A text cut to a width, with a mark where it was cut.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}

/// A bar of up to ten characters.
pub(super) fn bar(share: f64) -> String {
    "#".repeat((share.clamp(0.0, 1.0) * 10.0).round() as usize)
}
