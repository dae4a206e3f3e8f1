#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("onnxruntime_profile"), |data: &[u8]| nasprof_fuzz::run("onnxruntime_profile", data));
