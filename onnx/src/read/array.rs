//! Arithmetic on constants: shapes that a model computes, and weights that it prepares.

use super::super::schema::{BOOL, FLOAT, INT32, INT64};
use super::message::{MAX_COMPUTED, Tensor};

/// Sizes, and values if they are few and known.
#[derive(Debug, Clone)]
pub(super) struct Array {
    pub(super) dims: Vec<usize>,
    pub(super) data_type: i32,
    pub(super) values: Option<Vec<f64>>,
}

impl Array {
    pub(super) fn of(tensor: &Tensor<'_>) -> Result<Self, String> {
        let values = tensor.values().map(|values| values.to_vec());
        Ok(Self { dims: tensor.sizes()?, data_type: tensor.data_type, values })
    }

    pub(super) fn into_tensor<'a>(self) -> Tensor<'a> {
        Tensor::computed(&self.dims, self.data_type, self.values)
    }

    /// An array of other sizes; `source` gives the index of each element's source.
    pub(super) fn taken(&self, dims: Vec<usize>, source: impl Fn(&[usize]) -> usize) -> Self {
        let count = count(&dims).filter(|&n| n <= MAX_COMPUTED);
        let values = self.values.as_ref().zip(count).and_then(|(values, count)| {
            let mut index = vec![0; dims.len()];
            let mut taken = Vec::with_capacity(count);
            for _ in 0..count {
                taken.push(*values.get(source(&index))?);
                advance(&mut index, &dims);
            }
            Some(taken)
        });
        Self { dims, data_type: self.data_type, values }
    }

    /// The same elements in other sizes.
    pub(super) fn with_dims(self, dims: Vec<usize>) -> Result<Self, String> {
        if count(&dims) != count(&self.dims) {
            return Err(format!("cannot reshape {:?} to {dims:?}", self.dims));
        }
        Ok(Self { dims, ..self })
    }

    pub(super) fn transposed(&self, order: &[usize]) -> Result<Self, String> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.dims.len()) {
            return Err(format!("{order:?} is not a permutation of the axes of {:?}", self.dims));
        }
        let dims = order.iter().map(|&axis| self.dims[axis]).collect();
        let strides = strides(&self.dims);
        Ok(self.taken(dims, |index| order.iter().zip(index).map(|(&axis, i)| strides[axis] * i).sum()))
    }

    /// Elements `start`, `start + step` … along an axis, `count` of them.
    pub(super) fn sliced(&self, axis: usize, start: i64, step: i64, count: usize) -> Self {
        let mut dims = self.dims.clone();
        dims[axis] = count;
        let strides = strides(&self.dims);
        self.taken(dims, |index| {
            let at = |i: usize| if i == axis { (start + step * index[i] as i64) as usize } else { index[i] };
            (0..index.len()).map(|i| strides[i] * at(i)).sum()
        })
    }

    /// Elements at indices along an axis, in the indices' sizes.
    pub(super) fn gathered(&self, axis: usize, indices: &Self) -> Result<Self, String> {
        let size = self.dims[axis];
        let wanted = indices.values.as_deref().map(|values| {
            values
                .iter()
                .map(|&i| index_in(i as i64, size))
                .collect::<Option<Vec<usize>>>()
                .ok_or("an index is outside")
        });
        let wanted = wanted.transpose()?;
        let dims = [&self.dims[..axis], &indices.dims[..], &self.dims[axis + 1..]].concat();
        let Some(wanted) = wanted else { return Ok(Self { dims, data_type: self.data_type, values: None }) };
        let (outer, inner) = (strides(&self.dims), strides(&indices.dims));
        let rank = indices.dims.len();
        Ok(self.taken(dims, |index| {
            let position: usize = (0..rank).map(|i| inner[i] * index[axis + i]).sum();
            let before: usize = (0..axis).map(|i| outer[i] * index[i]).sum();
            let after: usize = (axis + 1..outer.len()).map(|i| outer[i] * index[i + rank - 1]).sum();
            before + outer[axis] * wanted.get(position).copied().unwrap_or(usize::MAX / 2) + after
        }))
    }

    /// Repeated where a size is 1.
    pub(super) fn broadcast(&self, dims: &[usize]) -> Self {
        let strides = strides(&self.dims);
        let skipped = dims.len() - self.dims.len();
        self.taken(dims.to_vec(), |index| {
            let at = |i: usize| if self.dims[i] == 1 { 0 } else { index[i + skipped] };
            (0..self.dims.len()).map(|i| strides[i] * at(i)).sum()
        })
    }

    pub(super) fn concat(parts: &[Self], axis: usize) -> Result<Self, String> {
        let first = &parts[0];
        let mut dims = first.dims.clone();
        if parts.iter().any(|part| part.dims.len() != dims.len()) || axis >= dims.len() {
            return Err("its inputs have different ranks".to_owned());
        }
        let total = parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.dims[axis]));
        dims[axis] = total.ok_or("it is too large")?;
        let (before, after) = (&first.dims[..axis], &first.dims[axis + 1..]);
        if parts.iter().any(|part| part.dims[..axis] != *before || part.dims[axis + 1..] != *after) {
            return Err("its inputs have different shapes".to_owned());
        }
        let (outer, inner) = (before.iter().product::<usize>(), after.iter().product::<usize>());
        let known = count(&dims).is_some_and(|n| n <= MAX_COMPUTED) && parts.iter().all(|part| part.values.is_some());
        let values = known.then(|| {
            let rows = |row: usize| {
                parts.iter().flat_map(move |part| {
                    let length = part.dims[axis] * inner;
                    part.values.iter().flat_map(move |values| values.iter().skip(row * length).take(length))
                })
            };
            (0..outer).flat_map(rows).copied().collect()
        });
        Ok(Self { dims, data_type: first.data_type, values })
    }

    /// A function of corresponding elements.
    pub(super) fn map(parts: &[&Self], data_type: i32, function: impl Fn(&[f64]) -> f64) -> Result<Self, String> {
        let rank = parts.iter().map(|part| part.dims.len()).max().unwrap_or(0);
        let mut dims = vec![1; rank];
        for part in parts {
            for (size, &other) in dims[rank - part.dims.len()..].iter_mut().zip(&part.dims) {
                if *size != other && *size != 1 && other != 1 {
                    return Err(format!("its inputs have the shapes {:?} and {:?}", parts[0].dims, part.dims));
                }
                *size = if *size == 1 { other } else { *size };
            }
        }
        let spread: Vec<Self> = parts.iter().map(|part| part.broadcast(&dims)).collect();
        let lists: Option<Vec<&Vec<f64>>> = spread.iter().map(|part| part.values.as_ref()).collect();
        let values = lists.map(|lists| {
            let count = lists.first().map_or(0, |list| list.len());
            let each = |i: usize| function(&lists.iter().map(|list| list[i]).collect::<Vec<f64>>());
            (0..count).map(|i| rounded(each(i), data_type)).collect()
        });
        Ok(Self { dims, data_type, values })
    }

    /// A fold along axes.
    pub(super) fn reduced(&self, axes: &[usize], keep: bool, fold: impl Fn(&[f64]) -> f64) -> Self {
        let kept: Vec<usize> =
            self.dims.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
        let kept_strides = strides(&kept);
        let values = self.values.as_ref().map(|values| {
            let mut groups: Vec<Vec<f64>> = vec![Vec::new(); count(&kept).unwrap_or(0).min(MAX_COMPUTED)];
            let mut index = vec![0; self.dims.len()];
            for &value in values {
                let at: usize =
                    (0..index.len()).filter(|i| !axes.contains(i)).map(|i| kept_strides[i] * index[i]).sum();
                if let Some(group) = groups.get_mut(at) {
                    group.push(value);
                }
                advance(&mut index, &self.dims);
            }
            groups.iter().map(|group| rounded(fold(group), self.data_type)).collect()
        });
        let shown = |(axis, &size): (usize, &usize)| (keep || !axes.contains(&axis)).then_some(size);
        let dims = kept.iter().enumerate().filter_map(shown).collect();
        Self { dims, data_type: self.data_type, values }
    }

    /// Casts to another type.
    pub(super) fn cast(mut self, data_type: i32) -> Self {
        if let Some(values) = &mut self.values {
            values.iter_mut().for_each(|value| {
                *value =
                    if data_type == BOOL { f64::from(u8::from(*value != 0.0)) } else { rounded(*value, data_type) };
            });
        }
        Self { data_type, ..self }
    }
}

/// Truncates to integers, rounds to 32-bit floats.
fn rounded(value: f64, data_type: i32) -> f64 {
    match data_type {
        INT32 | INT64 => value.trunc(),
        FLOAT => f64::from(value as f32),
        _ => value,
    }
}

/// An index that may count from the end.
pub(super) fn index_in(index: i64, size: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(size as i64)? } else { index };
    usize::try_from(index).ok().filter(|&i| i < size)
}

fn count(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(dims[axis]);
    }
    strides
}

/// The next index, the last axis first.
fn advance(index: &mut [usize], dims: &[usize]) {
    for (i, &size) in index.iter_mut().zip(dims).rev() {
        *i += 1;
        if *i < size {
            return;
        }
        *i = 0;
    }
}
