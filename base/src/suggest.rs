//! "Did you mean": the known name that is closest to a mistyped one.

/// The known name with the smallest edit distance, if it is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|k| (distance(name, k), k))
        .min()
        .filter(|(d, k)| *d <= 1 + name.chars().count().max(k.chars().count()) / 3)
        .map(|(_, k)| k.to_owned())
}

/// `, did you mean ...` for an error message, or nothing.
#[must_use]
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"))
}

/// What serde found wrong with a file that people write, for people: numbers by their range and not by their type, and the
/// nearest name to an unknown one of "unknown field `x`, expected one of `a`, `b`".
#[must_use]
pub fn explain(message: &str) -> String {
    let message = in_numbers(message);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((name, known)) if message.contains("unknown field") || message.contains("unknown variant") => {
            format!("{message}{}", did_you_mean(nearest(name, known.iter().copied()).as_deref()))
        }
        _ => message,
    }
}

/// Rust's number types as what they hold.
fn in_numbers(message: &str) -> String {
    let Some((before, after)) = message.split_once(", expected ") else { return message.to_owned() };
    let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
    let (kind, rest) = after.split_at(end);
    let words = match kind {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 on",
        "i64" => "a whole number",
        "f32" | "f64" => "a number",
        _ => return message.to_owned(),
    };
    format!("{before}, expected {words}{rest}")
}

/// Levenshtein distance. Long hostile names are cut: beyond 100 characters nobody mistyped a known one.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_near_and_leaves_the_far() {
        assert_eq!(nearest("candidats", ["candidates", "settings"]), Some("candidates".to_owned()));
        assert_eq!(nearest("zzzzzz", ["candidates", "settings"]), None);
    }

    #[test]
    fn explains_serde_messages() {
        let message = explain("unknown field `sesions`, expected one of `sessions`, `rounds`");
        assert!(message.ends_with("(did you mean `sessions`?)"), "{message}");
        for whole in ["missing field `a`", "invalid type: map, expected a string", "a, expected u32x"] {
            assert_eq!(explain(whole), whole);
        }
        let negative = explain("invalid value: integer `-1`, expected u32 at line 1 column 2");
        assert_eq!(
            negative,
            "invalid value: integer `-1`, expected a whole number from 0 to 4294967295 at line 1 column 2"
        );
    }
}
