//! Texts that are not ours neither steer the terminal nor look like words of ours; and what the shell completes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::fake_agent::edited;
use crate::harness::{Folder, Ran};

const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[31m\u{9b}2J\u{202e}\nhint: forged\nerror: forged";

/// Adds the evil text to every text of a JSON value but the names of kinds.
fn poison(value: &mut Value, key: &str) {
    match value {
        Value::String(text)
            if !["runtime", "mode", "allocator", "space_digest", "op", "flags", "reason", "form", "levelling"]
                .contains(&key) =>
        {
            text.push_str(EVIL);
        }
        Value::Array(all) => all.iter_mut().for_each(|one| poison(one, key)),
        Value::Object(all) => all.iter_mut().for_each(|(key, one)| poison(one, key)),
        _ => {}
    }
}

fn harmless(ran: &Ran, line: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(steers), "{line}: {text:?}");
        assert!(
            !text.lines().any(|l| l.starts_with("hint: forged") || l.starts_with("error: forged")),
            "{line}: {text}"
        );
    }
    assert!(!ran.stderr.contains("panicked"), "{line}: {}", ran.stderr);
}

#[test]
fn texts_of_a_lut_do_nothing_but_be_read() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml --max-rounds 8 --energy -o a.parquet");
    folder.ok("lut export a.parquet -o a.json");
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml")).unwrap();
    let mut lut: Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    poison(&mut lut, "");
    fs::write(folder.path("evil.json"), lut.to_string()).unwrap();
    let mut seen = 0;
    for line in [
        "lut show evil.json",
        "lut show evil.json --json",
        "lut diff evil.json a.json",
        "lut diff a.json evil.json --json",
        "lut check evil.json",
        "lut merge evil.json a.json -o m.json",
        "estimate --lut evil.json --arch arch.json",
        "estimate --lut evil.json --space small.toml --arch arch.json",
        "validate --device synthetic:quiet --lut evil.json --space small.toml -n 2",
        "report evil.json -o r.html",
    ] {
        let ran = folder.run(line);
        harmless(&ran, line);
        seen += usize::from(ran.stdout.contains("pwned") || ran.stderr.contains("pwned"));
    }
    // Control: the texts were there.
    assert!(seen > 5, "{seen}");
    let shown: Value = serde_json::from_str(&folder.ok("lut show evil.json --json")).unwrap();
    assert!(shown["context"]["header"]["device"].as_str().unwrap().ends_with(EVIL), "JSON means the same");
}

#[test]
fn names_in_files_that_are_refused_do_nothing_but_be_read() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml --max-rounds 8 -o a.parquet");
    fs::create_dir_all(folder.path("nasprof/devices")).unwrap();
    let evil = serde_json::to_string(EVIL).unwrap();
    let arch = folder.ok("space sample small.toml");
    for (name, text) in [
        ("space.json", format!("{{\"format_version\": 1, \"kind\": {evil}}}")),
        ("key.json", format!("{{\"format_version\": 1, {evil}: 1}}")),
        ("arch.json", arch.replace("\"small\"", &evil)),
        ("choice.json", arch.replace("\"blocks/0\"", &evil)),
        ("nasprof/devices/evil.json", format!("{{\"format_version\": 1, {evil}: 1}}")),
        (
            "nasprof/devices/said.json",
            format!("{{\"format_version\": 1, \"transport\": \"local\", \"backend\": {evil}, \"threads\": 1}}"),
        ),
        ("t.csv", format!("key,latency_ms\n\"{EVIL}\",x\n")),
        ("run.toml", format!("{evil} = 1\n").replace("\\u009b", "").replace("\u{9b}", "").replace('\u{202e}', "")),
    ] {
        fs::write(folder.path(name), text).unwrap();
    }
    for line in [
        "space show space.json",
        "space show key.json",
        "estimate --lut a.parquet --space small.toml --arch arch.json",
        "estimate --lut a.parquet --space small.toml --arch choice.json",
        "devices list",
        "devices show evil",
        "devices show said",
        "devices check evil",
        "devices check said",
        "measure --device said --space small.toml -o b.parquet",
        "lut import t.csv --format table --space small.toml --device d -o i.csv",
        "search run.toml -o run",
    ] {
        harmless(&folder.run(line), line);
    }
    let ran = folder.fails("space show space.json", 2, "pwned");
    assert_eq!(ran.stderr.lines().filter(|l| l.starts_with("hint:")).count(), 1, "ours stays: {}", ran.stderr);
}

/// Whatever an agent says: its greeting, its machine's facts, the names of its probes and of busy processes, its errors, and
/// what is no reply at all.
#[test]
fn words_of_an_agent_do_nothing_but_be_read() {
    // As JSON in a replacement of `sed`.
    let evil = r"\\u001b]0;pwned\\u0007\\u001b[31m\\u009b2J\\u202e\\nhint: forged\\nerror: forged";
    let raw = r"\x1b]0;pwned\x07\x1b[31m\xc2\x9b2J\xe2\x80\xae\rhint: forged\nerror: forged";
    const MEASURE: &str = "measure --device synthetic:quiet --space small.toml --max-rounds 8 -o a.parquet";
    for edit in [
        r#"1s/"version":"/&EVIL/"#,
        r#"1s/"reply":"hello"/"reply":"EVIL"/"#,
        "1s/.*/RAW/",
        r#"s/"facts":{/&"EVIL":"EVIL",/"#,
        r#"s/"processor":"/&EVIL/"#,
        r#"s/"values":{/&"EVIL":{"bad":1},/"#,
        r#"s/"reply":"probes"/&,"busy":[{"name":"EVIL","percent":99}]/; s/"values":{/&"made_up":{"bad":1},/"#,
        r#"s/"reply":"loaded".*/"reply":"failed","error":"EVIL"}/"#,
        r#"s/"reply":"loaded"/"reply":"EVIL"/"#,
        "s/.*loaded.*/RAW/",
        r#"s/"method":"/&EVIL/"#,
    ] {
        let folder = Folder::new();
        // Half a measurement of a good agent, which the other goes on with.
        folder.ok(&MEASURE.replace("a.parquet", "b.parquet"));
        let journal = folder.read("b.journal.jsonl");
        fs::write(folder.path("c.journal.jsonl"), &journal[..journal.len() / 2]).unwrap();
        let agent = edited(&folder, &edit.replace("EVIL", evil).replace("RAW", raw));
        let folder = folder.with_agent(agent);
        let mut seen = 0;
        for line in [
            "devices check synthetic:quiet",
            "devices check synthetic:quiet --json",
            "devices check synthetic:quiet --lut b.parquet --space small.toml",
            MEASURE,
            "measure --device synthetic:quiet --space small.toml --max-rounds 8 -o c.parquet --resume",
            "measure --device synthetic:quiet,synthetic:noisy --space small.toml --max-rounds 8 -o several",
            "validate --device synthetic:quiet --lut b.parquet --space small.toml -n 2",
            "lut show a.parquet",
            "lut show a.parquet --json",
            "lut diff a.parquet b.parquet",
            "lut check a.parquet",
            "lut rebuild a.journal.jsonl -o d.parquet",
        ] {
            let ran = folder.run(line);
            harmless(&ran, &format!("{edit}: {line}"));
            seen += usize::from(ran.stdout.contains("pwned") || ran.stderr.contains("pwned"));
        }
        // Control: the words were there to be read, but for a method, which only the LUT and its journal keep.
        assert!(seen > 0 || edit.contains("method"), "{edit}");
        if edit.contains("processor") {
            let shown: Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
            let processor = shown["context"]["facts"]["processor"].as_str().unwrap();
            assert!(processor.contains("\u{1b}]0;pwned\u{7}") && processor.contains("\nhint: forged\n"), "{processor}");
        }
    }
    // What the program itself writes beside its replies.
    let folder = Folder::new();
    let agent = folder.path("edited-agent");
    fs::write(&agent, "#!/bin/sh\nprintf 'error: forged\\nhint: forged\\n\\033]0;pwned\\007\\033[31m\\rhint: forged\\n' >&2\nexit 3\n")
        .unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = folder.with_agent(agent);
    for line in ["devices check synthetic:quiet", MEASURE] {
        let ran = folder.run(line);
        harmless(&ran, line);
        assert!((ran.stdout + &ran.stderr).contains("pwned"), "{line}: {}", ran.stderr);
    }
}

#[test]
fn devices_say_what_they_are() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("nasprof/devices")).unwrap();
    let file = "format_version = 1\ndescription = \"The board on the window sill\"\ntransport = \"ssh\"\nhost = \"sill\"\n\
                backend = \"torch\"\nthreads = 4\n";
    fs::write(folder.path("nasprof/devices/sill.toml"), file).unwrap();
    let plain = file.replace("description = \"The board on the window sill\"\n", "");
    fs::write(folder.path("nasprof/devices/plain.toml"), plain).unwrap();
    fs::write(folder.path("nasprof/devices/both.toml"), "format_version = 1\ndevices = [\"sill\", \"local\"]\n")
        .unwrap();
    fs::write(folder.path("nasprof/devices/bad.toml"), "format_version = 1\nthread = 4\n").unwrap();
    let list = folder.ok("devices");
    let said = |name: &str| {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {list}"))[name.len()..].trim().to_owned()
    };
    assert_eq!(said("sill"), "The board on the window sill");
    assert_eq!(said("plain"), "over SSH at sill, back end torch, 4 threads");
    assert_eq!(said("both"), "group of sill, local");
    assert!(said("bad").starts_with("cannot be used:"), "{list}");
    assert!(list.lines().all(|line| line.split_whitespace().count() > 1 && line.chars().count() <= 80), "{list}");
    let json: Vec<Value> = serde_json::from_str(&folder.ok("devices list --json")).unwrap();
    assert_eq!(json.len(), list.lines().count());
    assert!(json.iter().all(|device| !device["description"].as_str().unwrap().is_empty()));
    let shown = folder.ok("devices show sill");
    assert!(
        shown.contains("sill.toml") && shown.contains("host = \"sill\"") && shown.starts_with("sill: The board"),
        "{shown}"
    );
    assert!(folder.ok("devices show synthetic:busy").contains("too noisy"));
    folder.fails("devices show sil", 2, "did you mean");
    folder.fails("devices show synthetic:quite", 2, "did you mean `synthetic:quiet`");
}

#[test]
fn the_shell_completes_values() {
    let folder = Folder::new();
    fs::write(folder.path("one.json"), "").unwrap();
    let ask = |line: &str| -> Vec<String> {
        let output = folder.command(&format!("-- nasprof {line}")).env("NASPROF_COMPLETE", "fish").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    };
    let values =
        |line: &str| ask(line).into_iter().map(|l| l.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values("devices check synthetic:quiet"), ["synthetic:quiet", "synthetic:quiet-slower"]);
    assert!(
        ask("devices show loc").iter().any(|l| l == "local\tThe processor of this machine"),
        "{:?}",
        ask("devices show loc")
    );
    assert!(values("measure --device loc").contains(&"local".to_owned()));
    assert!(values("measure --space mobilenet").contains(&"mobilenet-cifar10".to_owned()));
    assert_eq!(values("measure --space sm"), ["small.toml"]);
    assert_eq!(values("estimate --arch o"), ["one.json"]);
    assert!(values("export --to s").contains(&"svg".to_owned()));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.ok(&format!("completions {shell}"));
        assert!(script.contains("NASPROF_COMPLETE") && script.contains("nasprof"), "{shell}: {script}");
    }
    // Control: without the variable the same line is a command.
    assert_eq!(folder.run("devices check synthetic:quite").code, Some(2));
}
