//! Builds a space from the text of a space file.

use nasprof_base::{config_text, suggest};
use toml::Table;

use super::darts::DartsSpec;
use super::error::SpaceError;
use super::mobilenet::MobilenetSpec;
use super::nasbench201::Nasbench201Spec;
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
    /// The cells of NAS-Bench-201.
    Nasbench201(Nasbench201Spec),
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

/// The problem of a value, with its key.
fn syntax(error: toml::de::Error) -> SpaceError {
    let problem = suggest::explain(error.message());
    // Only the displayed error has the key.
    let displayed = error.to_string();
    match displayed.trim_end().rsplit_once("\nin ") {
        Some((_, key)) => SpaceError::Syntax(format!("key {key}: {problem}")),
        None => SpaceError::Syntax(problem),
    }
}

/// All kinds, for a message.
fn in_a_row() -> String {
    kinds().collect::<Vec<_>>().join(", ")
}

/// Reads a description of one kind from a file's keys.
type Read = fn(Table) -> Result<SpaceSpec, toml::de::Error>;

/// Kinds that a space file can name; `docs/spaces/` has a page on each.
const KINDS: &[(&str, Read)] = &[
    ("darts", |keys| keys.try_into().map(SpaceSpec::Darts)),
    ("mobilenet", |keys| keys.try_into().map(SpaceSpec::Mobilenet)),
    ("nasbench201", |keys| keys.try_into().map(SpaceSpec::Nasbench201)),
    ("ofa-mbv3", |keys| keys.try_into().map(SpaceSpec::OfaMbv3)),
    ("ofa-resnet50", |keys| keys.try_into().map(SpaceSpec::OfaResnet50)),
    ("ofa-xception", |keys| keys.try_into().map(SpaceSpec::OfaXception)),
    ("random-wired", |keys| keys.try_into().map(SpaceSpec::RandomWired)),
    ("zoph", |keys| keys.try_into().map(SpaceSpec::Zoph)),
];

/// Names of the kinds that a space file can have.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

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
            Some(other) => return Err(SpaceError::value("kind", format!("must be a string, not {other}"))),
            None => return Err(SpaceError::value("kind", format!("is missing; known: {}", in_a_row()))),
        };
        match KINDS.iter().find(|(name, _)| *name == kind) {
            Some((_, read)) => read(table).map_err(syntax),
            None => {
                let nearest = suggest::did_you_mean(suggest::nearest(&kind, kinds()).as_deref());
                Err(SpaceError::value("kind", format!("no kind `{kind}`{nearest}; known: {}", in_a_row())))
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
            Self::Nasbench201(spec) => spec.build(name),
            Self::OfaMbv3(spec) => spec.build(name),
            Self::OfaResnet50(spec) => spec.build(name),
            Self::OfaXception(spec) => spec.build(name),
            Self::RandomWired(spec) => spec.build(name),
            Self::Zoph(spec) => spec.build(name),
        }
    }
}
