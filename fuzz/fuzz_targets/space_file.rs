#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("space_file"), |data: &[u8]| nasprof_fuzz::run("space_file", data));
