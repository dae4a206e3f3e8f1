//! Table `[trainer]`: the network to train.

use serde::{Deserialize, Serialize};

/// Training of one network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trainer {
    /// Which network of the space: the `arch.json` of a search, a genotype file of DARTS cells, `darts-v2` (the cells of
    /// the paper), or `random` (drawn by the seed). Left out where the space has one network only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
}
