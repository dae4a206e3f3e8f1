//! The built-in spaces, by name.

use nasprof_base::suggest;

use super::error::SpaceError;
use super::space::Space;
use super::spec::SpaceSpec;

/// Name and description of every built-in space, in the order in which they are listed.
const BUILTIN: &[(&str, &str)] = &[
    ("darts-cifar10", include_str!("../../configs/spaces/darts-cifar10.toml")),
    ("darts-cifar10-deep", include_str!("../../configs/spaces/darts-cifar10-deep.toml")),
    ("darts-fashion-mnist", include_str!("../../configs/spaces/darts-fashion-mnist.toml")),
    ("fairnas-cifar10", include_str!("../../configs/spaces/fairnas-cifar10.toml")),
    ("fairnas-imagenet", include_str!("../../configs/spaces/fairnas-imagenet.toml")),
    ("mobilenet-cifar10", include_str!("../../configs/spaces/mobilenet-cifar10.toml")),
    ("mobilenet-fashion-mnist", include_str!("../../configs/spaces/mobilenet-fashion-mnist.toml")),
    ("mobilenet-imagenet", include_str!("../../configs/spaces/mobilenet-imagenet.toml")),
    ("mobilenet-v2-cifar10", include_str!("../../configs/spaces/mobilenet-v2-cifar10.toml")),
    ("mobilenet-v2-imagenet", include_str!("../../configs/spaces/mobilenet-v2-imagenet.toml")),
    ("nasbench201-cifar10", include_str!("../../configs/spaces/nasbench201-cifar10.toml")),
    ("nasbench201-cifar100", include_str!("../../configs/spaces/nasbench201-cifar100.toml")),
    ("nasbench201-imagenet16", include_str!("../../configs/spaces/nasbench201-imagenet16.toml")),
    ("ofa-mbv3", include_str!("../../configs/spaces/ofa-mbv3.toml")),
    ("ofa-resnet50", include_str!("../../configs/spaces/ofa-resnet50.toml")),
    ("ofa-xception", include_str!("../../configs/spaces/ofa-xception.toml")),
    ("pnas-cifar10", include_str!("../../configs/spaces/pnas-cifar10.toml")),
    ("random-wired-cifar10", include_str!("../../configs/spaces/random-wired-cifar10.toml")),
    ("zoph-cifar10", include_str!("../../configs/spaces/zoph-cifar10.toml")),
];

/// Names of the built-in spaces.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// The TOML text of a built-in space, which users copy to make a space of their own.
///
/// # Errors
/// If there is no built-in space of that name.
pub fn builtin_text(name: &str) -> Result<&'static str, SpaceError> {
    BUILTIN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
        .ok_or_else(|| SpaceError::Unknown { name: name.to_owned(), nearest: suggest::nearest(name, builtin_names()) })
}

impl Space {
    /// Builds a built-in space.
    ///
    /// # Errors
    /// If there is no built-in space of that name.
    pub fn builtin(name: &str) -> Result<Self, SpaceError> {
        SpaceSpec::parse(builtin_text(name)?)?.build(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_space_builds_under_its_name() {
        for name in builtin_names() {
            let space = Space::builtin(name).unwrap();
            assert_eq!(space.name, name);
            assert_eq!(space.graph.outputs().len(), 1);
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = Space::builtin("mobilnet-cifar10").unwrap_err().to_string();
        assert_eq!(error, "no space `mobilnet-cifar10` (did you mean `mobilenet-cifar10`?)");
        assert_eq!(Space::builtin("").unwrap_err().to_string(), "no space ``");
    }
}
