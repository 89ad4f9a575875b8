//! What commands print: tables and sentences for people, JSON for programs. And who they say they are
//! to control, whose log tells colleagues apart by it.

use anyhow::Result;
use protocol::StrBytes;
use serde::Serialize;

/// The answer as JSON, or in words. Words end where they say so.
#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
pub(crate) fn print<T: Serialize + ?Sized>(
    json: bool,
    answer: &T,
    words: impl FnOnce(&T) -> String,
) -> Result<()> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(answer)?),
        false => print!("{}", words(answer)),
    }
    Ok(())
}

/// Whoever gives the command, `user@host`, as far as the machine knows. It proves nothing.
pub(crate) fn operator() -> StrBytes {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    StrBytes::from_string(format!("{user}@{}", host.trim()))
}
