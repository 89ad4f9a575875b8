//! The secret that makes a process a member of the cluster.

use std::fmt;

use aws_lc_rs::hmac;

/// The cluster's secret, as the key it is used as. It never prints itself.
#[derive(Clone)]
pub struct ClusterSecret(hmac::Key);

impl ClusterSecret {
    /// The secret of these bytes, from the cluster's record.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    pub(crate) fn key(&self) -> &hmac::Key {
        &self.0
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_does_not_print_itself() {
        let secret = ClusterSecret::new(b"correct horse");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("correct").count(), 0);
        assert_eq!(format!("{secret:?}"), "ClusterSecret(..)");
    }
}
