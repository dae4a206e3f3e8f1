//! The library is loaded once a process, whoever asks first.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Barrier};
use std::thread;

use nasprof_onnxruntime::{Library, LibraryError};
use nasprof_testkit::skip::skip;

/// ONNX Runtime has one environment a process: threads that each made one crashed, or were refused.
#[test]
fn threads_that_load_at_once_share_one_library() {
    let start = Barrier::new(8);
    let loaded: Vec<Result<Arc<Library>, LibraryError>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    Library::load()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut libraries = Vec::new();
    for library in loaded {
        match library {
            Ok(library) => libraries.push(library),
            Err(error @ LibraryError::NotFound { .. }) => return skip(error),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(libraries.iter().all(|library| Arc::ptr_eq(library, &libraries[0])));
    drop(libraries);
    // Nor is it given up between two devices.
    assert!(Library::load().is_ok());
}
