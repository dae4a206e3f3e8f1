//! "Did you mean": the known name that is closest to a mistyped one.

use strsim::levenshtein;

/// A longer text is no mistyped name, and the distance takes steps in proportion to the product of both lengths.
const MAX_CHARACTERS: usize = 100;

/// A shorter text is part of too many names.
const MIN_PART: usize = 3;

/// The known name with the smallest edit distance, if it is near enough; else the shortest known name that contains the
/// given one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let length = name.chars().count();
    if length > MAX_CHARACTERS {
        return None;
    }
    let known: Vec<&str> = known.into_iter().filter(|k| k.chars().count() <= MAX_CHARACTERS).collect();
    let near = known.iter().map(|k| (levenshtein(name, k), *k)).min();
    near.filter(|(distance, k)| *distance <= 1 + length.max(k.chars().count()) / 3)
        .map(|(_, k)| k)
        .or_else(|| {
            let whole = known.iter().copied().filter(|k| length >= MIN_PART && k.contains(name));
            whole.min_by_key(|k| (k.len(), *k))
        })
        .map(ToOwned::to_owned)
}

/// `, did you mean ...` for an error message, or nothing.
#[must_use]
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"))
}

/// Explains serde's error in a file that people write: gives ranges instead of types for numbers, and adds the nearest
/// name to "unknown field `x`, expected one of `a`, `b`".
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

/// Replaces Rust's number types by their ranges.
fn in_numbers(message: &str) -> String {
    let Some((before, after)) = message.split_once(", expected ") else { return message.to_owned() };
    let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
    let (kind, rest) = after.split_at(end);
    let words = match kind {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of at least 0",
        "i64" => "a whole number",
        "f32" | "f64" => "a number",
        _ => return message.to_owned(),
    };
    format!("{before}, expected {words}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_near_and_leaves_the_far() {
        assert_eq!(nearest("candidats", ["candidates", "settings"]), Some("candidates".to_owned()));
        assert_eq!(nearest("zzzzzz", ["candidates", "settings"]), None);
        assert_eq!(nearest(&"candidates".repeat(20), ["candidates", "settings"]), None);
    }

    #[test]
    fn finds_a_name_by_a_part_of_it() {
        let known = ["ofa-resnet50-large", "ofa-resnet50", "darts"];
        assert_eq!(nearest("resnet", known), Some("ofa-resnet50".to_owned()));
        // Control: two letters are part of too many names, and a near name has priority over one that contains the
        // text.
        assert_eq!(nearest("re", known), None);
        assert_eq!(nearest("resnet", ["ofa-resnet50", "rasnet"]), Some("rasnet".to_owned()));
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
