//! `docs/configuration.md`: every key of every role, from the documentation of the field it is read
//! into.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use syn::{
    Attribute, Field, Fields, GenericArgument, Item, ItemEnum, Lit, PathArguments, Type, Variant,
};

use super::{check_page, sources};

/// The roles, and the type of the file each reads.
const ROLES: &[(&str, &str)] = &[
    ("gateway", "GatewayFile"),
    ("storage-node", "StorageNodeFile"),
    ("cold-reader", "ColdReaderFile"),
    ("compactor", "CompactorFile"),
    ("control", "ControlFile"),
    ("vantage", "VantageFile"),
];

/// What a configuration type is made of.
enum Shape {
    Table(Vec<Key>),
    Words(Vec<(String, String)>),
}

/// One field.
#[derive(Clone)]
struct Key {
    name: String,
    type_name: String,
    is_list: bool,
    is_optional: bool,
    doc: String,
}

/// All types that configuration files are read into, by name. Only `Config` is there several times.
type Shapes = BTreeMap<String, Shape>;

#[test]
fn the_page_lists_every_key() {
    check_page("configuration.md", &page());
}

/// Every legal key, as `table.key`, for whoever writes files by hand.
pub(crate) fn keys() -> Vec<String> {
    let shapes = shapes();
    let mut keys = Vec::new();
    for (_, file) in ROLES {
        walk(&shapes, file, "", &mut |table, key, _| keys.push(join(table, &key.name)));
    }
    keys
}

fn page() -> String {
    let shapes = shapes();
    let mut page = String::from(
        "# Configuration reference\n\nOne TOML file per role; `thermocline ROLE --config FILE`. \
         Unknown keys are refused with the nearest known one, and a value that cannot work with \
         the key and the fix. Durations are text like `\"30s\"`, sizes like `\"64MiB\"`; `${NAME}` \
         stands for an environment variable. Made from the code; a test fails when it is not. \
         Examples are in [operations](operations.md).\n",
    );
    let mut written = Vec::new();
    for (role, file) in ROLES {
        let mut tables: Vec<(String, String)> = Vec::new();
        walk(&shapes, file, "", &mut |table, key, shape| {
            let row = row(key, shape);
            match tables.iter_mut().find(|(name, _)| name == table) {
                Some((_, rows)) => rows.push_str(&row),
                None => tables.push((table.to_owned(), row)),
            }
        });
        for (table, rows) in tables {
            if table.is_empty() || written.contains(&table) {
                continue;
            }
            let readers = readers(&shapes, &table);
            write!(page, "\n## `[{table}]`\n\nRead by: {readers}.\n\n").expect("strings grow");
            page += "| key | value | what |\n|---|---|---|\n";
            page += &rows;
            written.push(table);
        }
        assert!(written.iter().any(|table| table.replace('_', "-").starts_with(role)), "{role}");
    }
    page
}

/// The roles whose files may have this table.
fn readers(shapes: &Shapes, table: &str) -> String {
    let has = |file: &str| {
        let mut has = false;
        walk(shapes, file, "", &mut |of, _, _| has |= of == table);
        has
    };
    let roles: Vec<_> = ROLES.iter().filter(|(_, file)| has(file)).map(|(role, _)| *role).collect();
    if roles.len() == ROLES.len() { "every role".to_owned() } else { roles.join(", ") }
}

fn row(key: &Key, shape: Option<&Shape>) -> String {
    let value = match shape {
        Some(Shape::Words(words)) => {
            let words = words.iter().map(|(word, doc)| match doc.as_str() {
                "" => format!("`\"{word}\"`"),
                doc => format!("`\"{word}\"`: {doc}"),
            });
            words.collect::<Vec<_>>().join("<br>")
        }
        Some(Shape::Table(_)) => unreachable!("tables have sections of their own"),
        None => plain(&key.type_name).to_owned(),
    };
    let list = if key.is_list { "list of " } else { "" };
    let optional = if key.is_optional { ", optional" } else { "" };
    let doc = key.doc.replace('|', "\\|");
    format!("| `{}` | {list}{value}{optional} | {doc} |\n", key.name)
}

fn plain(type_name: &str) -> &'static str {
    match type_name {
        "Duration" => "duration",
        "ByteSize" => "size",
        "PathBuf" => "path",
        "SocketAddr" | "IpAddr" => "address",
        "BTreeMap" => "table",
        "bool" => "`true` or `false`",
        "String" | "Secret" | "Url" | "Mechanism" | "Algorithm" => "text",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "f64" | "f32" => {
            "number"
        }
        other => panic!("a type of configuration keys that this page cannot name: {other}"),
    }
}

/// Calls `visit` with (table, key, its type unless plain) of every key below a type.
fn walk(
    shapes: &Shapes,
    type_name: &str,
    table: &str,
    visit: &mut impl FnMut(&str, &Key, Option<&Shape>),
) {
    let Some(Shape::Table(keys)) = shapes.get(type_name) else {
        panic!("`{type_name}` is not a table of the configuration");
    };
    for key in keys {
        match shapes.get(&key.type_name) {
            Some(Shape::Table(_)) => {
                let below = join(table, &key.name);
                let below = if key.is_list { format!("[{below}]") } else { below };
                walk(shapes, &key.type_name, &below, visit);
            }
            other => visit(table, key, other),
        }
    }
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

fn shapes() -> Shapes {
    let mut shapes = Shapes::new();
    let mut ambiguous = Vec::new();
    for file in sources::all() {
        for item in file.items {
            match item {
                Item::Struct(item) if derives(&item.attrs, "Deserialize") => {
                    if let Fields::Named(fields) = item.fields {
                        let keys: Vec<Key> = fields.named.iter().map(key).collect();
                        let name = unambiguous(&item.ident.to_string(), &keys);
                        if shapes.insert(name.clone(), Shape::Table(keys)).is_some() {
                            ambiguous.push(name);
                        }
                    }
                }
                // Without a spelling it is read from elsewhere than a configuration file.
                Item::Enum(item) if derives(&item.attrs, "Deserialize") && is_spelled(&item) => {
                    let style = serde_text(&item.attrs, "rename_all").unwrap_or_default();
                    let words = item.variants.iter().map(|variant| {
                        let spelled = serde_text(&variant.attrs, "rename")
                            .unwrap_or_else(|| spell(&variant.ident.to_string(), &style));
                        (spelled, sources::doc(&variant.attrs))
                    });
                    shapes.insert(item.ident.to_string(), Shape::Words(words.collect()));
                }
                _ => {}
            }
        }
    }
    // Commands have small files of their own; no role's file may have such a type.
    shapes.retain(|name, _| !ambiguous.contains(name));
    shapes
}

/// Every role's own table is a `Config`: told apart by a key that only it has.
fn unambiguous(name: &str, keys: &[Key]) -> String {
    let has = |key: &str| keys.iter().any(|other| other.name == key);
    match name {
        "Config" if has("broker_id") => "gateway::Config".to_owned(),
        "Config" if has("node_id") => "storage_node::Config".to_owned(),
        "Config" if has("reader_id") => "cold_reader::Config".to_owned(),
        "Config" if has("control_id") => "control::Config".to_owned(),
        "Config" => "compactor::Config".to_owned(),
        other => other.to_owned(),
    }
}

fn key(field: &Field) -> Key {
    let name = field.ident.as_ref().expect("named").to_string();
    let (mut kind, mut is_list, mut is_optional) = (&field.ty, false, false);
    while let Some((outer, inner)) = wrapped(kind) {
        is_list |= outer == "Vec";
        is_optional |= outer == "Option";
        kind = inner;
    }
    Key { name, type_name: type_name(kind), is_list, is_optional, doc: sources::doc(&field.attrs) }
}

/// `Vec<T>` and `Option<T>`, taken apart.
fn wrapped(kind: &Type) -> Option<(String, &Type)> {
    let Type::Path(path) = kind else { return None };
    let segment = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let outer = segment.ident.to_string();
    match arguments.args.first()? {
        GenericArgument::Type(inner) if outer == "Vec" || outer == "Option" => Some((outer, inner)),
        _ => None,
    }
}

fn type_name(kind: &Type) -> String {
    let Type::Path(path) = kind else { panic!("configuration fields have plain types") };
    let mut segments = path.path.segments.iter().map(|segment| segment.ident.to_string());
    let last = segments.next_back().expect("paths are not empty");
    match segments.next_back() {
        Some(krate) if last == "Config" => format!("{krate}::{last}"),
        _ => last,
    }
}

fn derives(attributes: &[Attribute], wanted: &str) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == wanted);
            Ok(())
        });
    }
    found
}

fn is_spelled(item: &ItemEnum) -> bool {
    let renamed = |variant: &Variant| serde_text(&variant.attrs, "rename").is_some();
    serde_text(&item.attrs, "rename_all").is_some() || item.variants.iter().all(renamed)
}

/// The text of a `#[serde(name = "text")]`.
fn serde_text(attributes: &[Attribute], name: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            if let Ok(value) = meta.value()
                && let Ok(Lit::Str(text)) = value.parse::<Lit>()
                && meta.path.is_ident(name)
            {
                found = Some(text.value());
            }
            Ok(())
        });
    }
    found
}

/// A variant's spelling under a `rename_all` style.
fn spell(variant: &str, style: &str) -> String {
    let separator = match style {
        "lowercase" => "",
        "kebab-case" => "-",
        "snake_case" => "_",
        other => panic!("`rename_all = \"{other}\"` of {variant} is not known to this page"),
    };
    let mut spelled = String::new();
    for (at, letter) in variant.char_indices() {
        if at > 0 && letter.is_uppercase() {
            spelled += separator;
        }
        spelled.extend(letter.to_lowercase());
    }
    spelled
}
