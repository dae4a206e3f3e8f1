//! Axes, and the effect of operators on shapes.

/// An axis as ONNX counts it: negative from the end.
pub(super) fn axis_in(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let fits = usize::try_from(counted).ok().filter(|&axis| axis < rank);
    fits.ok_or_else(|| format!("axis {axis} is not in a shape of {rank} dimensions"))
}

/// The shape that `Reshape` gives: -1 takes the remaining elements, and 0 keeps a size unless `allow_zero`.
pub(super) fn reshaped(dims: &[usize], wanted: &[i64], allow_zero: bool) -> Option<Vec<usize>> {
    let mut sizes = Vec::with_capacity(wanted.len());
    for (axis, &size) in wanted.iter().enumerate() {
        sizes.push(match size {
            0 if !allow_zero => Some(*dims.get(axis)?),
            -1 => None,
            size => Some(usize::try_from(size).ok()?),
        });
    }
    let elements = product(dims)?;
    let known = sizes.iter().flatten().try_fold(1_usize, |product, &size| product.checked_mul(size))?;
    let open = sizes.iter().filter(|size| size.is_none()).count();
    let left = elements.checked_div(known).unwrap_or(0);
    let fits = match open {
        0 => known == elements,
        1 => known > 0 && elements.is_multiple_of(known),
        _ => false,
    };
    fits.then(|| sizes.into_iter().map(|size| size.unwrap_or(left)).collect())
}

fn product(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

/// A shape with axes of size 1 inserted.
pub(super) fn unsqueezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = dims.len() + axes.len();
    let mut new = axes.iter().map(|&axis| axis_in(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    new.sort_unstable();
    if new.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("axes {axes:?} contain a duplicate"));
    }
    let mut old = dims.iter();
    Ok((0..rank).filter_map(|axis| if new.contains(&axis) { Some(1) } else { old.next().copied() }).collect())
}

/// A shape without some axes of size 1; without all of them, if none are named.
pub(super) fn squeezed(dims: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, String> {
    let Some(axes) = axes else { return Ok(dims.iter().copied().filter(|&size| size != 1).collect()) };
    let removed = axes.iter().map(|&axis| axis_in(axis, dims.len())).collect::<Result<Vec<_>, _>>()?;
    if let Some(axis) = removed.iter().find(|&&axis| dims[axis] != 1) {
        return Err(format!("axis {axis} has the size {}, not 1", dims[*axis]));
    }
    Ok((0..dims.len()).filter(|axis| !removed.contains(axis)).map(|axis| dims[axis]).collect())
}

/// Part of an axis: `count` elements from `start` on, `step` from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) axis: usize,
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: usize,
}

/// The part that `Slice` takes of each axis that it names.
pub(super) fn parts_of_slice(
    dims: &[usize],
    starts: &[i64],
    ends: &[i64],
    axes: &[i64],
    steps: &[i64],
) -> Result<Vec<Part>, String> {
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("its bounds have different lengths".to_owned());
    }
    let part = |i: usize| {
        let axis = axis_in(axes[i], dims.len())?;
        let (size, step) = (dims[axis] as i64, steps[i]);
        let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, end) = if step > 0 {
            (from_end(starts[i]).clamp(0, size), from_end(ends[i]).clamp(0, size))
        } else {
            (from_end(starts[i]).clamp(0, (size - 1).max(0)), from_end(ends[i]).clamp(-1, size - 1))
        };
        let count = match step {
            0 => return Err("a step is 0".to_owned()),
            1.. => (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()),
            _ => (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()),
        };
        Ok(Part { axis, start, step, count: count as usize })
    };
    (0..starts.len()).map(part).collect()
}

/// The sizes that `Split` cuts an axis into.
pub(super) fn split_into(size: usize, given: Option<&[i64]>, parts: usize) -> Result<Vec<usize>, String> {
    if let Some(given) = given {
        let sizes: Option<Vec<usize>> = given.iter().map(|&part| usize::try_from(part).ok()).collect();
        let total = |sizes: &Vec<usize>| sizes.iter().try_fold(0_usize, |sum, &part| sum.checked_add(part));
        return sizes
            .filter(|sizes| total(sizes) == Some(size))
            .ok_or_else(|| format!("{given:?} do not add up to the size {size}"));
    }
    if parts == 0 || parts > size {
        return Err(format!("{size} cannot be split into {parts} parts"));
    }
    // The last part is smaller if the parts cannot be equal.
    let each = size.div_ceil(parts);
    let sizes: Vec<usize> = (0..parts).map(|i| size.saturating_sub(i * each).min(each)).collect();
    if sizes.contains(&0) {
        return Err(format!("{size} cannot be split into {parts} parts"));
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_from_the_end_and_stop_there() {
        let part = |start, end, step| parts_of_slice(&[10], &[start], &[end], &[0], &[step]).unwrap()[0];
        let of = |start, step, count| Part { axis: 0, start, step, count };
        assert_eq!(part(2, i64::MAX, 1), of(2, 1, 8));
        assert_eq!(part(-3, -1, 1), of(7, 1, 2));
        assert_eq!(part(0, 10, 3), of(0, 3, 4));
        assert_eq!(part(-1, i64::MIN, -1), of(9, -1, 10));
        assert_eq!(part(5, 2, 1).count, 0);
        assert!(parts_of_slice(&[10], &[0], &[1], &[0], &[0]).is_err());
    }

    #[test]
    fn a_zero_keeps_a_size_unless_it_may_be_one() {
        assert_eq!(reshaped(&[2, 3, 4], &[0, -1], false), Some(vec![2, 12]));
        assert_eq!(reshaped(&[2, 3, 4], &[0, -1], true), None);
        assert_eq!(reshaped(&[2, 3, 4], &[24], true), Some(vec![24]));
        assert_eq!(reshaped(&[2, 3], &[-1, -1], false), None);
        assert_eq!(reshaped(&[2, 3], &[5, -1], false), None);
        assert_eq!(reshaped(&[2, 3], &[0, 0, 0], false), None);
    }

    #[test]
    fn parts_of_a_split_add_up() {
        assert_eq!(split_into(7, None, 3), Ok(vec![3, 3, 1]));
        assert_eq!(split_into(7, Some(&[2, 5]), 2), Ok(vec![2, 5]));
        assert!(split_into(7, Some(&[2, 4]), 2).is_err());
        assert!(split_into(2, None, 3).is_err());
        assert!(split_into(4, None, 3).is_err());
    }
}
