//! Each public item has one path, read from the source: two paths are two pages in the docs, and a
//! reader who finds both asks which is meant. The crate's root may repeat a name, for convenience.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A module's path in its crate.
type Module = Vec<String>;

/// An item: the module that defines it, and its name there.
type Item = (Module, String);

/// What one module says of itself.
#[derive(Default)]
struct Source {
    /// Its child modules, and whether they are public.
    children: BTreeMap<String, bool>,
    defined: BTreeSet<String>,
    /// `use` of any visibility: the name here, and the path to it. `*` is a glob.
    used: Vec<(String, Vec<String>)>,
    /// Those of them that are `pub use`, and not hidden in the docs.
    exported: Vec<(String, Vec<String>)>,
}

struct Crate(BTreeMap<Module, Source>);

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read_folder(folder, &Module::new(), &mut modules);
        Self(modules)
    }

    fn is_public(&self, module: &[String]) -> bool {
        (0..module.len()).all(|depth| self.0[&module[..depth]].children.get(&module[depth]) == Some(&true))
    }

    /// Where a path leads to in this crate, seen from a module.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<Item> {
        let (name, way) = path.split_last()?;
        let mut module = from.to_vec();
        for (position, step) in way.iter().enumerate() {
            match step.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                _ => {
                    let child: Module = module.iter().chain([step]).cloned().collect();
                    if self.0.contains_key(&child) {
                        module = child;
                    } else if position == 0 {
                        return None; // another crate's
                    } else {
                        // A module that is re-exported.
                        let (parent, child) = self.find(&module, step)?;
                        module = parent.into_iter().chain([child]).collect();
                    }
                }
            }
        }
        self.find(&module, name)
    }

    /// The item that has this name in a module.
    fn find(&self, module: &[String], name: &str) -> Option<Item> {
        let source = self.0.get(module)?;
        if source.defined.contains(name) || source.children.contains_key(name) {
            return Some((module.to_vec(), name.to_owned()));
        }
        let (_, path) = source.used.iter().find(|(used, _)| used == name)?;
        self.resolve(module, path)
    }

    /// The items that are public in a module: defined there, or exported.
    fn items(&self, module: &[String]) -> BTreeSet<Item> {
        let source = &self.0[module];
        let mut items: BTreeSet<Item> = source
            .defined
            .iter()
            .map(|name| (module.to_vec(), name.clone()))
            .collect();
        for (name, path) in &source.exported {
            if name == "*" {
                let glob = path.iter().chain([&name.to_owned()]).cloned().collect::<Vec<_>>();
                let of = self.resolve(module, &glob[..glob.len() - 1]);
                let of = of.map(|(module, name)| module.into_iter().chain([name]).collect::<Module>());
                items.extend(of.into_iter().flat_map(|of| self.items(&of)));
            } else {
                items.extend(self.resolve(module, path));
            }
        }
        items
    }

    /// The items with two public paths or more, those at the crate's root left aside.
    fn repeated(&self) -> Vec<String> {
        let mut paths: BTreeMap<Item, Vec<String>> = BTreeMap::new();
        for module in self
            .0
            .keys()
            .filter(|module| !module.is_empty() && self.is_public(module))
        {
            for item in self.items(module) {
                paths.entry(item).or_default().push(module.join("::"));
            }
        }
        paths
            .into_iter()
            .filter(|(_, paths)| paths.len() > 1)
            .map(|((_, name), paths)| format!("{name} is in {}", paths.join(" and ")))
            .collect()
    }
}

fn read_folder(folder: &Path, module: &Module, modules: &mut BTreeMap<Module, Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let child = || module.iter().cloned().chain([name.clone()]).collect::<Module>();
        if path.is_dir() {
            read_folder(&path, &child(), modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            let of = match name.as_str() {
                "lib" | "mod" => module.clone(),
                _ => child(),
            };
            modules.insert(of, read(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What stands at the beginning of a line, as rustfmt writes it.
fn read(text: &str) -> Source {
    let mut source = Source::default();
    let mut is_hidden = false;
    let mut lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    while let Some(line) = lines.next() {
        let (is_public, rest) = match line.strip_prefix("pub ") {
            Some(rest) => (true, rest),
            None => (false, without_visibility(line)),
        };
        if let Some(first) = rest.strip_prefix("use ") {
            let mut tree = first.to_owned();
            while !tree.ends_with(';') {
                tree.push_str(lines.next().expect("a `use` ends with a semicolon").trim());
            }
            let used = leaves(tree.trim_end_matches(';'));
            if is_public && !is_hidden {
                source.exported.extend(used.clone());
            }
            source.used.extend(used);
        } else if let Some(child) = rest.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            source.children.insert(child.to_owned(), is_public);
        } else if is_public && let Some(name) = defined(rest) {
            source.defined.insert(name);
        }
        is_hidden = line == "#[doc(hidden)]" || (is_hidden && line.starts_with("#["));
    }
    source
}

/// A line without its `pub(crate) ` or `pub(super) `.
fn without_visibility(line: &str) -> &str {
    match line.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
        Some((_, rest)) => rest,
        None => line,
    }
}

/// The name of the item that a line begins, behind its `pub`.
fn defined(line: &str) -> Option<String> {
    let mut words = line
        .split(' ')
        .skip_while(|word| ["async", "unsafe"].contains(word))
        .peekable();
    let kind = words.next()?;
    if kind == "const" && words.peek() == Some(&"fn") {
        words.next();
    }
    ["struct", "enum", "trait", "fn", "type", "const", "static"]
        .contains(&kind)
        .then(|| words.next())?
        .map(|name| {
            name.chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect()
        })
}

/// The names that a `use` brings, each with its path: `a::{B, C as D}` is `B` at `a::B` and `D` at
/// `a::C`.
fn leaves(tree: &str) -> Vec<(String, Vec<String>)> {
    fn walk(tree: &str, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
        let path = |text: &str| {
            let steps = text.split("::").map(str::trim).filter(|step| !step.is_empty());
            before
                .iter()
                .cloned()
                .chain(steps.map(str::to_owned))
                .collect::<Vec<_>>()
        };
        if let Some((way, group)) = tree.split_once('{') {
            let way = path(way);
            let group = group.trim_end().strip_suffix('}').expect("a group ends with a brace");
            let (mut depth, mut begin) = (0, 0);
            for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        walk(group[begin..at].trim(), &way, found);
                        begin = at + 1;
                    }
                    _ => {}
                }
            }
            return;
        }
        let (tree, alias) = match tree.split_once(" as ") {
            Some((tree, alias)) => (tree, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        let mut path = path(tree);
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(last) = path.last().cloned() else { return };
        if last == "*" {
            path.pop();
        }
        found.push((alias.unwrap_or(last), path));
    }
    let mut found = Vec::new();
    walk(tree, &[], &mut found);
    found
}

#[test]
fn each_public_item_has_one_path_besides_the_crates_root() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in [
        "src",
        "crates/inspector/src",
        "crates/reconcile/src",
        "crates/redis/src",
        "crates/sandbox/src",
        "crates/sqlx/src",
    ] {
        let read = Crate::read(&root.join(folder));
        assert!(!read.0[&[][..]].exported.is_empty(), "{folder} is where it was");
        all.extend(
            read.repeated()
                .into_iter()
                .map(|repeated| format!("{folder}: {repeated}")),
        );
    }
    assert!(
        all.is_empty(),
        "{all:#?}; expected one path for each besides the root: remove a `pub use`"
    );
}

#[test]
fn an_item_with_two_paths_is_found_however_it_came_there() {
    let source = |text: &str| read(text);
    let name = |module: &str| {
        module
            .split("::")
            .filter(|step| !step.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let with = |doors: &str| {
        Crate(BTreeMap::from([
            (
                name(""),
                source("mod inner;\npub mod house;\npub mod garden;\npub use house::Door;\n"),
            ),
            (name("inner"), source("pub struct Window;\npub(crate) struct Wall;\n")),
            (
                name("house"),
                source(
                    "mod door;\n\npub use door::{\n    Door,\n    Key as Latch,\n};\npub use crate::inner::Window;\n",
                ),
            ),
            (
                name("house::door"),
                source("/// A door.\npub struct Door;\npub const fn Key() {}\n"),
            ),
            (name("garden"), source(doors)),
        ]))
        .repeated()
    };
    assert_eq!(with("pub struct Tree;\nuse crate::house::Door;\n"), [""; 0]);
    assert_eq!(with("pub use crate::house::Door;\n"), ["Door is in garden and house"]);
    assert_eq!(
        with("pub use super::house::{self, Latch};\n"),
        ["Key is in garden and house"]
    );
    assert_eq!(with("pub use crate::inner::*;\n"), ["Window is in garden and house"]);
    assert_eq!(with("#[doc(hidden)]\npub use crate::house::Door;\n"), [""; 0]);
}
