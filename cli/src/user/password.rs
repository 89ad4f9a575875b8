//! Where passwords come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Longest password: nobody types more, and a file that is longer is another file.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// Reads a password: a file's first line, what is piped in, or what is typed twice.
pub(super) fn read(file: Option<&Path>, user: &str) -> Result<Zeroizing<String>> {
    let password = match file {
        Some(path) => {
            let told = || format!("--password-file \"{}\" cannot be read", path.display());
            first_line(File::open(path).with_context(told)?).with_context(told)?
        }
        None if io::stdin().is_terminal() => typed(user)?,
        None => first_line(io::stdin()).context("no password on the standard input")?,
    };
    if password.is_empty() {
        bail!("the password is empty");
    }
    if password.contains('\0') {
        bail!("a password must not contain the character NUL");
    }
    Ok(password)
}

fn first_line(from: impl Read) -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = BufReader::new(from.take(PASSWORD_BYTES_MAX)).read_line(&mut line)?;
    if read as u64 == PASSWORD_BYTES_MAX {
        bail!("the password is longer than {PASSWORD_BYTES_MAX} bytes");
    }
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

/// Asks twice, and shows nothing of what is typed.
fn typed(user: &str) -> Result<Zeroizing<String>> {
    let _hidden = Hidden::begin()?;
    let ask = |prompt: &str| {
        eprint!("{prompt}");
        io::stderr().flush()?;
        let line = first_line(io::stdin());
        eprintln!();
        line
    };
    let password = ask(&format!("Password of {user}: "))?;
    if *ask("Again: ")? != *password {
        bail!("the passwords differ");
    }
    Ok(password)
}

/// A terminal that does not echo, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing else can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (text, password) in
            [("secret\n", "secret"), ("secret", "secret"), (" a b \r\nc\n", " a b "), ("\n", "")]
        {
            assert_eq!(first_line(text.as_bytes()).unwrap().as_str(), password);
        }
        assert!(first_line([b'x'; 5_000].as_slice()).is_err());
        assert!(first_line([0xff, b'\n'].as_slice()).is_err(), "it has to be text");
    }

    #[test]
    fn a_file_without_a_password_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(read(Some(file.path()), "alice").is_err());
        std::fs::write(file.path(), "a\0b\n").unwrap();
        assert!(read(Some(file.path()), "alice").is_err());
        assert!(read(Some(Path::new("/nowhere")), "alice").is_err());
    }
}
