#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("arch_lines"), |data: &[u8]| nasprof_fuzz::run("arch_lines", data));
