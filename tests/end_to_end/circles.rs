//! No file uses another that, over however many steps, uses it: what a file needs stands below it.
//!
//! A use is a `use` line, followed through re-exports to the file that defines the item. Tests inside a file may use what
//! they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Item, UseTree, Visibility};

use crate::layout::{CRATES, root};

type ModulePath = Vec<String>;

/// A file's part of its crate.
#[derive(Default)]
struct Module {
    file: PathBuf,
    defined: BTreeSet<String>,
    children: BTreeSet<String>,
    /// Name here, and the path it stands for; `*` for all of a module.
    uses: Vec<(String, ModulePath)>,
    /// The same for what is only handed on.
    reexports: Vec<(String, ModulePath)>,
}

/// The modules of one crate by path; the crate's own has the empty path.
struct Crate(BTreeMap<ModulePath, Module>);

impl Crate {
    fn read(entry: &Path) -> Self {
        let mut modules = Self(BTreeMap::new());
        let folder = entry.parent().unwrap().to_owned();
        modules.add(&[], entry, &folder, &fs::read_to_string(entry).unwrap());
        modules
    }

    /// `folder` is where the files of the module's children are.
    fn add(&mut self, path: &[String], file: &Path, folder: &Path, text: &str) {
        let items = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", file.display())).items;
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            match item {
                Item::Mod(item) if item.content.is_none() && !is_test(&item.attrs) => {
                    let name = item.ident.to_string();
                    module.children.insert(name.clone());
                    let child: ModulePath = path.iter().chain([&name]).cloned().collect();
                    let candidates = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                    let file = candidates.iter().find(|file| file.is_file()).unwrap();
                    self.add(&child, file, &folder.join(&name), &fs::read_to_string(file).unwrap());
                }
                Item::Use(item) if !is_test(&item.attrs) => {
                    let inherited = matches!(item.vis, Visibility::Inherited);
                    let uses = if inherited { &mut module.uses } else { &mut module.reexports };
                    flatten(&item.tree, &mut Vec::new(), path, uses);
                }
                Item::Const(item) => drop(module.defined.insert(item.ident.to_string())),
                Item::Enum(item) => drop(module.defined.insert(item.ident.to_string())),
                Item::Fn(item) => drop(module.defined.insert(item.sig.ident.to_string())),
                Item::Static(item) => drop(module.defined.insert(item.ident.to_string())),
                Item::Struct(item) => drop(module.defined.insert(item.ident.to_string())),
                Item::Trait(item) => drop(module.defined.insert(item.ident.to_string())),
                Item::Type(item) => drop(module.defined.insert(item.ident.to_string())),
                _ => {}
            }
        }
        self.0.insert(path.to_vec(), module);
    }

    /// The file that defines what a path of this crate names; nothing if it is another crate's.
    fn file_of(&self, path: &[String], steps: usize) -> Option<&Path> {
        assert!(steps < 50, "{path:?} is re-exported in a circle");
        if let Some(module) = self.0.get(path) {
            return Some(&module.file);
        }
        let (name, parent) = path.split_last()?;
        let Some(module) = self.0.get(parent) else {
            // A variant of an enum, or something below a re-exported module.
            return self.file_of(parent, steps + 1);
        };
        if module.defined.contains(name) {
            return Some(&module.file);
        }
        let all = || module.reexports.iter().chain(&module.uses);
        let named = all().find(|(known, _)| known == name);
        if let Some((_, target)) = named {
            return self.file_of(target, steps + 1);
        }
        let globs = all().filter(|(known, _)| known == "*");
        globs.filter(|(_, target)| self.0.get(target).is_some_and(|m| m.defined.contains(name))).find_map(
            |(_, target)| {
                let path: ModulePath = target.iter().chain([name]).cloned().collect();
                self.file_of(&path, steps + 1)
            },
        )
    }

    /// Which files each file uses.
    fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut arrows: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for module in self.0.values() {
            let used = arrows.entry(&module.file).or_default();
            let targets = module.uses.iter().filter_map(|(_, target)| self.file_of(target, 0));
            used.extend(targets.filter(|target| *target != module.file));
        }
        arrows
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
    })
}

/// The names that a `use` brings in, with paths from the crate's root. What begins with another crate's name is left out.
fn flatten(tree: &UseTree, before: &mut ModulePath, here: &[String], found: &mut Vec<(String, ModulePath)>) {
    let mut keep = |name: String, path: &[String]| {
        let absolute = match path.first().map(String::as_str) {
            Some("crate") => path[1..].to_vec(),
            Some("self") => here.iter().chain(&path[1..]).cloned().collect(),
            Some("super") => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                here[..here.len() - ups].iter().chain(&path[ups..]).cloned().collect()
            }
            // `use child::Item`: kept only if there is such a child, which the caller finds out.
            _ => here.iter().chain(path).cloned().collect::<ModulePath>(),
        };
        found.push((name, absolute));
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, here, found);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let name = before.last().cloned().unwrap_or_default();
            keep(name, &before.clone());
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            keep(name.clone(), &[before.as_slice(), &[name]].concat());
        }
        UseTree::Rename(name) => {
            keep(name.rename.to_string(), &[before.as_slice(), &[name.ident.to_string()]].concat());
        }
        UseTree::Glob(_) => keep("*".to_owned(), &before.clone()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, here, found)),
    }
}

/// Groups of files that reach one another.
fn circles<'a>(arrows: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> BTreeSet<BTreeSet<&'a Path>> {
    let reach = |from: &'a Path| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
        while let Some(file) = todo.pop() {
            todo.extend(arrows.get(file).into_iter().flatten().filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = arrows.keys().map(|file| (*file, reach(file))).collect();
    let mutual = |file: &&'a Path| {
        let all = reached[file].iter().filter(|other| reached.get(*other).is_some_and(|back| back.contains(file)));
        all.copied().collect::<BTreeSet<_>>()
    };
    arrows.keys().map(mutual).filter(|group| !group.is_empty()).collect()
}

/// The crates' libraries, and the command line.
fn entries() -> Vec<PathBuf> {
    let libraries = CRATES.iter().filter(|name| **name != "examples").map(|name| root().join(name).join("src/lib.rs"));
    libraries.chain([root().join("src/main.rs")]).collect()
}

#[test]
fn no_file_uses_itself_over_others() {
    let mut wrong = String::new();
    let mut count = 0;
    for entry in entries() {
        let modules = Crate::read(&entry);
        let arrows = modules.arrows();
        count += arrows.values().map(BTreeSet::len).sum::<usize>();
        for circle in circles(&arrows) {
            let names: Vec<String> =
                circle.iter().map(|file| file.strip_prefix(root()).unwrap().display().to_string()).collect();
            wrong += &format!("{}\n", names.join(" <-> "));
        }
    }
    assert!(count > 300, "only {count} uses were found");
    assert!(wrong.is_empty(), "files that use one another; move what both need below them:\n{wrong}");
}

/// The control: two files that use one another, one of them through a re-export, are found.
#[test]
fn a_circle_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::One;\n");
    write("a.rs", "use crate::b::Two;\npub struct One(Two);\n");
    write("b.rs", "use super::One;\npub struct Two(Box<One>);\n");
    write("c.rs", "use crate::One;\npub struct Three(One);\n");
    let modules = Crate::read(&folder.path().join("lib.rs"));
    let (a, b) = (folder.path().join("a.rs"), folder.path().join("b.rs"));
    assert_eq!(circles(&modules.arrows()), BTreeSet::from([BTreeSet::from([a.as_path(), b.as_path()])]));
    write("b.rs", "#[cfg(test)]\nuse super::One;\npub struct Two;\n");
    let modules = Crate::read(&folder.path().join("lib.rs"));
    assert_eq!(circles(&modules.arrows()), BTreeSet::new());
}
