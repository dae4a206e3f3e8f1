//! Custom operations: registered once by name, then used like built-in ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::Shape;

/// The shape and cost rules of a custom operation.
pub trait CustomOp: Send + Sync {
    /// The registered name; it must not be the name of a built-in operation.
    fn kind(&self) -> &str;

    /// Output shape from input shapes (batch first).
    ///
    /// # Errors
    /// A sentence saying what does not fit.
    fn shape(&self, attributes: &BTreeMap<String, String>, inputs: &[&Shape]) -> Result<Shape, String>;

    /// Trainable parameters.
    fn params(&self, _attributes: &BTreeMap<String, String>, _inputs: &[&Shape]) -> u64 {
        0
    }

    /// Multiply-accumulates; each counts as 1.
    fn macs(&self, _attributes: &BTreeMap<String, String>, _inputs: &[&Shape]) -> u64 {
        0
    }
}

type Registry = RwLock<HashMap<String, Arc<dyn CustomOp>>>;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::default)
}

/// Registers an operation; a second one of the same name replaces the first.
pub fn register(op: Arc<dyn CustomOp>) {
    let mut ops = registry().write().unwrap_or_else(PoisonError::into_inner);
    ops.insert(op.kind().to_owned(), op);
}

/// The operation registered under a name.
#[must_use]
pub fn find(kind: &str) -> Option<Arc<dyn CustomOp>> {
    registry().read().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
}
