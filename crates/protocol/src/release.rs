//! Releases, as processes count them: what a process speaks, writes and reads (ADR 0035).
//!
//! A release is a number, raised by one for every release after which processes speak or write
//! something new. Processes that are one release apart work together; two apart they refuse.

use std::{fmt, num::NonZeroU16};

/// A release. Default: the first, for that is what somebody is of who does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(NonZeroU16);

/// The releases that a process can behave as, without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releases {
    oldest: Release,
    newest: Release,
}

// === impl Release ===

impl Release {
    /// The first. Its processes do not say of which release they are.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// The release of this program.
    pub const THIS: Self = Self(NonZeroU16::new(2).expect("not 0"));

    /// The one before: the oldest that this program works together with.
    pub const PREVIOUS: Self = Self(NonZeroU16::new(Self::THIS.number() - 1).expect("not 0"));

    /// The release of this number; there is none of number 0.
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl Default for Release {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Releases ===

impl Releases {
    /// Those of this program.
    pub const OURS: Self = Self { oldest: Release::PREVIOUS, newest: Release::THIS };

    /// Those of somebody who does not say.
    pub const UNSAID: Self = Self { oldest: Release::FIRST, newest: Release::FIRST };

    /// From `oldest` to `newest`; `None` the other way around.
    pub fn new(oldest: Release, newest: Release) -> Option<Self> {
        (oldest <= newest).then_some(Self { oldest, newest })
    }

    /// Those of this program up to `newest`; `None` if it does not know that one.
    pub fn up_to(newest: Release) -> Option<Self> {
        Self::OURS.contains(newest).then_some(Self { newest, ..Self::OURS })
    }

    /// The oldest.
    pub fn oldest(self) -> Release {
        self.oldest
    }

    /// The newest.
    pub fn newest(self) -> Release {
        self.newest
    }

    /// Whether this is one of them.
    pub fn contains(self, release: Release) -> bool {
        (self.oldest..=self.newest).contains(&release)
    }

    /// The newest that both know.
    pub fn common(self, other: Self) -> Option<Release> {
        let newest = self.newest.min(other.newest);
        (self.contains(newest) && other.contains(newest)).then_some(newest)
    }
}

impl Default for Releases {
    fn default() -> Self {
        Self::OURS
    }
}

impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "{}", self.newest),
            false => write!(f, "{} to {}", self.oldest, self.newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases(oldest: u16, newest: u16) -> Releases {
        let release = |number| Release::new(number).unwrap();
        Releases::new(release(oldest), release(newest)).unwrap()
    }

    #[test]
    fn neighbours_agree_on_the_newest_that_both_know() {
        let common = |ours, theirs: Releases| {
            assert_eq!(theirs.common(ours), ours.common(theirs), "both come to the same");
            ours.common(theirs).map(Release::number)
        };
        assert_eq!(common(releases(1, 2), releases(1, 2)), Some(2));
        assert_eq!(common(releases(1, 2), Releases::UNSAID), Some(1));
        assert_eq!(common(releases(1, 2), releases(2, 3)), Some(2));
        assert_eq!(common(releases(1, 2), releases(3, 4)), None);
        assert_eq!(common(releases(2, 3), Releases::UNSAID), None);
    }

    #[test]
    fn a_range_is_in_order_and_a_cap_is_within_it() {
        assert_eq!(Releases::new(Release::THIS, Release::PREVIOUS), None);
        assert_eq!(Releases::up_to(Release::THIS), Some(Releases::OURS));
        let capped = Releases::up_to(Release::PREVIOUS).unwrap();
        assert_eq!((capped.oldest(), capped.newest()), (Release::PREVIOUS, Release::PREVIOUS));
        assert_eq!(Releases::up_to(Release::new(99).unwrap()), None);
        assert_eq!(Release::new(0), None);
    }
}
