//! Who leads a partition that a produce or a fetch was refused for (KIP-951).
//!
//! Clients are told of the gateway that Metadata shows them as leader, with the epoch that Metadata
//! would show, so that they need not ask.

use std::collections::BTreeMap;

use metadata::Topic;
use protocol::messages::BrokerId;

use super::metadata::Shown;
use crate::context::Broker;

/// Collects the leaders that one answer names.
pub(super) struct Leaders<'a> {
    shown: Shown<'a>,
    named: BTreeMap<BrokerId, &'a Broker>,
}

// === impl Leaders ===

impl<'a> Leaders<'a> {
    pub(super) fn new(gateways: &'a [Broker]) -> Self {
        Self { shown: Shown { gateways }, named: BTreeMap::new() }
    }

    /// The leader of a partition and its epoch; none while nobody owns it.
    pub(super) fn of(&mut self, topic: &Topic, index: i32) -> Option<(BrokerId, i32)> {
        let owner = topic.owner(index)?;
        let gateway = self.shown.leader(topic, index)?;
        let id = BrokerId(gateway.broker_id.0);
        self.named.insert(id, gateway);
        Some((id, owner.epoch))
    }

    /// Those that were named, each once.
    pub(super) fn named(self) -> impl Iterator<Item = (BrokerId, &'a Broker)> {
        self.named.into_iter()
    }
}
