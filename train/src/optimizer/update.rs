//! Calls of `update.cpp`: updates of many tensors at once.

use std::ffi::{c_char, c_double, c_int, c_uchar};

use tch::{TchError, Tensor};

use crate::called::{CTensor, called, made};

/// A pointer to a tensor in C++.
type Pointer = *const CTensor;

/// The rules, in the order of `update.cpp`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Sgd = 0,
    Momentum = 1,
    Nesterov = 2,
    Adam = 3,
}

/// The settings of a step; `update.cpp` has the same struct.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Step {
    pub(super) rule: c_int,
    pub(super) rate: c_double,
    pub(super) momentum: c_double,
    pub(super) beta1: c_double,
    pub(super) beta2: c_double,
    pub(super) epsilon: c_double,
    /// Multiple of the tensor that is added to its gradient.
    pub(super) decay: c_double,
    /// Maximum L2 norm of one tensor's gradient; 0 for no limit.
    pub(super) clip: c_double,
    /// Scale of the gradients; 0 for no scale and no check for overflow.
    pub(super) scale: c_double,
}

#[expect(unsafe_code, reason = "functions of our own update.cpp; they catch what libtorch throws")]
unsafe extern "C" {
    fn nasprof_update(
        step: *const Step,
        tensors: *const Pointer,
        gradients: *const Pointer,
        first: *const Pointer,
        second: *const Pointer,
        rates: *const c_double,
        decays: *const c_uchar,
        count: usize,
        rate: Pointer,
        segments: Pointer,
        finite: *mut c_uchar,
        words: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn nasprof_segments(tensors: *const Pointer, count: usize, words: *mut c_char, capacity: usize) -> *mut CTensor;
    fn nasprof_add(
        tensors: *const Pointer,
        others: *const Pointer,
        count: usize,
        by: c_double,
        words: *mut c_char,
        capacity: usize,
    ) -> c_int;
    fn nasprof_copy(
        tensors: *const Pointer,
        others: *const Pointer,
        count: usize,
        words: *mut c_char,
        capacity: usize,
    ) -> c_int;
}

fn pointers(tensors: &[Tensor]) -> Vec<Pointer> {
    tensors.iter().map(|tensor| tensor.as_ptr().cast()).collect()
}

/// Calls a function that returns 0 where it succeeds.
fn done(call: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<(), TchError> {
    called(call, |&returned| returned != 0).map(drop)
}

fn alike(counts: &[usize]) -> Result<(), TchError> {
    if counts.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(TchError::Shape(format!("lists of {counts:?} tensors")))
}

/// The tensors of one step. All lists have the same length; `first`, `second` and `rates` are empty if the rule does not use
/// them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) tensors: Vec<Tensor>,
    pub(super) gradients: Vec<Tensor>,
    pub(super) first: Vec<Tensor>,
    pub(super) second: Vec<Tensor>,
    /// Learning rates of Adam, with bias correction.
    pub(super) rates: Vec<f64>,
    /// Whether the weight decay applies.
    pub(super) decays: Vec<bool>,
}

/// Device tensors that a step reads: the learning rate, which replaces that of [`Step`], and the segments if it clips and
/// they are known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OnDevice<'t> {
    pub(super) rate: Option<&'t Tensor>,
    pub(super) segments: Option<&'t Tensor>,
}

/// One step of all tensors. Returns `false` if scaled gradients overflowed; then nothing changes.
pub(super) fn update(step: &Step, lists: &Lists, on_device: OnDevice<'_>) -> Result<bool, TchError> {
    let count = lists.tensors.len();
    let of_rule = |n: usize, has: bool| if has { n } else { count + n };
    let (adam, moves) = (step.rule == Rule::Adam as c_int, step.rule != Rule::Sgd as c_int);
    alike(&[
        count,
        lists.gradients.len(),
        of_rule(lists.first.len(), moves),
        of_rule(lists.second.len(), adam),
        of_rule(lists.rates.len(), adam),
        lists.decays.len(),
    ])?;
    let [tensors, gradients, first, second] =
        [&lists.tensors, &lists.gradients, &lists.first, &lists.second].map(|list| pointers(list));
    let decays: Vec<c_uchar> = lists.decays.iter().map(|&d| c_uchar::from(d)).collect();
    let pointer = |tensor: Option<&Tensor>| tensor.map_or(std::ptr::null(), |t| t.as_ptr().cast());
    fn or_null<T>(list: &[T]) -> *const T {
        if list.is_empty() { std::ptr::null() } else { list.as_ptr() }
    }
    let mut finite: c_uchar = 1;
    done(|words, capacity| {
        #[expect(unsafe_code, reason = "lists of `count` tensors that live through the call, or null for empty ones")]
        unsafe {
            nasprof_update(
                step,
                tensors.as_ptr(),
                gradients.as_ptr(),
                or_null(&first),
                or_null(&second),
                or_null(&lists.rates),
                decays.as_ptr(),
                count,
                pointer(on_device.rate),
                pointer(on_device.segments),
                &mut finite,
                words,
                capacity,
            )
        }
    })?;
    Ok(finite == 1)
}

/// For each element of the concatenated tensors, the index of its tensor.
pub(super) fn segments(tensors: &[Tensor]) -> Result<Tensor, TchError> {
    let tensors = pointers(tensors);
    made(|words, capacity| {
        #[expect(unsafe_code, reason = "a list of tensors that live through the call")]
        unsafe {
            nasprof_segments(tensors.as_ptr(), tensors.len(), words, capacity)
        }
    })
}

/// `tensor += by * other` for each pair; autograd does not record it.
pub(crate) fn add_to_all(tensors: &[Tensor], others: &[Tensor], by: f64) -> Result<(), TchError> {
    alike(&[tensors.len(), others.len()])?;
    let (tensors, others) = (pointers(tensors), pointers(others));
    done(|words, capacity| {
        #[expect(unsafe_code, reason = "two lists of as many tensors, which live through the call")]
        unsafe {
            nasprof_add(tensors.as_ptr(), others.as_ptr(), tensors.len(), by, words, capacity)
        }
    })
}

/// `tensor = other` for each pair; autograd does not record it.
pub(crate) fn copy_to_all(tensors: &[Tensor], others: &[Tensor]) -> Result<(), TchError> {
    alike(&[tensors.len(), others.len()])?;
    let (tensors, others) = (pointers(tensors), pointers(others));
    done(|words, capacity| {
        #[expect(unsafe_code, reason = "two lists of as many tensors, which live through the call")]
        unsafe {
            nasprof_copy(tensors.as_ptr(), others.as_ptr(), tensors.len(), words, capacity)
        }
    })
}
