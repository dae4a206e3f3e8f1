#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("lut_table"), |data: &[u8]| nasprof_fuzz::run("lut_table", data));
