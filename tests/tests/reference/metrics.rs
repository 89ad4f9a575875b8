//! `docs/metrics.md`: every metric, from the calls that describe it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{Visit, visit_item_const};
use syn::{Expr, ItemConst, Macro, Token};

use super::{check_page, sources};

/// Who has the metrics of a prefix. Most specific first.
const OWNERS: &[(&str, &str)] = &[
    ("gateway_", "Gateways"),
    ("storage_node_", "Storage nodes"),
    ("cold_reader_", "Cold readers"),
    ("compactor_", "Compactors"),
    ("control_", "Control"),
    ("hop_", "Every role: calls between processes"),
    ("object_store_", "Every role: the object store"),
    ("process_", "Every role: the process"),
    ("metadata_", "Every role: the metadata store"),
    ("tenant_keys", "Roles with a store: keys of encrypted tenants"),
];

/// What is told of a metric.
struct Described {
    kind: &'static str,
    text: String,
}

/// Constants and descriptions of one source file.
#[derive(Default)]
struct Found {
    constants: BTreeMap<String, String>,
    described: Vec<(String, Described)>,
    used: BTreeSet<String>,
}

/// The names of all metrics.
pub(crate) fn names() -> BTreeSet<String> {
    described().into_keys().collect()
}

#[test]
fn the_page_lists_every_metric() {
    check_page("metrics.md", &page());
}

fn described() -> BTreeMap<String, Described> {
    let mut all = BTreeMap::new();
    for file in sources::all() {
        let mut found = Found::default();
        found.visit_file(&file);
        let described: BTreeSet<_> =
            found.described.iter().map(|(constant, _)| constant.clone()).collect();
        // A constant that is counted where it is not described is described elsewhere or nowhere.
        let missing: Vec<_> = found.used.difference(&described).collect();
        assert!(
            described.is_empty() || missing.is_empty(),
            "{missing:?} are used and have no describe_…! beside those of {described:?}"
        );
        for (constant, description) in found.described {
            let name = found.constants.get(&constant);
            let name = name.unwrap_or_else(|| panic!("{constant} is not a constant of its file"));
            all.insert(name.clone(), description);
        }
    }
    all
}

fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nEvery role serves them as Prometheus text on `http.listen`, path `/metrics`. \
         Made from the code; a test fails when it is not. Which of them to watch, and why, is in \
         [operations](operations.md#metrics-to-watch); the alerts on them are in \
         `deploy/prometheus/`.\n",
    );
    let mut all = described();
    for (prefix, owner) in OWNERS {
        let of_owner: Vec<_> =
            all.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        if of_owner.is_empty() {
            continue;
        }
        write!(page, "\n## {owner}\n\n| metric | kind | what |\n|---|---|---|\n")
            .expect("strings grow");
        for name in of_owner {
            let Described { kind, text } = all.remove(&name).expect("listed above");
            writeln!(page, "| `{name}` | {kind} | {} |", text.replace('|', "\\|"))
                .expect("strings grow");
        }
    }
    assert!(all.is_empty(), "metrics of nobody in OWNERS: {:?}", all.keys());
    page
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_const(&mut self, constant: &'ast ItemConst) {
        if let Some(value) = sources::string(&constant.expr) {
            self.constants.insert(constant.ident.to_string(), value);
        }
        visit_item_const(self, constant);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let Some(name) = call.path.segments.last().map(|segment| segment.ident.to_string()) else {
            return;
        };
        let kind = match name.as_str() {
            "describe_counter" => "counter",
            "describe_gauge" => "gauge",
            "describe_histogram" => "histogram",
            "counter" | "gauge" | "histogram" => "",
            _ => return,
        };
        let first = call.tokens.clone().into_iter().next();
        let constant = first.map(|token| token.to_string()).unwrap_or_default();
        if kind.is_empty() {
            if constant.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()) {
                self.used.insert(constant);
            }
            return;
        }
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated
            .parse2(call.tokens.clone())
            .expect("the arguments of describe_…! are expressions");
        let text = arguments.iter().rev().find_map(sources::string);
        let text = text.unwrap_or_else(|| panic!("{constant} is described by no text"));
        self.described.push((constant, Described { kind, text }));
    }
}
