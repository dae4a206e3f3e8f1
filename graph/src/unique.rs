//! Maps in files, read so that no name stands twice: of two values the reader would silently take one.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Reads a map from names; for serde's `deserialize_with`.
pub(crate) fn names<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    deserializer.deserialize_map(Names(PhantomData))
}

struct Names<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Names<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, V>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands twice")));
            }
            map.insert(name, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use crate::arch::ArchFile;
    use crate::distribution::DistributionFile;

    fn refusal<T: serde::de::DeserializeOwned>(choices: &str) -> Option<String> {
        let text = format!("{{\"format_version\":1,\"space\":\"s\",\"choices\":{choices}}}");
        serde_json::from_str::<T>(&text).err().map(|e| e.to_string())
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        assert_eq!(refusal::<ArchFile>(r#"{"a":"x","b":"x"}"#), None);
        let refused = refusal::<ArchFile>(r#"{"a":"x","b":"x","a":"y"}"#);
        assert!(refused.is_some_and(|e| e.contains("`a` stands twice")));
        assert_eq!(refusal::<DistributionFile>(r#"{"a":{"x":0.5,"y":0.5},"b":{"x":1}}"#), None);
        let refused = refusal::<DistributionFile>(r#"{"a":{"x":1},"a":{"x":1}}"#);
        assert!(refused.is_some_and(|e| e.contains("`a` stands twice")));
    }
}
