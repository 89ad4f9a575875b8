//! Configuration files: TOML, one file per role, unknown keys refused with the nearest known one.
//!
//! Every error is one line that names the file, the line, the key, and what to do.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file itself.
    #[error("config: cannot read `{}`: {source}; pass the path of a TOML file with --config", path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Something in the file.
    #[error("config: {}:{line}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// One-based line number.
        line: usize,
        /// The problem and its fix.
        problem: String,
    },
}

/// Reads `path` into the role's configuration type.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        ConfigError::Invalid {
            path: path.to_owned(),
            line: text[..start.min(text.len())].matches('\n').count() + 1,
            problem: explain(error.message()),
        }
    })
}

/// Serde's message with the nearest known key named: ``unknown key `listn`; did you mean `listen`?``
fn explain(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") {
        return message.lines().collect::<Vec<_>>().join("; ");
    }
    let unknown = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), *name))
        .filter(|(distance, name)| *distance <= name.len().max(unknown.len()) / 2)
        .min();
    match nearest {
        Some((_, name)) => format!("unknown key `{unknown}`; did you mean `{name}`?"),
        None => format!("unknown key `{unknown}`; known keys: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Sample {
        #[serde(default)]
        listen: String,
        #[serde(default)]
        max_connections: u32,
    }

    fn problem(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        fs::write(file.path(), text).expect("file is written");
        let error = load::<Sample>(file.path()).expect_err("the text is wrong").to_string();
        error.replace(&file.path().display().to_string(), "x.toml")
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let text = "listen = 'a'\nmax-conections = 3\n";
        assert_eq!(
            problem(text),
            "config: x.toml:2: unknown key `max-conections`; did you mean `max-connections`?"
        );
    }

    #[test]
    fn a_key_unlike_any_other_lists_the_known_ones() {
        assert_eq!(
            problem("zzz = 1\n"),
            "config: x.toml:1: unknown key `zzz`; known keys: listen, max-connections"
        );
    }

    #[test]
    fn a_wrong_type_is_told_in_one_line() {
        let told = problem("max-connections = 'many'\n");
        assert!(told.starts_with("config: x.toml:1: invalid type"), "{told}");
        assert_eq!(told.lines().count(), 1);
    }

    #[test]
    fn a_missing_file_says_how_to_name_one() {
        let error = load::<Sample>(Path::new("/nowhere/x.toml")).expect_err("no such file");
        assert!(error.to_string().contains("--config"));
    }

    #[test]
    fn a_good_file_loads() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        fs::write(file.path(), "listen = 'here'\nmax-connections = 7\n").expect("file is written");
        let sample: Sample = load(file.path()).expect("the file is right");
        assert_eq!((sample.listen.as_str(), sample.max_connections), ("here", 7));
    }
}
