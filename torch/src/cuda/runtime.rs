//! The functions of the CUDA runtime for timing. They are looked up at run time, in the library that libtorch has loaded.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::os::unix::Library;

use super::capture::StreamHandle;

type Event = *mut c_void;

const SUCCESS: c_int = 0;
const NOT_READY: c_int = 600;
/// The runtime's error code for too little memory, after which it works on.
const TOO_LITTLE_MEMORY: c_int = 2;
/// The runtime's error code for a driver that is too old or missing.
const INSUFFICIENT_DRIVER: c_int = 35;
/// `cudaDevAttrL2CacheSize`.
const L2_CACHE_SIZE: c_int = 38;
/// `cudaDevAttrMultiProcessorCount`.
const MULTIPROCESSORS: c_int = 16;
/// `cudaEventDefault`: with timing.
const TIMED: c_uint = 0;

/// The runtime's functions.
#[derive(Clone, Copy)]
pub(super) struct Runtime {
    device_count: unsafe extern "C" fn(*mut c_int) -> c_int,
    set_device: unsafe extern "C" fn(c_int) -> c_int,
    attribute: unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int,
    version: unsafe extern "C" fn(*mut c_int) -> c_int,
    driver_version: unsafe extern "C" fn(*mut c_int) -> c_int,
    bus_id: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int,
    synchronize: unsafe extern "C" fn() -> c_int,
    stream_synchronize: unsafe extern "C" fn(*mut c_void) -> c_int,
    event_create: unsafe extern "C" fn(*mut Event, c_uint) -> c_int,
    event_record: unsafe extern "C" fn(Event, *mut c_void) -> c_int,
    event_query: unsafe extern "C" fn(Event) -> c_int,
    event_elapsed: unsafe extern "C" fn(*mut f32, Event, Event) -> c_int,
    event_destroy: unsafe extern "C" fn(Event) -> c_int,
    error_text: unsafe extern "C" fn(c_int) -> *const c_char,
}

/// Looks up a function; its type is that of the field that it is stored in.
macro_rules! symbol {
    ($library:expr, $name:literal) => {{
        #[expect(unsafe_code, reason = "the types are those of the CUDA runtime's documentation, stable since CUDA 5")]
        let symbol = unsafe { $library.get(concat!($name, "\0").as_bytes()) };
        *symbol.map_err(|_| format!("the CUDA runtime has no {}", $name))?
    }};
}

#[expect(
    unsafe_code,
    reason = "calls into the CUDA runtime with pointers to locals and to events that this module owns"
)]
impl Runtime {
    /// Finds the functions in the libraries that this process has loaded.
    ///
    /// # Errors
    /// If libtorch came without the CUDA runtime.
    pub(super) fn find() -> Result<Self, String> {
        let library = Library::this();
        Ok(Self {
            device_count: symbol!(library, "cudaGetDeviceCount"),
            set_device: symbol!(library, "cudaSetDevice"),
            attribute: symbol!(library, "cudaDeviceGetAttribute"),
            version: symbol!(library, "cudaRuntimeGetVersion"),
            driver_version: symbol!(library, "cudaDriverGetVersion"),
            bus_id: symbol!(library, "cudaDeviceGetPCIBusId"),
            synchronize: symbol!(library, "cudaDeviceSynchronize"),
            stream_synchronize: symbol!(library, "cudaStreamSynchronize"),
            event_create: symbol!(library, "cudaEventCreateWithFlags"),
            event_record: symbol!(library, "cudaEventRecord"),
            event_query: symbol!(library, "cudaEventQuery"),
            event_elapsed: symbol!(library, "cudaEventElapsedTime"),
            event_destroy: symbol!(library, "cudaEventDestroy"),
            error_text: symbol!(library, "cudaGetErrorString"),
        })
    }

    fn check(&self, code: c_int) -> Result<(), String> {
        if code == SUCCESS {
            return Ok(());
        }
        let text = unsafe { (self.error_text)(code) };
        let words =
            if text.is_null() { "unknown error".into() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy() };
        Err(told(code, &words))
    }

    pub(super) fn device_count(&self) -> Result<u32, String> {
        let mut count = 0;
        self.check(unsafe { (self.device_count)(&mut count) })?;
        Ok(count.unsigned_abs())
    }

    pub(super) fn set_device(&self, device: u32) -> Result<(), String> {
        self.check(unsafe { (self.set_device)(c_int::try_from(device).unwrap_or(c_int::MAX)) })
    }

    /// Size of the second-level cache in bytes.
    pub(super) fn l2_bytes(&self, device: u32) -> Result<usize, String> {
        self.attribute(L2_CACHE_SIZE, device)
    }

    /// Number of multiprocessors that this process may use: those of its slice if the GPU is divided (MIG).
    pub(super) fn multiprocessors(&self, device: u32) -> Result<usize, String> {
        self.attribute(MULTIPROCESSORS, device)
    }

    fn attribute(&self, which: c_int, device: u32) -> Result<usize, String> {
        let mut value = 0;
        let device = c_int::try_from(device).unwrap_or(c_int::MAX);
        self.check(unsafe { (self.attribute)(&mut value, which, device) })?;
        Ok(value.unsigned_abs() as usize)
    }

    pub(super) fn version(&self) -> Result<String, String> {
        let mut version = 0;
        self.check(unsafe { (self.version)(&mut version) })?;
        Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
    }

    /// The GPU's bus address.
    pub(super) fn bus_id(&self, device: u32) -> Result<String, String> {
        // `domain:bus:device.function` and a terminating zero.
        let mut text: [c_char; 32] = [0; 32];
        let device = c_int::try_from(device).unwrap_or(c_int::MAX);
        self.check(unsafe { (self.bus_id)(text.as_mut_ptr(), text.len() as c_int - 1, device) })?;
        Ok(unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    /// Waits until a stream is empty.
    pub(super) fn synchronize(&self, stream: StreamHandle) -> Result<(), String> {
        self.check(unsafe { (self.stream_synchronize)(stream.0) })
    }

    /// Whether there is a driver, with or without a GPU.
    pub(super) fn has_driver(&self) -> bool {
        let mut version = 0;
        // Zero is the documented answer without a driver.
        unsafe { (self.driver_version)(&mut version) == SUCCESS && version > 0 }
    }

    /// Whether the GPU works for this process; after some errors it never works again.
    pub(super) fn works(&self) -> Result<(), String> {
        match unsafe { (self.synchronize)() } {
            // A full GPU has no room for this process, which is no loss.
            TOO_LITTLE_MEMORY => Ok(()),
            code => self.check(code),
        }
    }

    pub(super) fn event(&self, stream: StreamHandle) -> Result<Mark, String> {
        let mut event = std::ptr::null_mut();
        self.check(unsafe { (self.event_create)(&mut event, TIMED) })?;
        Ok(Mark { runtime: *self, stream, event })
    }
}

/// A mark in a stream.
pub(super) struct Mark {
    runtime: Runtime,
    stream: StreamHandle,
    event: Event,
}

#[expect(unsafe_code, reason = "calls into the CUDA runtime with an event that lives as long as this value")]
impl Mark {
    pub(super) fn record(&self) -> Result<(), String> {
        self.runtime.check(unsafe { (self.runtime.event_record)(self.event, self.stream.0) })
    }

    pub(super) fn is_past(&self) -> Result<bool, String> {
        match unsafe { (self.runtime.event_query)(self.event) } {
            NOT_READY => Ok(false),
            code => self.runtime.check(code).map(|()| true),
        }
    }

    /// Nanoseconds from an earlier mark.
    pub(super) fn since(&self, earlier: &Self) -> Result<u64, String> {
        let mut milliseconds = 0.0;
        self.runtime.check(unsafe { (self.runtime.event_elapsed)(&mut milliseconds, earlier.event, self.event) })?;
        Ok((f64::from(milliseconds) * 1e6).round().max(0.0) as u64)
    }
}

#[expect(unsafe_code, reason = "the event was created by the same runtime and is destroyed once")]
impl Drop for Mark {
    fn drop(&mut self) {
        // An error is ignored: nothing can be done about it, and the process ends soon.
        let _ = unsafe { (self.runtime.event_destroy)(self.event) };
    }
}

/// The runtime's message for an error, with a clarification if the message is misleading.
fn told(code: c_int, words: &str) -> String {
    match code {
        INSUFFICIENT_DRIVER => {
            format!("CUDA: there is no NVIDIA driver, or one too old for libtorch's CUDA: {words} (error {code})")
        }
        _ => format!("CUDA: {words} (error {code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Runtime, told};

    #[test]
    fn a_driver_that_is_missing_is_not_called_old_alone() {
        let words = told(35, "CUDA driver version is insufficient for CUDA runtime version");
        assert!(
            words.contains("there is no NVIDIA driver, or one too old") && words.ends_with("(error 35)"),
            "{words}"
        );
        assert_eq!(
            told(100, "no CUDA-capable device is detected"),
            "CUDA: no CUDA-capable device is detected (error 100)"
        );
    }

    /// libtorch brings the runtime; without a driver it says so, in words.
    #[test]
    fn the_runtime_is_there_and_speaks() {
        // What uses no tensor is not linked with libtorch, which brings the runtime along.
        drop(tch::Tensor::from(1.0_f32));
        let runtime = Runtime::find().unwrap();
        match runtime.device_count() {
            Ok(count) => eprintln!("this machine shows {count} GPUs"),
            Err(words) => assert!(words.starts_with("CUDA: ") && words.contains("error"), "{words}"),
        }
        assert!(runtime.version().unwrap().starts_with("13."));
    }
}
