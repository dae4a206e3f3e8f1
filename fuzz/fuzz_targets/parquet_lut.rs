#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("parquet_lut"), |data: &[u8]| nasprof_fuzz::run("parquet_lut", data));
