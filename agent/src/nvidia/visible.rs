//! Finds the GPU with a CUDA number without using CUDA. `CUDA_VISIBLE_DEVICES` selects and orders GPUs, by number or by
//! UUID, whole or in slices (MIG). Source: CUDA C++ Programming Guide, "CUDA Environment Variables".

/// A GPU as the driver lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// `GPU-…`.
    pub(super) uuid: String,
    /// Its model.
    pub(super) name: String,
    /// `MIG-…` of its slices.
    pub(super) slices: Vec<String>,
}

/// The driver's number of CUDA's GPU `index`. `visible` and `order` are the values of `CUDA_VISIBLE_DEVICES` and
/// `CUDA_DEVICE_ORDER`.
///
/// # Errors
/// If there is no such GPU, or CUDA's order cannot be known without CUDA.
pub(super) fn numbered(index: u32, visible: Option<&str>, order: Option<&str>, gpus: &[Listed]) -> Result<u32, String> {
    let by_place = order == Some("PCI_BUS_ID");
    // CUDA orders GPUs by speed, the driver by bus address. With GPUs of one model both orders are the same.
    let is_told = by_place || gpus.windows(2).all(|pair| pair[0].name == pair[1].name);
    let by_number = |number: u32| {
        if !is_told {
            return Err("this machine has GPUs of several models: set CUDA_DEVICE_ORDER=PCI_BUS_ID".to_owned());
        }
        Ok(number)
    };
    let none = |count: usize| format!("no GPU {index}: {count} can be seen");
    let Some(visible) = visible else {
        return if (index as usize) < gpus.len() { by_number(index) } else { Err(none(gpus.len())) };
    };
    // An invalid entry hides all entries after it.
    let entries: Vec<Entry> = visible.split(',').map_while(|entry| Entry::of(entry.trim(), gpus)).collect();
    match entries.get(index as usize) {
        Some(Entry::Number(number)) => by_number(*number),
        Some(Entry::Named(number)) => Ok(*number),
        None => Err(format!("{} through CUDA_VISIBLE_DEVICES={visible}", none(entries.len()))),
    }
}

/// One entry of the variable, as the driver's number of a GPU.
enum Entry {
    /// By CUDA's number.
    Number(u32),
    /// By a UUID or a prefix of one.
    Named(u32),
}

impl Entry {
    fn of(entry: &str, gpus: &[Listed]) -> Option<Self> {
        if let Ok(number) = entry.parse::<u32>() {
            return ((number as usize) < gpus.len()).then_some(Self::Number(number));
        }
        let slice = |gpu: &Listed| gpu.slices.iter().any(|uuid| uuid.starts_with(entry));
        // Drivers before 470 name slices after their GPU: `MIG-GPU-…/1/0`.
        let older = entry.strip_prefix("MIG-").and_then(|rest| rest.split('/').next()).unwrap_or(entry);
        let is_meant = |gpu: &Listed| match entry {
            _ if entry.starts_with("MIG-GPU-") => gpu.uuid == older,
            _ if entry.starts_with("MIG-") => slice(gpu),
            _ if entry.starts_with("GPU-") => gpu.uuid.starts_with(entry),
            _ => false,
        };
        let mut meant = (0..).zip(gpus).filter(|(_, gpu)| is_meant(gpu)).map(|(number, _)| number);
        // An ambiguous prefix is invalid.
        meant.next().filter(|_| meant.next().is_none()).map(Self::Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(names: [&str; 3]) -> Vec<Listed> {
        let gpu = |(i, name): (usize, &str)| Listed {
            uuid: format!("GPU-{i}abc-1"),
            name: name.to_owned(),
            slices: if i == 2 { vec!["MIG-aa-1".to_owned(), "MIG-ab-2".to_owned()] } else { Vec::new() },
        };
        names.into_iter().enumerate().map(gpu).collect()
    }

    #[test]
    fn the_variable_chooses_and_orders() {
        let all = gpus(["H200"; 3]);
        for (visible, expected) in [
            (None, [Some(0), Some(1), Some(2)]),
            (Some("2,0"), [Some(2), Some(0), None]),
            (Some(" 1 , 2"), [Some(1), Some(2), None]),
            (Some("GPU-1abc-1,GPU-0"), [Some(1), Some(0), None]),
            (Some("MIG-ab-2,1"), [Some(2), Some(1), None]),
            (Some("MIG-GPU-1abc-1/1/0"), [Some(1), None, None]),
            // Nothing behind what is wrong, and nothing at all where nothing is named.
            (Some("1,-1,2"), [Some(1), None, None]),
            (Some("0,9,1"), [Some(0), None, None]),
            (Some("GPU-,0"), [None, None, None]),
            (Some(""), [None, None, None]),
            (Some("NoDevFiles"), [None, None, None]),
        ] {
            let found = [0, 1, 2].map(|index| numbered(index, visible, None, &all).ok());
            assert_eq!(found, expected, "{visible:?}");
        }
    }

    #[test]
    fn an_order_by_speed_is_not_guessed() {
        let mixed = gpus(["H200", "T4", "H200"]);
        assert!(numbered(0, None, None, &mixed).unwrap_err().contains("CUDA_DEVICE_ORDER"));
        assert!(numbered(0, Some("1"), None, &mixed).unwrap_err().contains("CUDA_DEVICE_ORDER"));
        // A UUID says which it is, and so does the order by place.
        assert_eq!(numbered(0, Some("GPU-1"), None, &mixed), Ok(1));
        assert_eq!(numbered(0, Some("1"), Some("PCI_BUS_ID"), &mixed), Ok(1));
    }
}
