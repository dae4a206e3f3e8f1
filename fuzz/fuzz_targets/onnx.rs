#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("onnx"), |data: &[u8]| nasprof_fuzz::run("onnx", data));
