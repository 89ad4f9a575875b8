//! Which records of a partition are too old or too many.

use super::Partition;

impl Partition {
    /// The log start that the topic's retention asks for; `None` where it may stay.
    pub(crate) fn expired_upto(&self, now_ms: i64) -> Option<i64> {
        let settings = self.settings();
        if !settings.deletes_records {
            return None;
        }
        let state = self.state.lock();
        let upto = settings.retention.log_start(&state.extents, now_ms)?;
        (state.closed.is_none() && upto > state.log_start).then_some(upto)
    }
}
