//! How a certificate's subject becomes a principal: Kafka's `ssl.principal.mapping.rules`.
//!
//! ```text
//! RULE:^CN=(.*?),OU=payments.*$/$1@payments/L, RULE:^CN=(.*?)$/$1/, DEFAULT
//!      └─ must match the whole subject ─┘└ with groups ┘└ L: lower case, U: upper case
//! ```
//!
//! The first rule that matches decides; if none does, the client is nobody and is refused.

use regex::{Regex, RegexBuilder};

use crate::limits::PATTERN_BYTES_MAX;

/// Rules, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug, Clone)]
enum Rule {
    /// The subject as it is.
    Default,
    /// What the pattern finds, replaced, where all of the subject matches it.
    Replace { whole: Regex, pattern: Regex, replacement: Vec<Piece>, case: Case },
}

/// A piece of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Lower,
    Upper,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RulesError {
    /// Not of the form of a rule.
    #[error("`{0}` is neither DEFAULT nor RULE:pattern/replacement/[LU]")]
    Form(String),
    /// A pattern that cannot be matched in bounded time, or is none.
    #[error("the pattern of `{rule}` cannot be used: {problem}")]
    Pattern {
        /// The rule.
        rule: String,
        /// The problem.
        problem: String,
    },
}

// === impl Rules ===

impl Rules {
    /// Reads rules, separated by commas.
    pub(crate) fn parse(text: &str) -> Result<Self, RulesError> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = Rule::parse(rest)?;
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return Err(RulesError::Form(rest.to_owned())),
            };
            rules.push(rule);
        }
        // As in Kafka: no rule at all is the default one.
        if rules.is_empty() {
            rules.push(Rule::Default);
        }
        Ok(Self(rules))
    }

    /// The principal's name of a subject; `None` if no rule matches.
    pub(crate) fn name(&self, subject: &str) -> Option<String> {
        self.0.iter().find_map(|rule| rule.apply(subject))
    }
}

// === impl Rule ===

impl Rule {
    /// The rule that `text` begins with, and what follows it.
    fn parse(text: &str) -> Result<(Self, &str), RulesError> {
        if let Some(rest) = text.strip_prefix("DEFAULT") {
            return Ok((Self::Default, rest));
        }
        let form = || RulesError::Form(text.to_owned());
        let rest = text.strip_prefix("RULE:").ok_or_else(form)?;
        let (pattern, rest) = until_slash(rest).ok_or_else(form)?;
        let (replacement, rest) = until_slash(rest).ok_or_else(form)?;
        let (case, rest) = match rest.chars().next() {
            Some('L') => (Case::Lower, &rest[1..]),
            Some('U') => (Case::Upper, &rest[1..]),
            _ => (Case::Kept, rest),
        };
        let compiled = |pattern: &str| {
            let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
            compiled.map_err(|error| {
                let problem = error.to_string().replace('\n', " ");
                RulesError::Pattern { rule: text.to_owned(), problem }
            })
        };
        let (whole, pattern) = (compiled(&format!("^(?:{pattern})$"))?, compiled(pattern)?);
        let replacement = pieces(replacement, pattern.captures_len() - 1);
        Ok((Self::Replace { whole, pattern, replacement, case }, rest))
    }

    fn apply(&self, subject: &str) -> Option<String> {
        let Self::Replace { whole, pattern, replacement, case } = self else {
            return Some(subject.to_owned());
        };
        if !whole.is_match(subject) {
            return None;
        }
        let name = replace_all(pattern, replacement, subject);
        Some(match case {
            Case::Kept => name,
            Case::Lower => name.to_lowercase(),
            Case::Upper => name.to_uppercase(),
        })
    }
}

/// Replaces everything that the pattern finds, as Java does: also the nothing that `.*` finds after
/// all the rest.
fn replace_all(pattern: &Regex, replacement: &[Piece], subject: &str) -> String {
    let (mut name, mut copied, mut from) = (String::new(), 0, 0);
    while from <= subject.len()
        && let Some(captures) = pattern.captures_at(subject, from)
        && let Some(found) = captures.get(0)
    {
        name.push_str(&subject[copied..found.start()]);
        for piece in replacement {
            name.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(at) => captures.get(*at).map_or("", |group| group.as_str()),
            });
        }
        copied = found.end();
        let next = subject[copied..].chars().next().map_or(1, char::len_utf8);
        from = if found.is_empty() { copied + next } else { copied };
    }
    name.push_str(subject.get(copied..).unwrap_or_default());
    name
}

/// What stands before the next slash that is not escaped, and what after it.
fn until_slash(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '/' if !escaped => return Some((&text[..at], &text[at + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// A replacement: `$n` is a group, where there are so many; `\` makes what follows it text.
fn pieces(replacement: &str, groups: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                if let Some(next) = rest.chars().next() {
                    text.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
            '$' => match group(rest, groups) {
                Some((number, after)) => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Group(number));
                    rest = after;
                }
                None => text.push('$'),
            },
            _ => text.push(c),
        }
    }
    pieces.push(Piece::Text(text));
    pieces
}

/// The longest number at the beginning of `text` that names a group, and what follows it.
fn group(text: &str, groups: usize) -> Option<(usize, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (1..=digits.min(3)).rev().find_map(|length| {
        let number = text[..length].parse().ok().filter(|number| *number <= groups)?;
        Some((number, &text[length..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "CN=Duke,OU=ServiceUsers,O=Org,C=US";

    fn name(rules: &str, subject: &str) -> Option<String> {
        Rules::parse(rules).unwrap().name(subject)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, \
                     RULE:^CN=(.*?),OU=(.*?),O=(.*?),C=(.*?)$/$1@$2/U, \
                     RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L,DEFAULT";
        assert_eq!(name(rules, SUBJECT).as_deref(), Some("duke"));
        let other = "CN=Duke,OU=SME,O=mycp,C=US";
        assert_eq!(name(rules, other).as_deref(), Some("DUKE@SME"));
        assert_eq!(name(rules, "OU=x,CN=Web.1").as_deref(), Some("web.1"));
        assert_eq!(name(rules, "OU=x").as_deref(), Some("OU=x"));
    }

    #[test]
    fn a_subject_that_no_rule_matches_has_no_name() {
        assert_eq!(name("RULE:^CN=(.*?),OU=(.*)$/$1/", "CN=Duke"), None);
        assert_eq!(name("RULE:CN=D/x/", "CN=Duke"), None, "a rule matches the whole subject");
    }

    #[test]
    fn without_rules_the_subject_is_the_name() {
        for rules in ["", "  ", "DEFAULT"] {
            assert_eq!(name(rules, SUBJECT).as_deref(), Some(SUBJECT));
        }
    }

    #[test]
    fn everything_that_a_pattern_finds_is_replaced() {
        assert_eq!(name("RULE:CN=.*/x/", SUBJECT).as_deref(), Some("x"));
        // Odd, and so in Kafka.
        assert_eq!(name("RULE:.*/x/", SUBJECT).as_deref(), Some("xx"));
        assert_eq!(name("RULE:CN=(.*?)/$1/", "CN=Duke").as_deref(), Some("Duke"));
    }

    #[test]
    fn a_group_that_does_not_exist_is_text() {
        assert_eq!(name("RULE:^CN=(.*?),.*$/$1@$4/", SUBJECT).as_deref(), Some("Duke@$4"));
        assert_eq!(name("RULE:^CN=(.*?),.*$/$12/", SUBJECT).as_deref(), Some("Duke2"));
        assert_eq!(name(r"RULE:^CN=(.*?),.*$/\$1/", SUBJECT).as_deref(), Some("$1"));
    }

    #[test]
    fn a_slash_in_a_pattern_is_escaped() {
        assert_eq!(name(r"RULE:^CN=a\/(.*)$/$1\/x/U", "CN=a/b").as_deref(), Some("B/X"));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["CN=x", "RULE:x", "RULE:x/y", "default", "DEFAULTRULE:a/b/", "RULE:a/b/LX"] {
            assert!(matches!(Rules::parse(text), Err(RulesError::Form(_))), "{text}");
        }
        let endless = "RULE:^(?:(?:(?:a{999}){999}){999})$/x/";
        assert!(matches!(Rules::parse(endless), Err(RulesError::Pattern { .. })));
        assert!(matches!(Rules::parse("RULE:(?=a)/x/"), Err(RulesError::Pattern { .. })));
    }
}
