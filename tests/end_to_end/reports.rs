//! Reports of real outputs in a real browser, at desktop and phone width.

use serde_json::{Value, json};

use crate::browser::{Browser, DESKTOP, PHONE, Screen};
use crate::harness::Folder;
use crate::sample_lut::folder_with_lut;

/// Opens a report; a page that is wider than its screen cannot be read on a phone.
fn open(folder: &Folder, name: &str, screen: Screen) -> Option<Browser> {
    let mut browser = Browser::start(screen)?;
    browser.open(&folder.path(name));
    let width = browser.evaluate("document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(width <= u64::from(screen.width), "{name} is {width} wide on a screen of {}", screen.width);
    Some(browser)
}

fn numbers(browser: &mut Browser, column: usize) -> Vec<f64> {
    let values = browser.evaluate(&format!(
        "[...document.querySelectorAll('#layer-table tbody tr:not([hidden])')].map(r => r.cells[{column}].dataset.v)\
         .filter(v => v !== undefined).map(Number)"
    ));
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn visible(browser: &mut Browser) -> Vec<String> {
    let rows = browser.evaluate(
        "[...document.querySelectorAll('#layer-table tbody tr')].filter(r => r.offsetParent).map(r => r.textContent)",
    );
    rows.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn search(browser: &mut Browser, words: &str) {
    browser.evaluate(&format!(
        "(() => {{ const i = document.querySelector('input[data-table=layer-table]'); i.value = {}; \
         i.dispatchEvent(new Event('input')); }})()",
        json!(words)
    ));
}

const HALF_WIDTH: usize = 2;

#[test]
fn the_table_sorts_and_searches_by_mouse_and_keyboard() {
    let folder = folder_with_lut();
    folder.ok("report lut.parquet -o r.html");
    for screen in [DESKTOP, PHONE] {
        let Some(mut browser) = open(&folder, "r.html", screen) else { return };
        let heading = format!("document.querySelectorAll('#layer-table th button')[{HALF_WIDTH}]");
        assert!(!numbers(&mut browser, HALF_WIDTH).is_sorted());
        browser.evaluate(&format!("{heading}.click()"));
        assert!(numbers(&mut browser, HALF_WIDTH).is_sorted_by(|a, b| a >= b));
        browser.evaluate(&format!("{heading}.focus()"));
        browser.press("Enter", 13);
        assert!(numbers(&mut browser, HALF_WIDTH).is_sorted());

        let all = visible(&mut browser).len();
        assert_eq!(all, 127);
        search(&mut browser, "DEPTHWISE 7x7");
        let found = visible(&mut browser);
        assert!(!found.is_empty() && found.len() < all);
        assert!(found.iter().all(|row| row.contains("7x7") && row.contains("depthwise")));
        let shown = browser.text("document.querySelector('output').textContent");
        assert_eq!(shown, format!("{} of 127 layers", found.len()));
        search(&mut browser, "no such layer");
        assert!(visible(&mut browser).is_empty());
        assert_eq!(browser.problems(), Vec::<String>::new());
    }
}

#[test]
fn marks_say_what_they_are() {
    let folder = folder_with_lut();
    folder.ok("report lut.parquet -o r.html");
    let Some(mut browser) = open(&folder, "r.html", DESKTOP) else { return };
    assert_eq!(browser.evaluate("document.getElementById('tip').hidden"), true);
    browser.hover("#speed figure:nth-child(2) .mark");
    let tip = browser.text("document.getElementById('tip').textContent");
    assert!(tip.contains(" ms"), "{tip:?}");
    assert_eq!(browser.evaluate("document.getElementById('tip').hidden"), false);
    browser.press("Escape", 27);
    assert_eq!(browser.evaluate("document.getElementById('tip').hidden"), true);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

/// Contrast of a text colour on a background, as WCAG defines it.
const CONTRAST: &str = "(() => {
    const probe = document.body.appendChild(document.createElement('i'));
    const light = (name) => {
        probe.style.color = `var(--${name})`;
        const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const pairs = ['ink', 'soft', 'accent', 'good', 'doubtful', 'bad'].flatMap((a) => ['bg', 'card'].map((b) => [a, b]));
    return pairs.map(([a, b]) => [light(a), light(b)]).map(([a, b]) => Math.max(a, b) / Math.min(a, b));
})()";

#[test]
fn both_themes_can_be_read_and_printed() {
    let folder = folder_with_lut();
    folder.ok("report lut.parquet -o r.html");
    let Some(mut browser) = open(&folder, "r.html", DESKTOP) else { return };
    let background = "getComputedStyle(document.body).backgroundColor";
    let mut seen = Vec::new();
    for theme in ["system", "light", "dark"] {
        assert_eq!(browser.text("document.getElementById('theme').textContent"), format!("Theme: {theme}"));
        let contrasts = browser.evaluate(CONTRAST);
        assert!(contrasts.as_array().unwrap().iter().all(|c| c.as_f64().unwrap() >= 4.5), "{theme}: {contrasts}");
        seen.push(browser.text(background));
        browser.evaluate("document.getElementById('theme').click()");
    }
    assert_eq!((seen[0] == seen[1], seen[1] == seen[2]), (true, false), "{seen:?}");

    browser.evaluate("document.documentElement.dataset.theme = 'dark'");
    browser.call("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    assert_eq!(browser.text(background), "rgb(255, 255, 255)");
    assert_eq!(browser.evaluate("document.querySelector('.tools').offsetParent"), Value::Null);
    let pdf = browser.call("Page.printToPDF", &json!({}));
    assert!(pdf["data"].as_str().unwrap().len() > 10_000);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

/// Every other kind of report, from outputs made here.
#[test]
fn every_kind_of_report_opens_cleanly() {
    let folder = folder_with_lut();
    let line = "--lut lut.parquet --space mobilenet-cifar10";
    let validation = folder.ok(&format!("validate --device synthetic:wander {line} -n 12 --json"));
    std::fs::write(folder.path("validation.json"), validation).unwrap();
    folder.ok(&format!("report validation.json {line} -o validation.html"));
    folder.ok("measure --device synthetic:quiet --space mobilenet-cifar10 --mode isolated -o b.parquet");
    folder.ok("report lut.parquet b.parquet -o comparison.html");
    search_folder(&folder);
    folder.ok("report run -o search.html");
    for (name, ms) in [("p", 0.25), ("q", 0.75)] {
        let layers = format!(
            r#"[{{"count": 9}}, {{"name": "/backbone/stage_1/block_with_a_long_name/Conv_0 + Relu_0", "averageMs": {ms}}}, {{"name": "Gemm_{name}", "averageMs": 0.5}}]"#
        );
        std::fs::write(folder.path(&format!("{name}.json")), layers).unwrap();
        folder.ok(&format!("lut import {name}.json --format trtexec --device jetson -o {name}.parquet"));
    }
    folder.ok("report p.parquet -o model.html");
    folder.ok("report p.parquet q.parquet -o models.html");
    let contents = [
        ("model.html", "Where does the time go?", 0),
        ("models.html", "By operator", 0),
        ("validation.html", "Where the time of networks goes", 2),
        ("comparison.html", "In networks and alone", 2),
        ("search.html", "Probabilities over time", 4),
    ];
    for (name, section, charts) in contents {
        for screen in [DESKTOP, PHONE] {
            let Some(mut browser) = open(&folder, name, screen) else { return };
            assert!(browser.text("document.body.textContent").contains(section), "{name}");
            let drawn = browser.evaluate("document.querySelectorAll('figure svg, .picture svg').length");
            assert!(drawn.as_u64().unwrap() >= charts, "{name}: {drawn}");
            assert_eq!(browser.problems(), Vec::<String>::new(), "{name}");
        }
    }
}

/// What a search leaves.
fn search_folder(folder: &Folder) {
    std::fs::create_dir(folder.path("run")).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path("run").join(name), text).unwrap();
    let arch = folder.ok("space sample darts-cifar10 -n 1 --seed 4");
    let choices = serde_json::from_str::<Value>(&arch).unwrap()["choices"].as_object().unwrap().clone();
    write("arch.json", arch);
    let rows: Vec<String> = (0..30).map(|e| format!("{e},{},{},{}\n", 2.0 / f64::from(e + 1), 0.5, 3.0)).collect();
    write("metrics.csv", format!("epoch,loss/train,error/valid,expected/latency\n{}", rows.concat()));
    let alphas: Vec<String> =
        choices.iter().map(|(choice, candidate)| format!("0,{choice},{candidate},0.5\n")).collect();
    write("alphas.csv", format!("step,choice,candidate,probability\n{}", alphas.concat()));
    let result = json!({
        "format_version": 1, "arch": null, "target_ms": 2.5, "estimated_ms": 2.4, "feasible": true, "repaired": false,
        "accuracy": 0.9, "accuracy_of": "400 validation images", "quantities": [], "params": 1000, "macs": 2000,
        "seconds": 12.0, "seed": 0,
    });
    write("result.json", result.to_string());
}

/// A LUT whose rows are made from those of a real one.
fn changed_lut(folder: &Folder, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
    folder.ok("lut export lut.parquet -o real.json");
    let mut lut: Value = serde_json::from_slice(&folder.read("real.json")).unwrap();
    change(lut["rows"].as_array_mut().unwrap());
    std::fs::write(folder.path(name), lut.to_string()).unwrap();
}

#[test]
fn hostile_names_are_text() {
    let folder = folder_with_lut();
    let names = [
        "<img src=x onerror=\"window.hacked=1\">".to_owned(),
        "</script><script>window.hacked=1</script>".to_owned(),
        "</title></style></svg><iframe src='http://127.0.0.1:9/'>".to_owned(),
        "\" onmouseover=\"window.hacked=1\" x=\"' & &lt;".to_owned(),
        "javascript:window.hacked=1\u{0}\u{1b}\u{202e}".to_owned(),
        "long ".repeat(20_000),
    ];
    changed_lut(&folder, "evil.json", |rows| {
        for (row, name) in rows.iter_mut().zip(&names) {
            for field in ["key", "op", "attributes", "input_shapes"] {
                row[field] = name.as_str().into();
            }
        }
        rows[6]["times"] = Value::Null;
        rows[6]["error"] = names[1].as_str().into();
    });
    folder.ok("report evil.json -o evil.html");
    folder.ok("report evil.json evil.json -o pair.html");
    for page in ["evil.html", "pair.html"] {
        for screen in [DESKTOP, PHONE] {
            let Some(mut browser) = open(&folder, page, screen) else { return };
            search(&mut browser, "hacked");
            for mark in ["#layer-table td", ".chart .mark"] {
                browser.hover(mark);
            }
            let text = browser.text("document.getElementById('layer-table').textContent");
            for name in &names[..4] {
                assert!(text.contains(name.as_str()), "{page}: {name} is not shown as text");
            }
            assert_eq!(browser.evaluate("window.hacked"), Value::Null);
            assert_eq!(browser.evaluate("document.querySelectorAll('img, iframe, [onmouseover]').length"), 0);
            assert_eq!(browser.problems(), Vec::<String>::new());
        }
    }
}

/// Only what a reader asks for is laid out at first; the time it takes is in docs/reports.md.
#[test]
fn a_lut_of_5000_rows_stays_light() {
    let folder = folder_with_lut();
    changed_lut(&folder, "large.json", |rows| {
        let real = rows.clone();
        while rows.len() < 5000 {
            let mut row = real[rows.len() % real.len()].clone();
            row["key"] = format!("{} copy {}", row["key"].as_str().unwrap(), rows.len()).into();
            rows.push(row);
        }
    });
    folder.ok("report large.json -o large.html");
    assert!(folder.read("large.html").len() < 5_000_000, "{} bytes", folder.read("large.html").len());
    let Some(mut browser) = open(&folder, "large.html", DESKTOP) else { return };
    let loaded = browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd");
    eprintln!("a report of 5000 rows: {} bytes, open after {loaded} ms", folder.read("large.html").len());
    assert_eq!(visible(&mut browser).len(), 200);
    search(&mut browser, "copy 4999");
    assert_eq!(visible(&mut browser).len(), 1);
    search(&mut browser, "");
    browser.evaluate("document.querySelector('button[data-all]').click()");
    assert_eq!(visible(&mut browser).len(), 5000);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[test]
fn bad_inputs_are_named_and_leave_the_old_report() {
    let folder = Folder::new();
    std::fs::write(folder.path("old.html"), "old").unwrap();
    std::fs::write(folder.path("broken.json"), "{\"mape\": 0.1, \"n\": 3}").unwrap();
    std::fs::write(folder.path("zero.json"), validation(&json!(0.0))).unwrap();
    std::fs::create_dir(folder.path("empty")).unwrap();
    for (input, naming) in [
        ("broken.json", "missing field"),
        ("zero.json", "measured_ms"),
        ("empty", "metrics.csv"),
        ("missing.parquet", "missing.parquet"),
        ("small.toml", ".toml"),
        ("empty missing.parquet", "not a LUT"),
    ] {
        folder.fails(&format!("report {input} -o old.html"), 2, naming);
    }
    assert_eq!(folder.read("old.html"), b"old");
    std::fs::write(folder.path("good.json"), validation(&json!(1.0))).unwrap();
    folder.fails("report good.json -o no/such/folder.html", 2, "no/such/folder.html");
    folder.ok("report good.json -o old.html");
    assert!(folder.read("old.html").starts_with(b"<!DOCTYPE html>"));
}

fn validation(measured: &Value) -> String {
    let arch = json!({"format_version": 1, "space": "s", "choices": {"a": "b"}});
    let row = json!({"arch": arch, "measured_ms": measured, "estimated_ms": 1.1});
    json!({"n": 1, "level": null, "mape": 0.1, "bias": 0.1, "raw_mape": 0.1, "rows": [row]}).to_string()
}

/// Pictures are well-formed XML on their own, whatever the space.
#[test]
fn architectures_are_exported_as_pictures_and_graphs() {
    let folder = Folder::new();
    for space in ["mobilenet-cifar10", "darts-cifar10", "random-wired-cifar10"] {
        std::fs::write(folder.path("arch.json"), folder.ok(&format!("space sample {space} -n 1 --seed 2"))).unwrap();
        for view in ["architecture", "network", "supernet"] {
            let line = format!("export --space {space} --arch arch.json --view {view} -o out");
            folder.ok(&format!("{line}.svg --to svg"));
            let Some(mut browser) = Browser::start(DESKTOP) else { return };
            browser.open(&folder.path("out.svg"));
            assert_eq!(browser.text("document.documentElement.nodeName"), "svg", "{space} {view}");
            assert!(browser.evaluate("document.querySelectorAll('rect').length").as_u64().unwrap() > 3);
            assert_eq!(browser.problems(), Vec::<String>::new(), "{space} {view}");
        }
        folder.ok(&format!("export --space {space} --arch arch.json --to dot -o out.dot"));
        assert!(String::from_utf8(folder.read("out.dot")).unwrap().starts_with("digraph {"));
        folder.fails(
            &format!("export --space {space} --arch arch.json --to dot --view architecture -o x"),
            2,
            "--view",
        );
    }
    std::fs::write(folder.path("bad.json"), "{\"format_version\":1,\"space\":\"mobilenet-cifar10\"}").unwrap();
    folder.fails("export --space mobilenet-cifar10 --arch bad.json --to svg -o x.svg", 2, "bad.json");
    assert!(!folder.path("x.svg").exists());
}
