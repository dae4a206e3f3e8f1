//! libtorch's stream on a GPU, and runs that are captured as CUDA graphs.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

const WORDS: usize = 1024;

/// Why this process captures nothing more. A failed capture may leave libtorch's allocator believing that it goes on.
static BROKEN: OnceLock<String> = OnceLock::new();

#[expect(unsafe_code, reason = "functions of our own capture.cpp; they catch what libtorch throws")]
unsafe extern "C" {
    fn nasprof_cuda_own_stream(device: c_int, stream: *mut *mut c_void, error: *mut c_char, length: usize) -> c_int;
    fn nasprof_cuda_capture_begin(graph: *mut *mut c_void, error: *mut c_char, length: usize) -> c_int;
    fn nasprof_cuda_capture_end(graph: *mut c_void, error: *mut c_char, length: usize) -> c_int;
    fn nasprof_cuda_graph_replay(graph: *mut c_void, error: *mut c_char, length: usize) -> c_int;
    fn nasprof_cuda_graph_free(graph: *mut c_void);
}

/// Calls one of these functions and returns the first line of its message; libtorch appends a stack trace.
fn call(function: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<(), String> {
    let mut words: [c_char; WORDS] = [0; WORDS];
    if function(words.as_mut_ptr(), WORDS) == 0 {
        return Ok(());
    }
    words[WORDS - 1] = 0;
    #[expect(unsafe_code, reason = "the buffer ends with a zero")]
    let text = unsafe { CStr::from_ptr(words.as_ptr()) }.to_string_lossy();
    Err(text.lines().next().unwrap_or("libtorch gives no reason").to_owned())
}

/// CUDA's handle of a stream, which is valid until the process ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamHandle(pub(super) *mut c_void);

impl StreamHandle {
    /// CUDA's default stream.
    pub(super) const DEFAULT: Self = Self(std::ptr::null_mut());

    /// Gives this thread its own stream, because nothing can be captured on the default stream.
    ///
    /// # Errors
    /// libtorch's message.
    pub(super) fn own(device: u32) -> Result<Self, String> {
        let device = c_int::try_from(device).map_err(|e| e.to_string())?;
        let mut stream = std::ptr::null_mut();
        #[expect(unsafe_code, reason = "the pointer is to a local that lives through the call")]
        call(|words, length| unsafe { nasprof_cuda_own_stream(device, &mut stream, words, length) })?;
        Ok(Self(stream))
    }
}

/// A captured run, with the memory that it uses.
#[derive(Debug)]
pub(super) struct Captured(*mut c_void);

impl Captured {
    /// Captures the work that `run` queues on this thread's stream. `run` must have run before, so that it does no one-time
    /// preparation now.
    ///
    /// # Errors
    /// That of `run`, or libtorch's message: some operations cannot be captured. After libtorch's, all captures of this
    /// process are refused with the same reason.
    pub(super) fn of(run: impl FnOnce() -> Result<(), String>) -> Result<Self, String> {
        if let Some(problem) = BROKEN.get() {
            return Err(format!("an earlier capture failed: {problem}"));
        }
        let broken = |problem: String| BROKEN.get_or_init(|| problem).clone();
        let mut graph = std::ptr::null_mut();
        #[expect(unsafe_code, reason = "the pointer is to a local that lives through the call")]
        call(|words, length| unsafe { nasprof_cuda_capture_begin(&mut graph, words, length) }).map_err(broken)?;
        let ran = run();
        // The capture is ended even after an error, because a capturing stream runs nothing.
        #[expect(unsafe_code, reason = "the graph was begun and is ended once")]
        let ended = call(|words, length| unsafe { nasprof_cuda_capture_end(graph, words, length) });
        // The error of `run` says more. The graph of a failed capture is never freed, because the allocator may still ask it.
        ended.map_err(|problem| broken(ran.clone().err().unwrap_or(problem)))?;
        let captured = Self(graph);
        ran.map(|()| captured)
    }

    /// Queues the run.
    ///
    /// # Errors
    /// CUDA's message.
    pub(super) fn replay(&self) -> Result<(), String> {
        #[expect(unsafe_code, reason = "the graph was captured and is not freed yet")]
        call(|words, length| unsafe { nasprof_cuda_graph_replay(self.0, words, length) })
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the graph is freed once")]
        unsafe {
            nasprof_cuda_graph_free(self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without CUDA loaded both say so in a line, and nothing ends the program.
    #[test]
    fn without_cuda_there_is_a_reason() {
        drop(tch::Tensor::from(1.0_f32));
        for error in [StreamHandle::own(0).unwrap_err(), Captured::of(|| Ok(())).unwrap_err()] {
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
        let again = Captured::of(|| Ok(())).unwrap_err();
        assert!(again.starts_with("an earlier capture failed: ") && again.contains("CUDAGraph"), "{again}");
    }
}
