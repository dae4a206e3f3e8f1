//! JSON that ends with a digest of itself, which detects a single flipped bit.
//!
//! The last member of the object is `sha256`: the digest of all text before its comma. The result is plain JSON.

use serde::Serialize;

use super::part::sha256;

const MEMBER: &str = ",\"sha256\":\"";

/// Writes an object as JSON, with its digest as the last member.
///
/// # Errors
/// A value that JSON cannot represent.
pub(crate) fn seal(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(value)?;
    let closed = text.pop();
    debug_assert_eq!(closed, Some('}'), "only objects are sealed");
    let digest = sha256(text.as_bytes());
    Ok(format!("{text}{MEMBER}{digest}\"}}"))
}

/// The object without its digest, if the digest is correct.
pub(crate) fn unseal(text: &str) -> Option<String> {
    let (body, digest) = text.trim_end().rsplit_once(MEMBER)?;
    let digest = digest.strip_suffix("\"}")?;
    (sha256(body.as_bytes()) == digest).then(|| format!("{body}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let value = serde_json::json!({"a": 1.5, "b": ["x", ",\"sha256\":\""]});
        let text = seal(&value).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&unseal(&text).unwrap()).unwrap(), value);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["a"], 1.5, "it is plain JSON");
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            assert_eq!(unseal(&flipped), None, "bit {at}: {flipped}");
        }
    }
}
