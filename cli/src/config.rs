//! Configuration files: TOML, one file per role, unknown keys refused with the nearest known one.
//!
//! `${NAME}` stands for an environment variable, outside comments: what differs between the
//! processes of a role (its id, its host), and secrets that must be in no file.
//!
//! Every error is one line that names the file, the line, the key, and what to do.

use std::env;
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
    let text = expand(&text, |name| env::var(name).ok()).map_err(|(line, name)| {
        let problem = format!("environment variable `{name}` is not set; the file needs it");
        ConfigError::Invalid { path: path.to_owned(), line, problem }
    })?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        ConfigError::Invalid {
            path: path.to_owned(),
            line: text[..start.min(text.len())].matches('\n').count() + 1,
            problem: explain(error.message()),
        }
    })
}

/// The text with every `${NAME}` replaced; a variable that is not set is named with its line.
fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, (usize, String)> {
    let mut expanded = String::with_capacity(text.len());
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let is_comment = line.trim_start().starts_with('#');
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${").filter(|_| !is_comment) {
            let Some((name, after)) = after.split_once('}') else { break };
            expanded += before;
            expanded += &value(name).ok_or_else(|| (number, name.to_owned()))?;
            rest = after;
        }
        expanded += rest;
    }
    Ok(expanded)
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
    fn variables_are_replaced_outside_comments() {
        let value = |name: &str| (name == "POD").then(|| "p-1".to_owned());
        let text = "# ${NONE}\na = \"${POD}.x.${POD}\"\nb = \"$POD ${\"\n";
        let expanded = "# ${NONE}\na = \"p-1.x.p-1\"\nb = \"$POD ${\"\n";
        assert_eq!(expand(text, value).as_deref(), Ok(expanded));
        assert_eq!(expand("a = 1\nb = ${NONE}", value), Err((2, "NONE".to_owned())));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        assert_eq!(
            problem("max-connections = ${THERMOCLINE_TEST_NOT_SET}\n"),
            "config: x.toml:1: environment variable `THERMOCLINE_TEST_NOT_SET` is not set; the \
             file needs it"
        );
    }

    #[test]
    fn a_good_file_loads() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        fs::write(file.path(), "listen = 'here'\nmax-connections = 7\n").expect("file is written");
        let sample: Sample = load(file.path()).expect("the file is right");
        assert_eq!((sample.listen.as_str(), sample.max_connections), ("here", 7));
    }
}
