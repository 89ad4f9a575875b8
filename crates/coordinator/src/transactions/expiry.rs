//! Transactional ids that nobody has used for a long time are forgotten. Who comes back with one
//! gets a new producer id; an older producer that still has the former id is refused for it.

use crate::command::Outputs;
use crate::coordinator::Coordinator;
use crate::record::{Record, TransactionKey};

impl Coordinator {
    pub(crate) fn expire_transactional_ids(&mut self, now_ms: i64, out: &mut Outputs) {
        let deadline_ms = now_ms.saturating_sub(self.config.transactional_id_expiration_ms);
        let expired: Vec<TransactionKey> = self
            .ledger
            .transactions()
            .filter(|(_, it)| it.state.is_idle() && it.updated_at_ms <= deadline_ms)
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.emit(Record::TransactionExpired { key }, out);
        }
    }
}
