//! Deliberate mistakes, to see whether the tests notice: one per rule of reliability.
//!
//! Where a rule is upheld the code asks `mutation::on("R13")` whether to break it. Without the
//! feature `mutations`, which no build that anybody runs has, the answer is `false` at compile
//! time and the mistake is not in the binary (ADR 0014). `docs/mutations.md` lists them.

/// Whether the rule is to be broken. Never, in a build without mutations.
#[cfg(not(feature = "mutations"))]
#[inline(always)]
pub const fn on(_rule: &str) -> bool {
    false
}

/// Whether the rule is to be broken: the environment names the one that is.
#[cfg(feature = "mutations")]
pub fn on(rule: &str) -> bool {
    static BROKEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("THERMOCLINE_MUTATION").ok());
    BROKEN.as_deref() == Some(rule)
}
