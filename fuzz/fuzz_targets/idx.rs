#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("idx"), |data: &[u8]| nasprof_fuzz::run("idx", data));
