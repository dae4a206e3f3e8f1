//! Reads many architectures of one space, without a copy of the names in each.

use std::fmt;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::arch::{Arch, Choice};

/// The names of a space's choices and candidates, indexed for lookup.
#[derive(Debug, Clone)]
pub struct ArchReader {
    space: String,
    choices: FxHashMap<String, (usize, FxHashMap<String, u16>)>,
}

impl ArchReader {
    /// A reader for the architectures of a space.
    #[must_use]
    pub fn new(space: &str, choices: &[Choice]) -> Self {
        let of_choice = |(i, choice): (usize, &Choice)| {
            let candidates = choice.candidates.iter().enumerate();
            // Of candidates with one name the first counts, as in `ArchFile::resolve`.
            (choice.name.clone(), (i, candidates.rev().map(|(i, name)| (name.clone(), i as u16)).collect()))
        };
        Self { space: space.to_owned(), choices: choices.iter().enumerate().map(of_choice).collect() }
    }

    /// Parses one architecture. `None` if the text is no architecture or has an unusual form: then
    /// [`ArchFile`](crate::arch::ArchFile) reads it or reports the error.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Arch> {
        // serde accepts a list of values in place of the named fields.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let file: Borrowed<'_> = serde_json::from_str(text).ok()?;
        let fits = file.format_version == 1 && file.space == self.space && file.choices.0.len() == self.choices.len();
        let mut selected = vec![u16::MAX; if fits { self.choices.len() } else { return None }];
        for (choice, candidate) in file.choices.0 {
            let (i, candidates) = self.choices.get(choice)?;
            let candidate = *candidates.get(candidate)?;
            // There are as many entries as choices, and none twice: each choice has one.
            (std::mem::replace(&mut selected[*i], candidate) == u16::MAX).then_some(())?;
        }
        Some(Arch(selected))
    }
}

/// [`ArchFile`](crate::arch::ArchFile), borrowed from its text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Borrowed<'a> {
    format_version: u32,
    space: &'a str,
    #[serde(borrow)]
    choices: Pairs<'a>,
}

struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arch::ArchFile;

    fn choices() -> Vec<Choice> {
        let choice = |name: &str, candidates: &[&str]| Choice {
            name: name.to_owned(),
            candidates: candidates.iter().map(|&c| c.to_owned()).collect(),
        };
        vec![choice("a", &["x", "y"]), choice("b", &["x", "\u{e9}", "z"])]
    }

    /// The fast reader either agrees with the careful reader or leaves the text to it.
    fn agrees(text: &str) -> bool {
        let careful = ArchFile::parse(text).and_then(|file| file.resolve("s", &choices())).ok();
        let fast = ArchReader::new("s", &choices()).read(text);
        assert!(fast.is_none() || fast == careful, "{text}: {fast:?} {careful:?}");
        fast.is_some()
    }

    #[test]
    fn usual_texts_are_read_and_all_others_are_left() {
        let usual = r#"{"format_version":1,"space":"s","choices":{"a":"y","b":"é"}}"#;
        assert!(agrees(usual));
        assert!(agrees(r#" { "choices": {"b": "z", "a": "x"}, "space": "s", "format_version": 1 } "#));
        for (from, to) in [
            ("1", "2"),
            ("\"s\"", "\"t\""),
            ("\"y\"", "\"q\""),
            ("\"a\"", "\"c\""),
            (",\"b\":\"é\"", ""),
            (",\"b\"", ",\"a\""),
            ("}}", "},\"more\":1}"),
            ("}}", "}"),
            ("}}", "}} {}"),
            ("\"y\"", "7"),
            ("\"y\"", r#""\u0079""#),
        ] {
            let changed = usual.replacen(from, to, 1);
            assert_ne!(changed, usual);
            assert!(!agrees(&changed), "{changed}");
        }
        assert!(!agrees(r#"[1,"s",{"a":"x","b":"x"}]"#));
    }

    proptest! {
        #[test]
        fn damaged_texts_are_never_read_differently(
            at in 0_usize..62, byte in any::<char>(), cut in 0_usize..4, repeat in 0_usize..3,
        ) {
            let usual = r#"{"format_version":1,"space":"s","choices":{"a":"y","b":"z"}}"#;
            let at = at.min(usual.len());
            let end = (at + cut).min(usual.len());
            let inserted = byte.to_string().repeat(repeat);
            agrees(&format!("{}{inserted}{}", &usual[..at], &usual[end..]));
        }
    }
}
