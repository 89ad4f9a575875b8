//! Every `thermocline …` that a document quotes is a command that there is, with options that it has.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};

use super::Arguments;

/// One command as it is quoted, and where.
struct Quoted {
    page: String,
    words: Vec<String>,
    /// From a block of commands to be typed, which must be whole; in a sentence it need not be.
    is_whole: bool,
}

#[test]
fn what_documents_quote_can_be_typed() {
    let quoted = quoted();
    assert!(quoted.iter().filter(|it| it.is_whole).count() > 10, "are the documents still there?");
    assert!(quoted.len() > 60, "only {} commands are quoted", quoted.len());
    let mut findings = Vec::new();
    for Quoted { page, words, is_whole } in &quoted {
        let line = words.join(" ");
        if *is_whole {
            let all = std::iter::once("thermocline").chain(words.iter().map(String::as_str));
            if let Err(error) = Arguments::command().try_get_matches_from(all) {
                findings.push(format!("{page}: `thermocline {line}`: {error}"));
            }
        } else if let Err(problem) = is_known(words) {
            findings.push(format!("{page}: `thermocline {line}`: {problem}"));
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// Whether the words name a command, and options of it. `a|b` are two commands with the same options.
fn is_known(words: &[String]) -> Result<(), String> {
    let root = Arguments::command();
    let mut at = vec![root.clone()];
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.peek().filter(|word| !word.starts_with('-')) {
        let names: Vec<&str> = word.split('|').map(|name| name.trim_matches('\\')).collect();
        let next: Option<Vec<Command>> = names.iter().map(|name| child(&at, name)).collect();
        match next {
            Some(next) => at = next,
            // An argument, or in capital letters any role.
            None if at[0].get_name() != root.get_name() && !at[0].has_subcommands() => break,
            None if word.chars().all(|c| c.is_ascii_uppercase()) => {
                at = vec![child(&at, "control").expect("a role")];
            }
            None => return Err(format!("there is no command `{word}`")),
        }
        words.next();
    }
    for option in words.filter_map(|word| word.strip_prefix("--")) {
        let option = option.split(['=', '|']).next().unwrap_or_default();
        if !at.iter().any(|command| has(command, option)) && !["help", "version"].contains(&option)
        {
            return Err(format!("there is no option `--{option}`"));
        }
    }
    Ok(())
}

/// Whether the command, or one below it, has the option.
fn has(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|it| it.get_long() == Some(option))
        || command.get_subcommands().any(|child| has(child, option))
}

/// The subcommand of this name, with the options that all of its siblings have.
fn child(of: &[Command], name: &str) -> Option<Command> {
    let parent = of.iter().find(|command| command.find_subcommand(name).is_some())?;
    let globals = parent.get_arguments().filter(|argument| argument.is_global_set()).cloned();
    let child = parent.find_subcommand(name)?.clone();
    let missing: Vec<_> = globals
        .filter(|global| child.get_arguments().all(|it| it.get_id() != global.get_id()))
        .collect();
    Some(child.args(missing))
}

fn quoted() -> Vec<Quoted> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut quoted = Vec::new();
    for path in pages(root) {
        let text = fs::read_to_string(&path).expect("pages are readable");
        let page = path.strip_prefix(root).expect("below it").display().to_string();
        let mut fenced = false;
        for line in text.lines() {
            if line.starts_with("```") {
                fenced = !fenced;
            } else if fenced {
                let line = line.trim().trim_start_matches("$ ");
                let typed = line.strip_prefix("thermocline ").map(|line| words(line, true));
                // What is shown with a placeholder is no line to be typed.
                let is_whole = !line.contains(['…', '<']);
                quoted.extend(typed.map(|words| Quoted { page: page.clone(), words, is_whole }));
            } else {
                let spans = line.split('`').skip(1).step_by(2);
                let commands = spans.filter_map(|span| span.strip_prefix("thermocline "));
                quoted.extend(commands.map(|span| {
                    let words = words(span, false);
                    Quoted { page: page.clone(), words, is_whole: false }
                }));
            }
        }
    }
    quoted
}

/// The words of a line up to a comment or another command. Brackets around what may be left out go.
fn words(line: &str, typed: bool) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let line = if typed { line } else { line.split(" → ").next().unwrap_or_default() };
    let all = line.split_whitespace().take_while(|word| !["|", ">", "\\", "&&"].contains(word));
    all.map(|word| word.trim_matches(['[', ']', ',', '"', '\'']).to_owned())
        .filter(|word| !word.is_empty() && (typed || word != "…"))
        .collect()
}

/// The README and every document and decision.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/runbook", "docs/adr"] {
        let entries = fs::read_dir(root.join(folder)).expect("folders are readable");
        let paths = entries.map(|entry| entry.expect("folders are readable").path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|it| it == "md")));
    }
    pages.sort();
    pages
}
