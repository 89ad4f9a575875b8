//! Kafka's rules for topic names.

/// The longest name: the file name on a Kafka broker, less its suffix.
const LENGTH_MAX: usize = 249;

/// Why a name is refused. The texts are Kafka's, clients' users know them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    #[error("Topic name is invalid: '.' or '..' is not allowed")]
    Dots,
    #[error("Topic name is invalid: the length is {0}, longer than the max allowed length 249")]
    Long(usize),
    #[error(
        "Topic name is invalid: it contains one or more characters other than ASCII \
         alphanumerics, '.', '_' and '-'"
    )]
    Characters,
}

/// Checks a name that a client asks for.
pub(crate) fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    if name.len() > LENGTH_MAX {
        return Err(NameError::Long(name.chars().count()));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.chars().all(legal) { Ok(()) } else { Err(NameError::Characters) }
}

/// Names with the same key collide: metric names turn dots into underscores.
pub(crate) fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_s_names_are_accepted() {
        for name in ["a", "A-1_b.c", "...", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn all_others_are_refused() {
        assert_eq!(check(""), Err(NameError::Empty));
        assert_eq!(check("."), Err(NameError::Dots));
        assert_eq!(check(".."), Err(NameError::Dots));
        assert_eq!(check(&"x".repeat(250)), Err(NameError::Long(250)));
        for name in ["a b", "a/b", "a\n", "ä", "a:b", "\0"] {
            assert_eq!(check(name), Err(NameError::Characters), "{name:?}");
        }
    }
}
