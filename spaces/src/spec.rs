//! From the text of a space file to a space.

use nasprof_base::{config_text, suggest};

use super::darts::DartsSpec;
use super::error::SpaceError;
use super::mobilenet::MobilenetSpec;
use super::ofa::{OfaMbv3Spec, OfaResnet50Spec, OfaXceptionSpec};
use super::random_wired::RandomWiredSpec;
use super::space::Space;
use super::zoph::ZophSpec;

/// A described space, by kind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SpaceSpec {
    /// DARTS cells, also those of PNAS.
    Darts(DartsSpec),
    /// MobileNetV2-like.
    Mobilenet(MobilenetSpec),
    /// Once-for-all MobileNetV3.
    OfaMbv3(OfaMbv3Spec),
    /// Once-for-all ResNet-50.
    OfaResnet50(OfaResnet50Spec),
    /// Once-for-all Xception.
    OfaXception(OfaXceptionSpec),
    /// A seeded random graph.
    RandomWired(RandomWiredSpec),
    /// One-shot cells after Zoph and Bender.
    Zoph(ZophSpec),
}

/// What is wrong with a value, and the key that it belongs to.
fn syntax(error: toml::de::Error) -> SpaceError {
    let problem = suggest::explain(error.message());
    // The key is part of what the error displays only.
    let displayed = error.to_string();
    match displayed.trim_end().rsplit_once("\nin ") {
        Some((_, key)) => SpaceError::Syntax(format!("key {key}: {problem}")),
        None => SpaceError::Syntax(problem),
    }
}

/// Kinds that a space file can name.
const KINDS: &[&str] = &["darts", "mobilenet", "ofa-mbv3", "ofa-resnet50", "ofa-xception", "random-wired", "zoph"];

/// Space files are a page of text; a larger one is not a space file.
const MAX_TEXT: usize = 1 << 20;

impl SpaceSpec {
    /// Reads a space file: TOML, or JSON, with `format_version`, `kind` and the keys of that kind.
    ///
    /// # Errors
    /// Syntax, an unknown key or kind (with the nearest known one), a wrong type.
    pub fn parse(text: &str) -> Result<Self, SpaceError> {
        if text.len() > MAX_TEXT {
            return Err(SpaceError::Syntax("the file is larger than 1 MiB".to_owned()));
        }
        let mut table = config_text::table(text).map_err(SpaceError::Syntax)?;
        match table.remove("format_version") {
            Some(toml::Value::Integer(1)) => {}
            Some(other) => {
                return Err(SpaceError::value(
                    "format_version",
                    format!("{other} is not known (this version reads 1)"),
                ));
            }
            None => return Err(SpaceError::value("format_version", "is missing; write `format_version = 1`")),
        }
        let kind = match table.remove("kind") {
            Some(toml::Value::String(kind)) => kind,
            Some(other) => return Err(SpaceError::value("kind", format!("must be a text, not {other}"))),
            None => return Err(SpaceError::value("kind", format!("is missing; known: {}", KINDS.join(", ")))),
        };
        match kind.as_str() {
            "darts" => Ok(Self::Darts(table.try_into().map_err(syntax)?)),
            "mobilenet" => Ok(Self::Mobilenet(table.try_into().map_err(syntax)?)),
            "ofa-mbv3" => Ok(Self::OfaMbv3(table.try_into().map_err(syntax)?)),
            "ofa-resnet50" => Ok(Self::OfaResnet50(table.try_into().map_err(syntax)?)),
            "ofa-xception" => Ok(Self::OfaXception(table.try_into().map_err(syntax)?)),
            "random-wired" => Ok(Self::RandomWired(table.try_into().map_err(syntax)?)),
            "zoph" => Ok(Self::Zoph(table.try_into().map_err(syntax)?)),
            _ => {
                let nearest = suggest::nearest(&kind, KINDS.iter().copied());
                let problem = format!("no kind `{kind}`{}", suggest::did_you_mean(nearest.as_deref()));
                Err(SpaceError::value("kind", problem))
            }
        }
    }

    /// Builds the supernet.
    ///
    /// # Errors
    /// A value that makes no sense or a network that cannot be built.
    pub fn build(&self, name: &str) -> Result<Space, SpaceError> {
        match self {
            Self::Darts(spec) => spec.build(name),
            Self::Mobilenet(spec) => spec.build(name),
            Self::OfaMbv3(spec) => spec.build(name),
            Self::OfaResnet50(spec) => spec.build(name),
            Self::OfaXception(spec) => spec.build(name),
            Self::RandomWired(spec) => spec.build(name),
            Self::Zoph(spec) => spec.build(name),
        }
    }
}
