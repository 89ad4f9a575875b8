//! The reference pages are made of the code, so that they cannot lag behind it: every configuration
//! key with its documentation, every metric with its description. And whatever names a key or a
//! metric outside the code (`deploy/`, dashboards, alert rules) may only name one that exists.
//!
//! `UPDATE_DOCS=1 cargo test -p thermocline-tests --test reference` writes the pages anew.

#[path = "reference/architecture.rs"]
mod architecture;
#[path = "reference/configuration.rs"]
mod configuration;
#[path = "reference/deployed.rs"]
mod deployed;
#[path = "reference/metrics.rs"]
mod metrics;
#[path = "reference/sources.rs"]
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests` lies in the workspace")
}

/// Compares a page with what the code says it should be, or writes it.
fn check_page(name: &str, page: &str) {
    let path: PathBuf = root().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page).expect("the page is writable");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/{name} is not what the code says; run \
         `UPDATE_DOCS=1 cargo test -p thermocline-tests --test reference`"
    );
}
