//! What a command writes: never over what it reads, under a name that says what it is, and looked at before the work.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Folder, Ran};

const MEASURE: &str = "measure --device synthetic:quiet --max-rounds 8";

/// A folder with a LUT, an architecture, and the space as JSON.
fn prepared() -> Folder {
    let folder = Folder::new();
    folder.ok(&format!("{MEASURE} --space small.toml -o a.parquet"));
    folder.ok("lut export a.parquet -o a.json");
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml")).unwrap();
    let space = nasprof_base::config_text::table(crate::harness::SPACE).unwrap();
    fs::create_dir(folder.path("spaces")).unwrap();
    fs::write(folder.path("spaces/small.json"), serde_json::to_string(&space).unwrap()).unwrap();
    fs::write(folder.path("t.csv"), table(&folder)).unwrap();
    folder
}

/// The LUT as another program's table.
fn table(folder: &Folder) -> String {
    let lut: Value = serde_json::from_slice(&folder.read("a.json")).unwrap();
    let rows = lut["rows"].as_array().unwrap().iter();
    let line = |row: &Value| format!("\"{}\",{}\n", row["key"].as_str().unwrap(), row["times"]["mean_ns"]);
    format!("key,latency_ns\n{}", rows.map(line).collect::<String>())
}

const IMPORT: &str = "lut import t.csv --format table --space small.toml --device there";

#[test]
fn no_command_replaces_what_it_reads() {
    let folder = prepared();
    folder.ok(&format!("{MEASURE} --space small.toml --seed 1 -o b.parquet"));
    let result = folder.ok("validate --device synthetic:quiet --lut a.parquet --space small.toml -n 2 --json");
    fs::write(folder.path("v.json"), result).unwrap();
    // Command without its output, what it reads, and an output that works: the control.
    for (command, read, fine) in [
        (format!("{MEASURE} --space spaces/small.json"), "spaces/small.json", "m.json"),
        ("export --space spaces/small.json --arch arch.json --to svg".to_owned(), "arch.json", "x.svg"),
        ("export --space spaces/small.json --arch arch.json --to dot".to_owned(), "spaces/small.json", "x.dot"),
        (IMPORT.to_owned(), "t.csv", "i.csv"),
        ("lut export a.json".to_owned(), "a.json", "e.json"),
        ("lut merge a.json b.parquet".to_owned(), "a.json", "g.json"),
        ("lut rebuild a.journal.jsonl".to_owned(), "a.journal.jsonl", "r.json"),
        ("report v.json --lut a.json --space small.toml".to_owned(), "a.json", "r.html"),
        ("report v.json --lut a.json --space small.toml".to_owned(), "small.toml", "s.html"),
        ("report a.json v.json".to_owned(), "v.json", ""),
    ] {
        let before = folder.read(read);
        let ending = fine.rsplit('.').next().unwrap();
        let hard = format!("hard.{ending}");
        let soft = format!("soft.{ending}");
        for name in [&hard, &soft] {
            let _ = fs::remove_file(folder.path(name));
        }
        fs::hard_link(folder.path(read), folder.path(&hard)).unwrap();
        symlink(folder.path(read), folder.path(&soft)).unwrap();
        for output in [read.to_owned(), format!("./{read}"), hard, soft] {
            let ran = folder.run(&format!("{command} -o {output}"));
            let words = &ran.stderr;
            // `lut rebuild` is refused for the ending of a journal before that.
            assert!(
                ran.code == Some(2) && words.contains("overwrite an input") || words.contains("not .parquet"),
                "{command} -o {output}: {words}"
            );
            assert_eq!(folder.read(read), before, "{command} -o {output}");
        }
        if !fine.is_empty() {
            folder.ok(&format!("{command} -o {fine}"));
        }
    }
    folder.fails(
        "validate --device synthetic:quiet --lut a.parquet --space small.toml -n 2 --journal a.parquet --overwrite",
        2,
        "overwrite an input",
    );
    folder.ok("lut show a.parquet");
}

/// A run's folder may hold what another run reads: it is not written anew over it.
#[test]
fn no_run_replaces_what_it_reads() {
    let folder = prepared().with_search("/nowhere/at/all".into());
    fs::create_dir_all(folder.path("run/checkpoint/images")).unwrap();
    fs::copy(folder.path("arch.json"), folder.path("run/arch.json")).unwrap();
    fs::write(folder.path("run/log.txt"), "a.png 0\n").unwrap();
    fs::hard_link(folder.path("run/arch.json"), folder.path("hard.json")).unwrap();
    symlink(folder.path("run/checkpoint"), folder.path("images")).unwrap();
    let train = |arch: &str, data: &str| {
        format!(
            "format_version = 1\nspace = \"small.toml\"\n[data]\n{data}\n[training]\nepochs = 1\nbatch_size = 10\n\
             [optimizers.weights]\nkind = \"momentum\"\nlearning_rate = 0.05\n[trainer]\narch = \"{arch}\"\n"
        )
    };
    let plain = "dataset = \"cifar10\"\npath = \"elsewhere\"";
    let inside = "dataset = \"image-folder\"\npath = \"images/images\"";
    let list = "dataset = \"list\"\ntrain_list = \"run/log.txt\"\ntest_list = \"t.txt\"\ntransform = \"cifar10\"";
    for (arch, data, named) in [
        ("run/arch.json", plain, "arch.json"),
        ("hard.json", plain, "arch.json"),
        ("arch.json", inside, "checkpoint"),
        ("arch.json", list, "log.txt"),
    ] {
        fs::write(folder.path("train.toml"), train(arch, data)).unwrap();
        let before = folder.read("run/arch.json");
        for how in ["", " --overwrite"] {
            let line = format!("train train.toml -o run{how}");
            folder.fails(&line, 2, &format!("its {named} would overwrite an input"));
        }
        assert_eq!(folder.read("run/arch.json"), before);
        assert!(folder.path("run/checkpoint/images").is_dir());
        // Control: into another folder the same training is begun.
        folder.fails("train train.toml -o other", 2, "cannot run /nowhere/at/all");
    }
}

/// Before anything is measured: no journal is begun.
#[test]
fn an_output_that_cannot_be_written_is_refused_before_the_work() {
    let folder = Folder::new();
    fs::create_dir(folder.path("there.parquet")).unwrap();
    let measure = format!("{MEASURE} --space small.toml -o");
    folder.fails(&format!("{measure} there.parquet"), 2, "-o there.parquet: is a folder");
    folder.fails(&format!("{measure} none/a.parquet"), 2, "-o none/a.parquet: its folder does not exist");
    folder.fails(&format!("{measure} a.txt"), 2, ".txt");
    let journals = fs::read_dir(folder.path("")).unwrap().flatten();
    assert_eq!(journals.filter(|entry| entry.file_name().to_string_lossy().contains("journal")).count(), 0);
    folder.fails("search none.toml -o small.toml", 2, "none.toml");
    // Control.
    folder.ok(&format!("{measure} a.parquet"));
}

#[test]
fn an_ending_says_what_a_file_holds() {
    let folder = prepared();
    let export = "export --space small.toml --arch arch.json";
    for (to, ending) in [("svg", "png"), ("svg", "onnx"), ("dot", "svg"), ("onnx", "dot")] {
        let ran = folder.fails(
            &format!("{export} --to {to} -o x.{ending}"),
            2,
            &format!("the extension `.{ending}` is not .{to}"),
        );
        assert!(ran.stderr.contains("hint:") && !folder.path(&format!("x.{ending}")).exists(), "{}", ran.stderr);
    }
    for (ending, begins) in [("svg", "<svg"), ("dot", "digraph"), ("gv", "digraph"), ("SVG", "<svg")] {
        folder.ok(&format!("{export} -o y.{ending}"));
        assert!(String::from_utf8(folder.read(&format!("y.{ending}"))).unwrap().starts_with(begins), "{ending}");
    }
    folder.fails(&format!("{export} -o y.png"), 2, "unknown extension");
    folder.fails(&format!("{export} -o y"), 2, "unknown extension");
    // Controls: no ending contradicts nothing, and a pipe is called what it is called.
    folder.ok(&format!("{export} --to svg -o y"));
    assert!(folder.ok(&format!("{export} --to dot -o /dev/stdout")).starts_with("digraph"));
    folder.fails("report a.parquet -o x.txt", 2, "the extension `.txt` is not .html");
    folder.ok("report a.parquet -o x.htm");
}

/// JSON holds no path that is not UTF-8: what is not is shown as such, and the work is done.
#[test]
fn an_output_need_not_be_utf8() {
    let folder = prepared();
    folder.ok(&format!("{MEASURE} --space small.toml --seed 1 -o b.parquet"));
    let run = |line: &str, ending: &str| -> (Ran, Vec<u8>) {
        let name = [b"caf\xe9-".as_slice(), line.replace(['/', ' '], "").as_bytes(), ending.as_bytes()].concat();
        let output = folder.command(&format!("{line} --json -o")).arg(OsStr::from_bytes(&name)).output().unwrap();
        (output.into(), name)
    };
    for (line, key, ending) in [
        (format!("{MEASURE} --space small.toml"), "lut", ".parquet"),
        ("lut export a.parquet".to_owned(), "lut", ".csv"),
        ("lut merge a.parquet b.parquet".to_owned(), "lut", ".json"),
        ("lut rebuild a.journal.jsonl".to_owned(), "lut", ".parquet"),
        (IMPORT.to_owned(), "lut", ".csv"),
        ("report a.parquet".to_owned(), "report", ".html"),
        ("export --space small.toml --arch arch.json".to_owned(), "file", ".svg"),
        ("export --space small.toml --arch arch.json".to_owned(), "file", ".onnx"),
    ] {
        let (ran, name) = run(&line, ending);
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
        let said: Value = serde_json::from_str(&ran.stdout).unwrap();
        let said = said[key].as_str().unwrap();
        assert!(said.starts_with("caf\u{fffd}-") && said.ends_with(ending), "{line}: {said}");
        assert!(fs::metadata(folder.path("").join(OsStr::from_bytes(&name))).unwrap().len() > 0, "{line}");
    }
}

/// A disk that is full, or a limit on the size of files, is told with the file's name; it is no fault of the command's.
#[test]
fn a_file_that_becomes_too_large_is_an_error() {
    let folder = prepared();
    let limited = |blocks: u32, line: &str| -> Ran {
        let inner = folder.command(line);
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")])
            .arg(inner.get_program())
            .args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(folder.path("")).output().unwrap().into()
    };
    for line in [
        "report a.parquet -o big.html".to_owned(),
        "lut export a.parquet -o big.json".to_owned(),
        "export --space small.toml --arch arch.json -o big.onnx".to_owned(),
        format!("{MEASURE} --space small.toml -o big.parquet"),
    ] {
        let ran = limited(8, &line);
        assert_eq!(ran.code, Some(1), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: big") && ran.stderr.contains("too large"), "{line}: {}", ran.stderr);
        let left = fs::read_dir(folder.path("")).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
        let left: Vec<String> = left.filter(|name| name.starts_with("big") || name.starts_with(".nasprof")).collect();
        assert!(left.iter().all(|name| name == "big.journal.jsonl"), "{line}: {left:?}");
    }
    // Control: with room the same commands work, and the measurement goes on.
    assert_eq!(limited(100_000, "report a.parquet -o big.html").code, Some(0));
    folder.ok(&format!("{MEASURE} --space small.toml -o big.parquet --resume"));
}

/// A default name is never taken for an option.
#[test]
fn a_default_name_does_not_begin_as_an_option() {
    let folder = Folder::new();
    fs::copy(folder.path("small.toml"), folder.path("-rf.toml")).unwrap();
    folder.ok(&format!("{MEASURE} --space ./-rf.toml"));
    let names: Vec<String> =
        fs::read_dir(folder.path("")).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    assert!(names.contains(&"_-rf-synthetic-quiet.parquet".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with('-') && name != "-rf.toml"), "{names:?}");
}
