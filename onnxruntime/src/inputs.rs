//! Values for the inputs of networks and models.

use std::collections::BTreeMap;
use std::rc::Rc;

use ort::session::Session as OrtSession;
use ort::value::{DynValue, Outlet, PrimitiveTensorElementType, Tensor, TensorElementType, ValueType};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::session::words;

/// Maximum number of elements of an input.
const MAX_ELEMENTS: u64 = 1 << 30;

/// Input values by name.
pub(crate) struct Inputs(Vec<(String, Rc<DynValue>)>);

impl Inputs {
    /// Random values for a network's inputs. Floats have a variance of one third, which keeps activations far from denormal
    /// numbers.
    ///
    /// # Errors
    /// If a value cannot be created.
    pub(crate) fn random(session: &OrtSession, seed: u64) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inputs = session.inputs().iter().map(|input| {
            let shape = shape(input, &BTreeMap::new())?;
            let value = match input.dtype() {
                ValueType::Tensor { ty: TensorElementType::Uint8, .. } => {
                    filled(&shape, || rng.random_range(0..=u8::MAX))?
                }
                _ => value(input, &shape, 1, &mut rng)?,
            };
            Ok((input.name().to_owned(), Rc::new(value)))
        });
        Ok(Self(inputs.collect::<Result<_, String>>()?))
    }

    /// Values for a model's inputs. Inputs that are not in `given` get random floats as in [`Inputs::random`], or `whole` in
    /// every integer element; `whole` may not suit an index, a length or a mask.
    ///
    /// # Errors
    /// If an input has unknown sizes or is not a tensor.
    pub(crate) fn of_model(
        session: &OrtSession,
        shapes: &BTreeMap<String, Vec<u64>>,
        given: &BTreeMap<String, Rc<DynValue>>,
        whole: i64,
        seed: u64,
    ) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let named = |input: &&Outlet| !given.contains_key(input.name()) && !shapes.contains_key(input.name());
        let open: Vec<String> = session.inputs().iter().filter(named).filter_map(open).collect();
        if !open.is_empty() {
            return Err(format!("the open sizes of its inputs must be given: {}", open.join("; ")));
        }
        let inputs = session.inputs().iter().filter(|input| !given.contains_key(input.name()));
        let inputs = inputs.map(|input| {
            let shape = shape(input, shapes)?;
            Ok((input.name().to_owned(), Rc::new(value(input, &shape, whole, &mut rng)?)))
        });
        let filled = inputs.collect::<Result<Vec<_>, String>>()?;
        let given = given.iter().map(|(name, value)| (name.clone(), Rc::clone(value)));
        Ok(Self(filled.into_iter().chain(given).collect()))
    }

    /// The inputs as text: name, type and shape.
    pub(crate) fn describe(&self) -> Vec<String> {
        self.0.iter().map(|(name, value)| format!("{name}: {}", described(value.dtype()))).collect()
    }

    /// Runs a session with these inputs.
    ///
    /// # Errors
    /// The runtime's message.
    pub(crate) fn run(&self, session: &mut OrtSession) -> Result<(), String> {
        let values: Vec<(&str, &DynValue)> = self.0.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
        session.run(values).map(drop).map_err(|e| words(&e.to_string()))
    }
}

fn described(of: &ValueType) -> String {
    match of {
        ValueType::Tensor { ty, shape, .. } => {
            let sizes: Vec<String> =
                shape.iter().map(|&d| if d < 0 { "?".to_owned() } else { d.to_string() }).collect();
            format!("{ty} {}", if sizes.is_empty() { "scalar".to_owned() } else { sizes.join("x") })
        }
        other => other.to_string(),
    }
}

/// An input as text, if sizes other than the batch are unknown.
fn open(input: &Outlet) -> Option<String> {
    let ValueType::Tensor { shape, .. } = input.dtype() else { return None };
    let open = shape.iter().skip(1).any(|&size| size < 0);
    open.then(|| format!("{}: {}", input.name(), described(input.dtype())))
}

/// The shape of an input: as given, else as in the model, with 1 for unknown sizes.
fn shape(input: &Outlet, given: &BTreeMap<String, Vec<u64>>) -> Result<Vec<i64>, String> {
    let name = input.name();
    let ValueType::Tensor { shape, .. } = input.dtype() else {
        return Err(format!(
            "input `{name}` is not a tensor but {}, which a file of values cannot hold",
            input.dtype()
        ));
    };
    let said = described(input.dtype());
    let sizes = match given.get(name) {
        Some(sizes) => {
            let fits = sizes.len() == shape.len()
                && shape.iter().zip(sizes).all(|(&said, &size)| said < 0 || said as u64 == size);
            if !fits {
                let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
                return Err(format!("input `{name}` is {said}, and cannot have the shape {}", sizes.join("x")));
            }
            sizes.clone()
        }
        None => shape.iter().map(|&size| if size < 0 { 1 } else { size as u64 }).collect(),
    };
    let elements = sizes.iter().try_fold(1_u64, |all, &size| all.checked_mul(size));
    if elements.is_none_or(|elements| elements > MAX_ELEMENTS) {
        return Err(format!("input `{name}` would have more than {MAX_ELEMENTS} elements"));
    }
    Ok(sizes.iter().map(|&size| size as i64).collect())
}

fn value(input: &Outlet, shape: &[i64], whole: i64, rng: &mut ChaCha8Rng) -> Result<DynValue, String> {
    let ValueType::Tensor { ty, .. } = input.dtype() else {
        return Err(format!("input `{}` is not a tensor", input.name()));
    };
    match ty {
        TensorElementType::Float32 => filled(shape, || rng.random_range(-1.0_f32..1.0)),
        TensorElementType::Float64 => filled(shape, || rng.random_range(-1.0_f64..1.0)),
        TensorElementType::Float16 => filled(shape, || half::f16::from_f32(rng.random_range(-1.0_f32..1.0))),
        TensorElementType::Bfloat16 => filled(shape, || half::bf16::from_f32(rng.random_range(-1.0_f32..1.0))),
        TensorElementType::Bool => filled(shape, || true),
        TensorElementType::Int8 => filled(shape, || whole as i8),
        TensorElementType::Int16 => filled(shape, || whole as i16),
        TensorElementType::Int32 => filled(shape, || whole as i32),
        TensorElementType::Int64 => filled(shape, || whole),
        TensorElementType::Uint8 => filled(shape, || whole as u8),
        TensorElementType::Uint16 => filled(shape, || whole as u16),
        TensorElementType::Uint32 => filled(shape, || whole as u32),
        TensorElementType::Uint64 => filled(shape, || whole as u64),
        TensorElementType::String => {
            let texts = vec!["a"; elements(shape)];
            let tensor = Tensor::from_string_array((shape.to_vec(), &*texts)).map_err(|e| e.to_string())?;
            Ok(tensor.into_dyn())
        }
        other => Err(format!("input `{}` has elements of type {other}, which cannot be generated", input.name())),
    }
}

fn elements(shape: &[i64]) -> usize {
    shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).product()
}

/// A tensor whose elements come from `next`.
fn filled<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
    shape: &[i64],
    next: impl FnMut() -> T,
) -> Result<DynValue, String> {
    tensor(shape, std::iter::repeat_with(next).take(elements(shape)).collect())
}

/// A tensor with the given elements.
pub(crate) fn tensor<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
    shape: &[i64],
    values: Vec<T>,
) -> Result<DynValue, String> {
    Ok(Tensor::from_array((shape.to_vec(), values)).map_err(|e| e.to_string())?.into_dyn())
}
