#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("device_file"), |data: &[u8]| nasprof_fuzz::run("device_file", data));
