//! One partition of a fetch: where it is, who serves it, and what came of it so far.

use protocol::ErrorCode;
use protocol::fetch::FetchPartition;
use protocol::ids::{NodeId, PartitionId};

use crate::limits::FETCH_TURNS;
use crate::metrics::ServedBy;
use crate::route::cold::Want;
use crate::route::sessions::Asked;
use crate::route::tier::Tier;

/// Where a partition is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) partition: PartitionId,
    /// Whom to ask, and where; none while nobody serves the partition.
    pub(super) owner: Option<(NodeId, String)>,
    pub(super) epoch: i32,
    /// It moves, and this is the node that serves it until it lets go.
    pub(super) leaving: bool,
}

/// A partition of a fetch.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) asked: Asked,
    /// None for one that cannot be fetched; its answer says why.
    pub(super) place: Option<Place>,
    pub(super) tier: Tier,
    pub(super) answer: Option<FetchPartition>,
    /// The cold read that gave the answer.
    pub(super) taken_from: Option<Want>,
    turns: u32,
}

// === impl Part ===

impl Part {
    pub(super) fn new(mut asked: Asked, place: Result<Place, ErrorCode>) -> Self {
        // Clients are told of the next owner's epoch as soon as that is assigned.
        let early = |place: &&Place| place.leaving && asked.current_leader_epoch > place.epoch;
        if place.as_ref().ok().filter(early).is_some() {
            asked.current_leader_epoch = -1;
        }
        let (place, answer) = match place {
            Ok(place) => (Some(place), None),
            Err(error) => (None, Some(FetchPartition::error(asked.index, error))),
        };
        Self { asked, place, tier: Tier::Hot, answer, taken_from: None, turns: 0 }
    }

    /// Whether its owner is to be asked for it.
    pub(super) fn is_hot(&self) -> bool {
        self.place.is_some() && self.tier == Tier::Hot && !self.has_failed()
    }

    /// Whether it waits for a cold read.
    pub(super) fn awaits_cold(&self) -> bool {
        self.place.is_some() && self.tier == Tier::Cold && self.answer.is_none()
    }

    pub(super) fn is_of(&self, node: NodeId) -> bool {
        let owner = self.place.as_ref().and_then(|place| place.owner.as_ref());
        owner.is_some_and(|(owner, _)| *owner == node)
    }

    /// An error ends a fetch's wait, and so does a log that parts from the client's.
    pub(super) fn has_failed(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|a| a.error_code != 0 || a.diverging_epoch.is_some())
    }

    pub(super) fn bytes(&self) -> usize {
        self.answer.as_ref().map_or(0, FetchPartition::records_len)
    }

    /// The client's limit for this partition.
    pub(super) fn max_bytes(&self) -> usize {
        usize::try_from(self.asked.max_bytes).unwrap_or(0)
    }

    pub(super) fn fail(&mut self, error: ErrorCode) {
        self.answer = Some(FetchPartition::error(self.asked.index, error));
    }

    pub(super) fn has_owner(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.owner.is_some())
    }

    /// Moves to the other tier. False if it has done so too often for one fetch: owner and plan
    /// disagree, and the next fetch may find them agreed.
    pub(super) fn turn(&mut self, tier: Tier) -> bool {
        self.turns += 1;
        self.tier = tier;
        self.turns <= FETCH_TURNS
    }

    /// What the client said about the leader's epoch, checked where no owner does (KIP-320).
    pub(super) fn check_epoch(&self) -> Result<(), ErrorCode> {
        let known = self.place.as_ref().map_or(-1, |place| place.epoch);
        match self.asked.current_leader_epoch {
            -1 => Ok(()),
            said if said < known => Err(ErrorCode::FencedLeaderEpoch),
            said if said > known => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    pub(super) fn served_by(&self) -> ServedBy {
        if self.taken_from.is_some() { ServedBy::Reader } else { ServedBy::Node }
    }
}
