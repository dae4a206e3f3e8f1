//! Configuration text: TOML, or JSON with the same keys.

use toml::Table;

/// The keys of a text: JSON if it starts with a brace, else TOML. A `null` is refused: leave out a key without a value.
///
/// # Errors
/// A syntax error, with its position.
pub fn table(text: &str) -> Result<Table, String> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| e.to_string())
    } else {
        toml::from_str(text).map_err(|e| e.to_string().trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn both_formats_say_the_same() {
        let toml = table("a = 1\nb = [\"x\"]\n[c]\nd = 0.5\n").unwrap();
        assert_eq!(table(r#" {"a": 1, "b": ["x"], "c": {"d": 0.5}}"#).unwrap(), toml);
        for text in ["{\"a\": 1", "{\"a\": null}", "{\"a\": 1} b", "a", "{}{}"] {
            assert!(table(text).is_err(), "{text}");
        }
    }
}
