//! The product's source files, parsed.

use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

use super::root;

/// The folders whose code runs in production.
const FOLDERS: &[&str] =
    &["gateway", "storage-node", "cold-reader", "compactor", "control", "crates", "cli"];

/// All of them, in the order of their paths.
pub(crate) fn all() -> Vec<syn::File> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let parse = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("sources are readable");
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(parse).collect()
}

fn collect(folder: &Path, paths: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("folders are readable") {
        let path = entry.expect("folders are readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !matches!(name, "tests" | "target" | "benches") {
            collect(&path, paths);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            paths.push(path);
        }
    }
}

/// The documentation of an item as one paragraph, its blank lines as breaks.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => string(&pair.value),
        _ => None,
    });
    let mut text = String::new();
    for line in lines {
        let line = line.trim();
        let separator = if text.is_empty() || text.ends_with("<br>") { "" } else { " " };
        text += &if line.is_empty() { "<br>".to_owned() } else { format!("{separator}{line}") };
    }
    text
}

/// The value of a string literal.
pub(crate) fn string(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
