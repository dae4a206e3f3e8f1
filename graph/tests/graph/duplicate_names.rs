//! Files in which a name stands twice.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::distribution::DistributionFile;

fn refusal<T: serde::de::DeserializeOwned>(choices: &str) -> Option<String> {
    let text = format!("{{\"format_version\":1,\"space\":\"s\",\"choices\":{choices}}}");
    serde_json::from_str::<T>(&text).err().map(|e| e.to_string())
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    assert_eq!(refusal::<ArchFile>(r#"{"a":"x","b":"x"}"#), None);
    let refused = refusal::<ArchFile>(r#"{"a":"x","b":"x","a":"y"}"#);
    assert!(refused.is_some_and(|e| e.contains("`a` appears twice")));
    assert_eq!(refusal::<DistributionFile>(r#"{"a":{"x":0.5,"y":0.5},"b":{"x":1}}"#), None);
    let refused = refusal::<DistributionFile>(r#"{"a":{"x":1},"a":{"x":1}}"#);
    assert!(refused.is_some_and(|e| e.contains("`a` appears twice")));
}
