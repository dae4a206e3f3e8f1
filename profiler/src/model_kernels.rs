//! Matches the kernels of two measurements of one model.

use std::collections::HashMap;
use std::hash::Hash;

use crate::protocol::ModelKernel;

/// For each kernel of a later session, the index of the same kernel in the first session; `None` if there is none.
///
/// A runtime optimises a model again in each session. Kernels that it adds, such as copies between layouts, get names from a
/// counter, and kernels of branches may change their order. So a kernel without a partner of the same name is matched by its
/// computation, in the order of execution.
#[must_use]
pub fn partners(first: &[ModelKernel], later: &[ModelKernel]) -> Vec<Option<usize>> {
    let mut found = vec![None; later.len()];
    pair(&mut found, first, later, |kernel| Some((kernel.name.as_str(), work(kernel))));
    pair(&mut found, first, later, |kernel| Some(work(kernel)));
    found
}

/// Matches each later kernel without a partner to the earliest unmatched kernel of `first` with the same key. A kernel
/// without a key gets no partner.
pub fn pair<'a, K, Q: Hash + Eq>(
    found: &mut [Option<usize>],
    first: &'a [K],
    later: &'a [K],
    key: impl Fn(&'a K) -> Option<Q>,
) {
    let mut taken = vec![false; first.len()];
    found.iter().flatten().for_each(|&index| taken[index] = true);
    let mut open: HashMap<Q, Vec<usize>> = HashMap::new();
    // In reverse order, so that `pop` returns the earliest.
    for (index, kernel) in first.iter().enumerate().rev().filter(|(index, _)| !taken[*index]) {
        if let Some(key) = key(kernel) {
            open.entry(key).or_default().push(index);
        }
    }
    for (place, kernel) in found.iter_mut().zip(later).filter(|(place, _)| place.is_none()) {
        *place = key(kernel).and_then(|key| open.get_mut(&key)?.pop());
    }
}

type Work<'a> = (&'a str, &'a str, &'a [String], &'a [String], u64);

/// The computation of a kernel, and its provider.
fn work(kernel: &ModelKernel) -> Work<'_> {
    (&kernel.operator, &kernel.provider, &kernel.inputs, &kernel.outputs, kernel.parameter_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(name: &str, operator: &str, size: usize) -> ModelKernel {
        ModelKernel {
            name: name.to_owned(),
            operator: operator.to_owned(),
            provider: "CPUExecutionProvider".to_owned(),
            inputs: vec![format!("f32 1x{size}")],
            outputs: vec![format!("f32 1x{size}")],
            parameter_bytes: 0,
        }
    }

    #[test]
    fn names_from_a_counter_and_branches_in_another_order_do_not_matter() {
        let first = [
            kernel("a", "Conv", 8),
            kernel("reorder_1", "Reorder", 8),
            kernel("b", "Conv", 4),
            kernel("reorder_2", "Reorder", 4),
        ];
        let later = [
            kernel("b", "Conv", 4),
            kernel("reorder", "Reorder", 4),
            kernel("a", "Conv", 8),
            kernel("reorder_2", "Reorder", 8),
        ];
        assert_eq!(partners(&first, &later), [Some(2), Some(3), Some(0), Some(1)]);
    }

    #[test]
    fn equal_kernels_keep_their_names_and_else_their_order() {
        let first = [kernel("x", "Relu", 8), kernel("y", "Relu", 8), kernel("z", "Relu", 8)];
        let later = [kernel("y", "Relu", 8), kernel("new", "Relu", 8), kernel("newer", "Relu", 8)];
        assert_eq!(partners(&first, &later), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn another_kernel_has_no_partner() {
        let first = [kernel("x", "Relu", 8)];
        assert_eq!(partners(&first, &[kernel("x", "Sigmoid", 8)]), [None]);
        assert_eq!(partners(&first, &[kernel("x", "Relu", 4)]), [None]);
        assert_eq!(partners(&first, &[kernel("x", "Relu", 8), kernel("x", "Relu", 8)]), [Some(0), None]);
    }
}
