#![no_main]

libfuzzer_sys::fuzz_target!(init: nasprof_fuzz::write_seeds("agent_replies"), |data: &[u8]| nasprof_fuzz::run("agent_replies", data));
