//! A second cluster on the same bucket that serves nothing until the first is gone (R50..R54).
//!
//! ```text
//! metadata store is empty, `[control.standby]` is set
//!        │
//!        ▼
//!  [`stand_by`]: follow the metadata log ──── `thermocline promote` ────► lead
//!        ▲                                    ([`Promotion`])              │
//!        └── `thermocline demote` ◄── taken over by another site ◄─────────┘
//!            ([`demote`])
//! ```
//!
//! Which of the clusters on a bucket serves, the bucket says, and nobody else: the last takeover in
//! the metadata log. Every site may have the same configuration but for its name. A standby writes
//! nothing to the bucket and reads one slot of the log per `poll`.

mod config;
mod demote;
mod loss;
mod promote;
mod prospect;
mod retire;
mod tail;

#[cfg(test)]
mod tests;

pub use config::StandbyConfig;
pub use demote::{DemoteError, Demoted, demote};
pub use promote::{Ender, PromoteError, Promoted, Promotion, Step};
pub use prospect::{AtRisk, Prospect, Risk};
pub(crate) use retire::retire;
pub use tail::{StandbyError, stand_by};
