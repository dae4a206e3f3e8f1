#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("json_lut"), |data: &[u8]| nasprof_fuzz::run("json_lut", data));
