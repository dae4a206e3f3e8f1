#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nasprof_fuzz::run("experiment_file", data));
