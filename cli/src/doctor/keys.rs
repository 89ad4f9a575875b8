//! The file of key-encryption keys: whether this process can read it, and nobody else.

use tenant_keys::{EncryptionConfig, KeyFile};

use super::Finding;

const WHAT: &str = "key file";

pub(super) fn examine(config: &EncryptionConfig) -> Option<Finding> {
    let path = config.key_file.clone()?;
    let seen = format!("{} can be used", path.display());
    Some(match KeyFile::new(path).check() {
        Ok(()) => Finding::good(WHAT, seen),
        Err(error) => {
            let fix = "one `NAME:64 hexadecimal digits` a line, readable by the role's user and \
                group alone (chmod 0440)";
            Finding::bad(WHAT, error.to_string(), fix)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_bad() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("keys");
        let judge = |text: &str, mode| {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            let config = EncryptionConfig { key_file: Some(path.clone()) };
            examine(&config).expect("there is a file").verdict
        };
        let key = format!("first:{}\n", "0a".repeat(32));
        assert_eq!(judge(&key, 0o440), Verdict::Good);
        fs::remove_file(&path).expect("removed");
        assert_eq!(judge(&key, 0o644), Verdict::Bad);
        assert_eq!(judge("first:0a\n", 0o600), Verdict::Bad);
        assert_eq!(examine(&EncryptionConfig { key_file: None }), None);
    }
}
