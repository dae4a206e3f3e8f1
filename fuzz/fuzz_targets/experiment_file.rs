#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("experiment_file"), |data: &[u8]| nasprof_fuzz::run("experiment_file", data));
