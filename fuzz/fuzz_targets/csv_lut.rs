#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("csv_lut"), |data: &[u8]| nasprof_fuzz::run("csv_lut", data));
