#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("score_table"), |data: &[u8]| nasprof_fuzz::run("score_table", data));
