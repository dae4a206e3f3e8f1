//! An agent that breaks the protocol: it is named, the exit code is its own, and a good agent goes on from the journal as if
//! nothing had happened.

use crate::fake_agent::edited;
use crate::harness::Folder;

const MEASURE: &str = "measure --device synthetic:quiet --space small.toml --max-rounds 8 --energy -o a.parquet";

#[test]
fn a_broken_agent_is_named_and_a_good_one_goes_on() {
    let undisturbed = Folder::new();
    undisturbed.ok(MEASURE);
    for (edit, problem) in [
        // A reply too many: without numbers, every later layer has the memory of the one before.
        (r#"/"reply":"memory"/p"#, "it answered request 2 in place of 3"),
        (r#"/"reply":"loaded"/p"#, "it answered request"),
        (r#"s/"id":[0-9]*/"id":1/"#, "it answered request 1 in place of 2"),
        (r#"s/"reply":"memory"/"reply":"memory","peak_bytes":1/"#, "duplicate field"),
        (r#"s/"stored_bytes":[0-9]*/"stored_bytes":9223372036854775808/"#, "stored_bytes is 9223372036854775808"),
        (r#"s/"first_ns":[0-9][0-9]*/"first_ns":9223372036854775807/"#, "first_ns is 9223372036854775807"),
        (r#"s/"first_ns":\[[0-9]*/"first_ns":[9223372036854775807/"#, "first_ns is 9223372036854775807"),
        (r#"s/"reply":"loaded","unit":/"reply":"loaded","unit":1/"#, "unit is"),
        (r#"s/"microjoules":/"microjoules":-/"#, "microjoules is"),
    ] {
        let folder = Folder::new();
        let agent = edited(&folder, edit);
        let good = folder.agent.clone();
        let folder = folder.with_agent(agent.clone());
        let ran = folder.fails(MEASURE, 7, problem);
        let named = format!("agent of `synthetic:quiet` ({}) broke the protocol: ", agent.display());
        assert!(ran.stderr.contains(&named) && ran.stderr.contains("hint: "), "{edit}: {}", ran.stderr);
        assert!(!folder.path("a.parquet").exists(), "{edit}");
        let folder = folder.with_agent(good);
        folder.ok(&format!("{MEASURE} --resume"));
        for name in ["a.parquet", "a.journal.jsonl"] {
            assert!(folder.read(name) == undisturbed.read(name), "{edit}: {name}");
        }
    }
    // A control: the same script without an edit.
    let folder = Folder::new();
    let agent = edited(&folder, "");
    let folder = folder.with_agent(agent);
    folder.ok(MEASURE);
    assert!(folder.read("a.parquet") == undisturbed.read("a.parquet"));
}
