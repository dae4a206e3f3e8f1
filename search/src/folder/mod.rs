//! The folder of a run: which experiment it belongs to, and whether its files are intact.
//!
//! Every file that a run continues from has a SHA-256. `checkpoint/state.json` is sealed (it ends with a digest of itself)
//! and lists the files that the checkpoint needs; `run.sha256` lists the files of a finished run. A missing or altered file
//! is an error that names it. `log.txt` and `tensorboard/` are for people: no run reads them.

mod checkpoint;
mod claim;
mod error;
mod lock;
mod manifest;
mod part;
mod sealed;

pub use checkpoint::{Checkpoint, Header, STATE, read_checkpoint, read_header};
pub use claim::{Claim, claim, claim_sampled};
pub use error::FolderError;
pub use lock::{LOG, append_line, lock};
pub use manifest::{check_against_list, finished, reopen, write_result};
pub use part::Part;
pub(crate) use part::sha256;
pub(crate) use sealed::{seal, unseal};
