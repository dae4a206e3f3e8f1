//! The folder of a run: whose it is, and whether it is as the run left it.
//!
//! Everything that a run goes on from carries a SHA-256. `checkpoint/state.json` is sealed (it ends with a digest of
//! itself) and lists the files that the checkpoint stands on; `run.sha256` lists the files of a finished run. A file that is
//! missing or altered is an error that names it. `log.txt` and `tensorboard/` are for people: no run reads them.

mod checkpoint;
mod claim;
mod error;
mod manifest;
mod part;
mod sealed;

pub use checkpoint::{Checkpoint, Header, STATE, read_checkpoint, read_header};
pub use claim::{Claim, claim, claim_sampled};
pub use error::FolderError;
pub use manifest::{finished, reopen, write_result};
pub use part::Part;
pub(crate) use part::{hex, sha256};
pub(crate) use sealed::{seal, unseal};
