//! `docs/compatibility.md`, generated from the version table.

/// The text of `docs/compatibility.md`.
pub fn compatibility_markdown() -> String {
    String::new()
}
