//! Behind the path: segment compaction, retention, garbage collection.
//!
//! Not built yet: the crate holds the role's place in the tree and in the table of allowed arrows,
//! and no subcommand names it.
