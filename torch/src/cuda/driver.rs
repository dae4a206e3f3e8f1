//! What the CUDA driver itself says of a GPU.

use std::ffi::{CStr, c_char, c_int, c_uint};

use libloading::os::unix::{Library, RTLD_NOW};

type Uuid = [u8; 16];

/// The model of a GPU, by CUDA's number.
pub(super) fn name(index: u32) -> Option<String> {
    let mut text: [c_char; 128] = [0; 128];
    ask(index, |driver, gpu| {
        #[expect(unsafe_code, reason = "the type is that of the CUDA driver API; the buffer is longer by a zero")]
        unsafe {
            let name =
                driver.get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(b"cuDeviceGetName\0").ok()?;
            (name(text.as_mut_ptr(), text.len() as c_int - 1, gpu) == 0).then_some(())?;
            Some(CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
        }
    })
}

/// The UUID of a slice (MIG), by CUDA's number, as NVML writes it: `MIG-…`. Of a GPU that is not divided it names nothing.
pub(super) fn slice(index: u32) -> Option<String> {
    let mut uuid = Uuid::default();
    ask(index, |driver, gpu| {
        #[expect(unsafe_code, reason = "the type is that of the CUDA driver API, which writes 16 bytes")]
        unsafe {
            let get = driver.get::<unsafe extern "C" fn(*mut Uuid, c_int) -> c_int>(b"cuDeviceGetUuid_v2\0").ok()?;
            (get(&mut uuid, gpu) == 0).then(|| written(&uuid))
        }
    })
}

/// Asks the driver about a GPU. `None` without a driver or such a GPU.
fn ask<T>(index: u32, question: impl FnOnce(&Library, c_int) -> Option<T>) -> Option<T> {
    let mut gpu = 0;
    #[expect(
        unsafe_code,
        reason = "the types are those of the CUDA driver API; libtorch's runtime loads the same library"
    )]
    let driver = unsafe {
        let driver = Library::open(Some("libcuda.so.1"), RTLD_NOW).ok()?;
        let start = driver.get::<unsafe extern "C" fn(c_uint) -> c_int>(b"cuInit\0").ok()?;
        let find = driver.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet\0").ok()?;
        (start(0) == 0 && find(&mut gpu, c_int::try_from(index).ok()?) == 0).then_some(())?;
        driver
    };
    question(&driver, gpu)
}

fn written(uuid: &Uuid) -> String {
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("MIG-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_written_as_the_driver_lists_it() {
        let uuid = std::array::from_fn(|i| 0xf0 + i as u8);
        assert_eq!(written(&uuid), "MIG-f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
    }

    /// Without a driver there is no answer, and no error.
    #[test]
    fn no_gpu_has_neither_model_nor_slice() {
        assert_eq!((name(u32::MAX), slice(u32::MAX)), (None, None));
    }
}
