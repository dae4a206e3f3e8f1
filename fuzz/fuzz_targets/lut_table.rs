#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nasprof_fuzz::run("lut_table", data));
