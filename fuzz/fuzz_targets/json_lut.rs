#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nasprof_fuzz::run("json_lut", data));
