//! Types of messages and files as their source describes them: names, fields, types and documentation, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use syn::{Attribute, Expr, Fields, File, GenericArgument, Item, Lit, Meta, PathArguments, Stmt, Type};

/// A field of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    ty: Type,
    doc: String,
    pub(crate) may_be_absent: bool,
    /// What it is where it is absent, as a file would write it; `None` if only the documentation can say.
    pub(crate) default: Option<String>,
}

/// A struct, or a variant of an enum with its fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Nothing,
    Fields(Vec<Field>),
    /// All of another type.
    Of(Type),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    pub(crate) name: String,
    doc: String,
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Struct(Vec<Field>),
    /// With the key that names the variant, if there is one.
    Enum(Option<String>, Vec<Variant>),
}

/// A type that is written to files or sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    doc: String,
    pub(crate) kind: Kind,
}

/// Types by name.
pub(crate) type Types = BTreeMap<String, Described>;

/// All structs with named fields and all enums of a source file that are serialized.
pub(crate) fn types(source: &str) -> Types {
    let file = syn::parse_file(source).unwrap();
    let functions = values(&file);
    let described = file.items.into_iter().filter_map(|item| match item {
        Item::Struct(s) if serialized(&s.attrs) => {
            let fields = fields(&s.fields, &functions)?;
            Some((s.ident.to_string(), Described { doc: doc(&s.attrs), kind: Kind::Struct(fields) }))
        }
        Item::Enum(e) if serialized(&e.attrs) => {
            let serde = serde(&e.attrs);
            let snake_case = serde.contains("rename_all = \"snake_case\"");
            let tag = quoted(&serde, "tag");
            let variants = e.variants.iter().map(|v| Variant {
                name: quoted(&self::serde(&v.attrs), "rename").unwrap_or_else(|| {
                    assert!(snake_case, "{}: names are not in snake case", e.ident);
                    snake(&v.ident.to_string())
                }),
                doc: doc(&v.attrs),
                content: match &v.fields {
                    Fields::Unit => Content::Nothing,
                    Fields::Unnamed(of) => Content::Of(of.unnamed[0].ty.clone()),
                    Fields::Named(_) => Content::Fields(fields(&v.fields, &functions).unwrap()),
                },
            });
            Some((e.ident.to_string(), Described { doc: doc(&e.attrs), kind: Kind::Enum(tag, variants.collect()) }))
        }
        _ => None,
    });
    described.collect()
}

/// The text that a key of an attribute has.
fn quoted(attribute: &str, key: &str) -> Option<String> {
    Some(attribute.split(&format!("{key} = \"")).nth(1)?.split('"').next()?.to_owned())
}

/// What functions without arguments return, by name, where that is written out.
fn values(file: &File) -> BTreeMap<String, String> {
    let value = |item: &Item| match item {
        Item::Fn(f) => match &f.block.stmts[..] {
            [Stmt::Expr(value, None)] => Some((f.sig.ident.to_string(), literal(value)?)),
            [Stmt::Macro(value)] => Some((f.sig.ident.to_string(), list(&value.mac))),
            _ => None,
        },
        _ => None,
    };
    file.items.iter().filter_map(value).collect()
}

/// A number, a truth value, or a list of them.
fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            Lit::Float(number) => Some(number.base10_digits().to_owned()),
            Lit::Bool(value) => Some(value.value.to_string()),
            _ => None,
        },
        Expr::Array(array) => {
            let elements: Option<Vec<String>> = array.elems.iter().map(literal).collect();
            Some(format!("[{}]", elements?.join(", ")))
        }
        Expr::Macro(value) => Some(list(&value.mac)),
        _ => None,
    }
}

/// `vec![…]`
fn list(value: &syn::Macro) -> String {
    format!("[{}]", value.tokens.to_string().replace(" ,", ","))
}

/// What `Default` makes of a type.
fn nothing(ty: &Type) -> Option<String> {
    let value = match parts(ty).0.as_str() {
        "bool" => "false",
        "f64" => "0.0",
        "usize" | "u64" | "u32" => "0",
        "Vec" => "[]",
        _ => return None,
    };
    Some(value.to_owned())
}

/// `None` for a struct that is written as what it holds.
fn fields(fields: &Fields, functions: &BTreeMap<String, String>) -> Option<Vec<Field>> {
    let Fields::Named(named) = fields else { return None };
    let field = |f: &syn::Field| {
        let serde = serde(&f.attrs);
        assert!(!serde.contains("flatten"), "{serde}: not known to this test");
        Field {
            name: quoted(&serde, "rename").unwrap_or_else(|| f.ident.as_ref().unwrap().to_string()),
            ty: f.ty.clone(),
            doc: doc(&f.attrs),
            may_be_absent: serde.contains("default"),
            default: match quoted(&serde, "default") {
                Some(function) => functions.get(&function).cloned(),
                None if serde.contains("default") => nothing(&f.ty),
                None => None,
            },
        }
    };
    Some(named.named.iter().map(field).collect())
}

fn serialized(attributes: &[Attribute]) -> bool {
    let text = |a: &Attribute| if let Meta::List(list) = &a.meta { list.tokens.to_string() } else { String::new() };
    attributes.iter().any(|a| a.path().is_ident("derive") && text(a).contains("Serialize"))
}

fn serde(attributes: &[Attribute]) -> String {
    let of = attributes.iter().filter(|a| a.path().is_ident("serde"));
    of.map(|a| if let Meta::List(list) = &a.meta { list.tokens.to_string() } else { String::new() }).collect()
}

/// A documentation comment in one line, without links.
fn doc(attributes: &[Attribute]) -> String {
    let line = |a: &Attribute| match &a.meta {
        Meta::NameValue(value) if a.path().is_ident("doc") => match &value.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    let mut text = String::new();
    let joined = lines.join(" ");
    let mut rest = joined.as_str();
    // [`Request::Load`] becomes `load`, [`PROTOCOL_VERSION`] stays as it is.
    while let Some((before, after)) = rest.split_once("[`") {
        let (link, behind) = after.split_once("`]").unwrap();
        let name = link.rsplit_once("::").map_or(link.to_owned(), |(_, variant)| snake(variant));
        let _ = write!(text, "{before}`{name}`");
        rest = behind;
    }
    text + rest
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// Last name of a path, and what is in its angle brackets.
fn parts(ty: &Type) -> (String, Vec<Type>) {
    if let Type::Array(array) = ty {
        return ("array".to_owned(), vec![(*array.elem).clone()]);
    }
    let Type::Path(path) = ty else { panic!("not a path") };
    let last = path.path.segments.last().unwrap();
    let arguments = match &last.arguments {
        PathArguments::AngleBracketed(all) => all.args.iter().filter_map(|a| match a {
            GenericArgument::Type(ty) => Some(ty.clone()),
            _ => None,
        }),
        _ => return (last.ident.to_string(), Vec::new()),
    };
    (last.ident.to_string(), arguments.collect())
}

/// A type in words.
fn words(ty: &Type, known: &Types) -> String {
    let (name, of) = parts(ty);
    if let Type::Array(array) = ty {
        return format!("list of {}: {}", literal(&array.len).unwrap(), words(&of[0], known));
    }
    match name.as_str() {
        "String" => "text".to_owned(),
        "bool" => "true or false".to_owned(),
        "i32" | "u8" | "u16" | "u32" | "u64" | "usize" => "whole number".to_owned(),
        "f64" => "number".to_owned(),
        "Vec" => format!("list of: {}", words(&of[0], known)),
        "Option" => format!("{}, or null", words(&of[0], known)),
        "BTreeMap" => format!("object, each: {}", words(&of[1], known)),
        "Box" => words(&of[0], known),
        "Graph" => "graph".to_owned(),
        "LayerKey" => "a layer's key".to_owned(),
        "Arch" => "list of the candidates' numbers".to_owned(),
        name => {
            assert!(known.contains_key(name), "the page does not describe {name}");
            format!("[{name}](#{})", name.to_lowercase())
        }
    }
}

/// The types of the pages that a type needs, itself first, each once.
pub(crate) fn needed(root: &str, known: &Types) -> Vec<String> {
    fn visit(name: &str, known: &Types, seen: &mut BTreeSet<String>, all: &mut Vec<String>) {
        let Some(described) = known.get(name).filter(|_| seen.insert(name.to_owned())) else { return };
        all.push(name.to_owned());
        let of = |fields: &[Field]| fields.iter().map(|f| f.ty.clone()).collect::<Vec<_>>();
        let inside: Vec<Type> = match &described.kind {
            Kind::Struct(fields) => of(fields),
            Kind::Enum(_, variants) => variants
                .iter()
                .flat_map(|v| match &v.content {
                    Content::Nothing => Vec::new(),
                    Content::Fields(fields) => of(fields),
                    Content::Of(ty) => vec![ty.clone()],
                })
                .collect(),
        };
        for ty in inside {
            let mut open = vec![ty];
            while let Some(ty) = open.pop() {
                let (name, inner) = parts(&ty);
                visit(&name, known, seen, all);
                open.extend(inner);
            }
        }
    }
    let mut all = Vec::new();
    visit(root, known, &mut BTreeSet::new(), &mut all);
    all
}

/// A section on one type.
pub(crate) fn section(name: &str, known: &Types) -> String {
    let described = &known[name];
    let mut text = format!("### {name}\n\n{}\n\n", described.doc);
    let row = |f: &Field| {
        let absent = if f.may_be_absent { "; may be absent" } else { "" };
        format!("| `{}` | {}{absent} | {} |\n", f.name, words(&f.ty, known), f.doc)
    };
    match &described.kind {
        Kind::Struct(fields) => {
            text += "| field | is | meaning |\n|---|---|---|\n";
            text.extend(fields.iter().map(row));
        }
        Kind::Enum(tag, variants) => {
            let head = tag.as_ref().map_or("one of".to_owned(), |tag| format!("`{tag}`"));
            let _ = write!(text, "| {head} | with | meaning |\n|---|---|---|\n");
            for v in variants {
                let with = match &v.content {
                    Content::Nothing => String::new(),
                    Content::Of(ty) if tag.is_some() => format!("the fields of {}", words(ty, known)),
                    Content::Of(ty) => format!("`{{\"{}\": …}}` of: {}", v.name, words(ty, known)),
                    Content::Fields(fields) => {
                        let line = |f: &Field| format!("`{}`: {}. {}", f.name, words(&f.ty, known), f.doc);
                        fields.iter().map(line).collect::<Vec<_>>().join("<br>")
                    }
                };
                let _ = writeln!(text, "| `{}` | {with} | {} |", v.name, v.doc);
            }
        }
    }
    text
}

/// The keys of a file that people write, with what they are where they are left out.
pub(crate) fn keys(name: &str, known: &Types) -> String {
    let Kind::Struct(fields) = &known[name].kind else { panic!("{name} is no struct") };
    let row = |f: &Field| {
        let default = match (&f.default, f.may_be_absent) {
            (Some(value), _) => format!("`{value}`"),
            (None, true) => "see there".to_owned(),
            (None, false) => "must be given".to_owned(),
        };
        format!("| `{}` | {} | {default} | {} |\n", f.name, words(&f.ty, known), f.doc)
    };
    let rows: String = fields.iter().map(row).collect();
    format!("| key | is | default | meaning |\n|---|---|---|---|\n{rows}")
}

/// What is written about a type.
pub(crate) fn doc_of(name: &str, known: &Types) -> String {
    known[name].doc.clone()
}

/// Names of the fields of a tagged message, without the tag; `None` if there is no such message.
pub(crate) fn fields_of(root: &str, message: &str, known: &Types) -> Option<BTreeSet<String>> {
    let Kind::Enum(_, variants) = &known[root].kind else { panic!("{root} is no enum") };
    let names = |fields: &[Field]| fields.iter().map(|f| f.name.clone()).collect();
    match &variants.iter().find(|v| v.name == message)?.content {
        Content::Nothing => Some(BTreeSet::new()),
        Content::Fields(fields) => Some(names(fields)),
        Content::Of(ty) => {
            let (mut name, inner) = parts(ty);
            if name == "Box" {
                name = parts(&inner[0]).0;
            }
            match &known[&name].kind {
                Kind::Struct(fields) => Some(names(fields)),
                Kind::Enum(..) => panic!("{name} is no struct"),
            }
        }
    }
}
