//! Table `[trainer]`: the network to train.

use serde::{Deserialize, Serialize};

/// Training of one network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trainer {
    /// The network: the `arch.json` of a search, a genotype file of DARTS cells, `darts-v2` (the cells of the paper), or
    /// `random` (drawn with the seed). Optional if the space has only one network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
}
