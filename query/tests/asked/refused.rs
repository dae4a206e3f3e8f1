//! What is refused, and with which words: wrong queries, hostile files, and whatever would do more than answer.

use std::fs;

use crate::harness::Folder;

#[test]
fn a_wrong_name_has_its_place_and_the_nearest_right_one() {
    let folder = Folder::new();
    for (sql, words) in [
        ("SELECT op,\n mean_m FROM lut", "line 2, column 2: no column `mean_m` (did you mean `mean_ms`?)"),
        ("SELECT op FROM ltu", "line 1, column 16: no table `ltu` (did you mean `lut`?)"),
        ("SELECT op FROM lut WHERE opp = 'conv'", "line 1, column 26: no column `opp` (did you mean `op`?)"),
        ("SELECT op FROM lut ORDER BY zzzzzzzz", "no column `zzzzzzzz` |"),
        ("SELECT op FORM lut", "line 1, column "),
        ("SELECT FROM WHERE", "line 1, column "),
        ("SELECT nosuch(op) FROM lut", "nosuch"),
        ("SELECT a.op FROM lut AS a LEFT JOIN lut AS b ON b.macs > a.macs", "an outer join compares by `=` only"),
        ("SELECT 1 AS x FROM (lut AS a LEFT JOIN lut AS b ON a.op = b.op AND b.macs > a.macs)", "an outer join"),
        (
            "SELECT op FROM lut WHERE op IN (SELECT a.op FROM lut AS a ANTI JOIN lut AS b ON a.macs < b.macs)",
            "an outer join",
        ),
        ("SELECT * FROM space('small')", "a name and a number"),
        ("SELECT * FROM space('mobilenet-cifar', 3)", "did you mean `mobilenet-cifar10`"),
        ("SELECT * FROM space('mobilenet-cifar10', 1000001)", "at most 1000000"),
        ("SELECT * FROM space('mobilenet-cifar10', 1, 0, 'none')", "`none` is not the table of a LUT"),
    ] {
        let refused = folder.refused(sql, &["lut.parquet"]);
        assert!(refused.contains(words), "{sql}: {refused}");
        assert!(!refused.contains("panicked") && refused.len() < 400, "{sql}: {refused}");
    }
    // Control.
    assert_eq!(folder.rows("SELECT op,\n mean_ms FROM lut LIMIT 1", &["lut.parquet"]).len(), 1);
}

/// The same file is a table where it is named as a source.
#[test]
fn a_query_reads_and_writes_nothing_itself() {
    let folder = Folder::new();
    let path = folder.path("lut.parquet").display().to_string();
    fs::write(folder.path("secret.csv"), "a,b\n1,2\n").unwrap();
    let secret = folder.path("secret.csv").display().to_string();
    let names = |folder: &Folder| fs::read_dir(folder.path("")).unwrap().count();
    let before = names(&folder);
    for sql in [
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM read_parquet('{path}')"),
        format!("SELECT * FROM read_json('{secret}')"),
        format!("SELECT * FROM read_ipc('{secret}')"),
        format!("SELECT * FROM scan_csv('{secret}')"),
        format!("SELECT * FROM lut JOIN read_csv('{secret}') AS b ON 1 = 1"),
        format!("SELECT * FROM (SELECT * FROM read_csv('{secret}')) AS b"),
        format!("WITH b AS (SELECT * FROM read_csv('{secret}')) SELECT * FROM b"),
        format!("SELECT op FROM lut WHERE op IN (SELECT a FROM read_csv('{secret}'))"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM \"{secret}\""),
        format!("SELECT * FROM space('{secret}', 1)"),
        "SELECT * FROM space('../small', 1)".to_owned(),
        "SELECT * FROM glob('/etc/*')".to_owned(),
        format!("COPY lut TO '{}'", folder.path("out.csv").display()),
        format!("COPY (SELECT 1) TO PROGRAM 'touch {}'", folder.path("ran").display()),
        format!("SELECT * INTO OUTFILE '{}' FROM lut", folder.path("out.csv").display()),
        "CREATE TABLE b AS SELECT * FROM lut".to_owned(),
        "DROP TABLE lut".to_owned(),
        "DELETE FROM lut".to_owned(),
        "TRUNCATE TABLE lut".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
    ] {
        let refused = folder.refused(&sql, &["lut.parquet"]);
        assert!(!refused.is_empty(), "{sql}");
        assert_eq!(names(&folder), before, "{sql}");
    }
    assert_eq!(folder.rows("SELECT COUNT(*) AS n FROM lut", &["lut.parquet"])[0]["n"].as_u64(), Some(38));
}

#[test]
fn damaged_files_are_named() {
    let folder = Folder::new();
    let journal = fs::read(folder.path("lut.journal.jsonl")).unwrap();
    let mut flipped = journal.clone();
    flipped[journal.len() / 2] ^= 1;
    let parquet = fs::read(folder.path("lut.parquet")).unwrap();
    for (name, content) in [
        ("cut.parquet", parquet[..parquet.len() / 2].to_vec()),
        ("empty.parquet", Vec::new()),
        ("other.parquet", b"PAR1 and no more".to_vec()),
        ("flipped.jsonl", flipped),
        ("empty.jsonl", Vec::new()),
        ("plain.csv", b"a,b\n1,2\n".to_vec()),
        ("list.json", b"[1, 2]".to_vec()),
        ("bytes.json", vec![0xff; 40]),
        ("deep.json", "[".repeat(100_000).into_bytes()),
        ("space.toml", b"format_version = 1\nkind = \"none\"\n".to_vec()),
        ("what.txt", b"text".to_vec()),
    ] {
        fs::write(folder.path(name), content).unwrap();
        let refused = folder.refused("SELECT 1 AS x", &[name]);
        assert!(refused.contains(name) && !refused.contains("panicked"), "{name}: {refused}");
    }
    fs::create_dir(folder.path("folder")).unwrap();
    assert!(folder.refused("SELECT 1 AS x", &["folder"]).contains("is not a run folder"));
    fs::write(folder.path("folder/metrics.csv"), "a,a\n1,2\n").unwrap();
    assert!(folder.refused("SELECT 1 AS x", &["folder"]).contains("metrics.csv: column 2"));
    fs::write(folder.path("folder/metrics.csv"), "a,b\n1,2\n3\n").unwrap();
    assert!(folder.refused("SELECT 1 AS x", &["folder"]).contains("metrics.csv"));
    assert!(folder.refused("SELECT 1 AS x", &["nowhere.parquet"]).contains("nowhere.parquet"));
    assert!(folder.refused("SELECT 1 AS x", &["/dev/zero"]).contains("/dev/zero"));
}

#[test]
fn texts_of_files_do_nothing_but_be_read() {
    let folder = Folder::new();
    let mut lut = folder.lut.clone();
    lut.context.header.device = "x\u{1b}[31m\u{9b}2J\nhint: forged".to_owned();
    nasprof_lut::write(&lut, &folder.path("evil.json")).unwrap();
    let job = folder.job("SELECT device FROM evil LIMIT 1", &["evil.json"]);
    let json = crate::harness::printed(&job).unwrap();
    assert!(json.trim_end().chars().all(|c| !c.is_control()), "{json:?}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["device"], lut.context.header.device, "JSON means the same");
    let table = nasprof_query::Job { format: nasprof_query::Format::Table, ..job };
    let text = crate::harness::printed(&table).unwrap();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && text.lines().count() == 3, "{text:?}");
}
