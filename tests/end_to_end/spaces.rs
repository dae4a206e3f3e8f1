//! The pages on the kinds of space files are made from the types' own documentation, and the keys and defaults on them are
//! compared with what is read. After a change: `NASPROF_WRITE_DOCS=1 cargo test --test end_to_end spaces`.

use std::fs;
use std::path::{Path, PathBuf};

use nasprof_spaces::{SpaceSpec, builtin_names, builtin_text, kinds};

use crate::types::{Kind, Types, doc_of, keys, needed, section, types};

const COMMAND: &str = "NASPROF_WRITE_DOCS=1 cargo test --test end_to_end spaces";

/// A kind of space files.
struct Described {
    kind: &'static str,
    /// The type of its keys, and where that and the types in it are defined.
    root: &'static str,
    source: &'static str,
    /// The built-in space to show.
    example: &'static str,
}

const KINDS: [Described; 8] = [
    Described { kind: "darts", root: "DartsSpec", source: "spaces/src/darts/spec.rs", example: "darts-cifar10" },
    Described {
        kind: "mobilenet",
        root: "MobilenetSpec",
        source: "spaces/src/mobilenet.rs",
        example: "mobilenet-cifar10",
    },
    Described {
        kind: "nasbench201",
        root: "Nasbench201Spec",
        source: "spaces/src/nasbench201.rs",
        example: "nasbench201-cifar10",
    },
    Described { kind: "ofa-mbv3", root: "OfaMbv3Spec", source: "spaces/src/ofa/mbv3.rs", example: "ofa-mbv3" },
    Described {
        kind: "ofa-resnet50",
        root: "OfaResnet50Spec",
        source: "spaces/src/ofa/resnet50.rs",
        example: "ofa-resnet50",
    },
    Described {
        kind: "ofa-xception",
        root: "OfaXceptionSpec",
        source: "spaces/src/ofa/xception.rs",
        example: "ofa-xception",
    },
    Described {
        kind: "random-wired",
        root: "RandomWiredSpec",
        source: "spaces/src/random_wired/mod.rs",
        example: "random-wired-cifar10",
    },
    Described { kind: "zoph", root: "ZophSpec", source: "spaces/src/zoph.rs", example: "zoph-cifar10" },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Described {
    fn types(&self) -> Types {
        types(&fs::read_to_string(root().join(self.source)).unwrap())
    }

    fn path(&self) -> PathBuf {
        root().join(format!("docs/spaces/{}.md", self.kind))
    }

    fn builtin(&self) -> impl Iterator<Item = &'static str> {
        let line = format!("\nkind = \"{}\"\n", self.kind);
        builtin_names().filter(move |name| builtin_text(name).unwrap().contains(&line))
    }

    fn page(&self) -> String {
        let known = self.types();
        let (kind, about) = (self.kind, doc_of(self.root, &known));
        let mut text = format!("<!-- Made from {}: {COMMAND} -->\n\n", self.source);
        text += &format!("# Space files of the kind `{kind}`\n\n{about}\n\n");
        text += "[Space files](../spaces.md) says how to write and check one; [the glossary](../glossary.md) explains the \
                 terms. Any other key is an error.\n\n## Keys\n\n";
        text += &format!(
            "| key | is | default | meaning |\n|---|---|---|---|\n| `format_version` | whole number | must be \
                          given | Always 1. |\n| `kind` | text | must be given | `\"{kind}\"`. |\n"
        );
        // Below the head of the table that was just written.
        text.extend(keys(self.root, &known).split_inclusive('\n').skip(2));
        text += "\n";
        for name in needed(self.root, &known).iter().filter(|name| **name != self.root) {
            let table = match &known[name].kind {
                Kind::Struct(_) => format!("### {name}\n\n{}\n\n{}", doc_of(name, &known), keys(name, &known)),
                Kind::Enum(..) => section(name, &known).replace("| with |", "|").replace("|---|---|---|", "|---|---|"),
            };
            text += &format!("{}\n", table.replace(" |  | ", " | "));
        }
        text += &format!(
            "## Example\n\nThe built-in space `{}`:\n\n```toml\n{}```\n",
            self.example,
            builtin_text(self.example).unwrap()
        );
        let links: Vec<String> =
            self.builtin().map(|name| format!("[{name}](../../configs/spaces/{name}.toml)")).collect();
        text += &format!("\nBuilt-in spaces of this kind: {}.\n", links.join(", "));
        text
    }
}

/// The list of kinds in the page on space files, between two marks.
fn list() -> String {
    KINDS.iter().fold("| kind | networks |\n|---|---|\n".to_owned(), |text, described| {
        let about = doc_of(described.root, &described.types());
        let first = about.split_once(": ").map_or(about.as_str(), |(first, _)| first);
        format!("{text}| [`{0}`](spaces/{0}.md) | {first} |\n", described.kind)
    })
}

const MARKS: [&str; 2] = [
    "<!-- The kinds: made from the source; tests/end_to_end/spaces.rs says how. -->\n\n",
    "\n<!-- The end of the kinds. -->",
];

/// The first line in which a page is not what it should be.
fn difference(written: &str, made: &str) -> Option<String> {
    let (mut a, mut b) = (written.lines(), made.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some(format!("written: {}\nin the source: {}", a.unwrap_or(""), b.unwrap_or(""))),
        }
    }
}

#[test]
fn every_kind_has_a_page_of_its_keys() {
    assert!(kinds().eq(KINDS.iter().map(|described| described.kind)), "the test does not know every kind");
    let write = std::env::var_os("NASPROF_WRITE_DOCS").is_some();
    let index_path = root().join("docs/spaces.md");
    let index = fs::read_to_string(&index_path).unwrap();
    let (before, rest) = index.split_once(MARKS[0]).expect("docs/spaces.md has lost its mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("docs/spaces.md has lost its mark");
    let made = format!("{before}{}{}{}{after}", MARKS[0], list(), MARKS[1]);
    if write {
        fs::write(&index_path, &made).unwrap();
        fs::create_dir_all(root().join("docs/spaces")).unwrap();
        KINDS.iter().for_each(|described| fs::write(described.path(), described.page()).unwrap());
        return;
    }
    assert_eq!(difference(&index, &made), None, "docs/spaces.md is not up to date: {COMMAND}");
    for described in KINDS {
        let (path, made) = (described.path(), described.page());
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(difference(&written, &made), None, "{} is not up to date: {COMMAND}", path.display());
        // A control: a key that the page does not have is noticed.
        let line = written.lines().find(|l| l.starts_with("| `num_classes`")).unwrap();
        assert!(difference(&written.replace(&format!("{line}\n"), ""), &made).unwrap().contains(line));
    }
    let pages = fs::read_dir(root().join("docs/spaces")).unwrap().count();
    assert_eq!(pages, KINDS.len(), "docs/spaces has a page of no kind");
}

/// A key left out is its default; one without a default must be there; and a value on the page is one that can be written.
#[test]
fn keys_and_defaults_are_those_that_are_read() {
    let mut with_default = 0;
    for described in KINDS {
        let known = described.types();
        let Kind::Struct(fields) = &known[described.root].kind else { panic!("{} is no struct", described.root) };
        let text = builtin_text(described.example).unwrap();
        let spec = SpaceSpec::parse(text).unwrap();
        for field in fields {
            let line = |value: &str| format!("{} = {value}\n{text}", field.name);
            let is_written = text.contains(&format!("\n{} = ", field.name));
            match &field.default {
                Some(default) if !is_written => {
                    assert_eq!(SpaceSpec::parse(&line(default)).unwrap(), spec, "{}: {}", described.kind, field.name);
                    with_default += 1;
                }
                Some(_) => {}
                None => assert!(is_written || field.may_be_absent, "{}: {}", described.kind, field.name),
            }
            // What must be given is missed.
            if !field.may_be_absent {
                let without = text.replace(&format!("\n{} = ", field.name), &format!("\nx{} = ", field.name));
                assert!(SpaceSpec::parse(&without).is_err(), "{}: {}", described.kind, field.name);
            }
        }
    }
    assert!(with_default > 15, "{with_default}");
}
