//! The stack's stages, one file each. Their order is in [`crate::stack`] and nowhere else.
//!
//! A stage that only looks and passes on returns its inner service's future: no stage allocates
//! for the sake of being one.

pub(crate) mod authentication;
pub(crate) mod authorisation;
pub(crate) mod connection_limits;
pub(crate) mod decode;
pub(crate) mod namespace;
pub(crate) mod quota;
pub(crate) mod tls;

/// A service that can name the stages from itself inwards, for the test of their order (R47).
#[cfg(test)]
pub(crate) trait Stages {
    /// Appends the names, outermost first.
    fn stages(&self, names: &mut Vec<&'static str>);
}
