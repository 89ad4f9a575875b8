//! Control's side: what every gateway may be using, and what can be granted beside it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::divide::part;
use crate::limits::{ENTITIES_MAX, FLOOR, LEASE};

/// Bits of an answer's number that count the answers of one term: two centuries of them.
const ANSWER_BITS: u32 = 33;

/// What a gateway says, about once a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which gateway.
    pub gateway: i32,
    /// The answer that it uses; 0 for none.
    pub adopted: u64,
    /// The entities of which it wants more than the floor.
    pub wants: Vec<Want>,
}

/// One entity's demand in one gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// Names the entity and what of it is limited.
    pub key: Vec<u8>,
    /// Its quota, for all gateways.
    pub rate: f64,
    /// What it would use: per second used, and owed.
    pub demand: f64,
}

/// What control answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Grants {
    /// Names this answer.
    pub sequence: u64,
    /// A share for each want, in their order.
    pub shares: Vec<f64>,
}

/// The shares of all entities in all gateways, as one leader of control knows them.
#[derive(Debug)]
pub struct Ledger {
    began: Duration,
    /// The number before that of the first answer: those of two leaders must not be mixed up.
    first: u64,
    gateways: BTreeMap<i32, Gateway>,
    entities: HashMap<Vec<u8>, Entity>,
    purged: Duration,
}

#[derive(Debug)]
struct Gateway {
    heard: Duration,
    /// The last answer it was sent.
    sequence: u64,
    /// Whether its last report said that it uses the answer before.
    confirmed: bool,
}

/// One entity, by the gateways that reported it.
#[derive(Debug, Default)]
struct Entity {
    holds: BTreeMap<i32, Hold>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    demand: f64,
    wanted: Duration,
    granted: f64,
    /// The most it may be using: `granted`, or what it had before, until it says that it has heard.
    most: f64,
}

/// What a gateway other than the one that asks may be doing with an entity.
#[derive(Debug, Clone, Copy)]
struct Other {
    /// It may be using this much.
    most: f64,
    /// It is to have this much of what is not divided.
    fixed: f64,
    /// What it wants of what is; `None` if it takes no part.
    demand: Option<f64>,
}

// === impl Ledger ===

impl Ledger {
    /// A leader whose term begins. It knows nothing of what the one before it granted.
    pub fn new(term: u64, now: Duration) -> Self {
        let first = term << ANSWER_BITS;
        Self { began: now, first, gateways: BTreeMap::new(), entities: HashMap::new(), purged: now }
    }

    /// Answers a report. `None` while what an earlier leader granted may still be in use.
    pub fn answer(&mut self, now: Duration, registered: &[i32], report: &Report) -> Option<Grants> {
        if now.saturating_sub(self.began) < LEASE {
            return None;
        }
        self.purge(now, registered);
        let others: Vec<i32> =
            registered.iter().copied().filter(|id| *id != report.gateway).collect();
        let fresh = || Gateway { heard: now, sequence: self.first, confirmed: false };
        let gateway = self.gateways.entry(report.gateway).or_insert_with(fresh);
        // One that was silent for a lease may have helped itself, whatever it heard last.
        gateway.confirmed = gateway.sequence > self.first
            && gateway.sequence == report.adopted
            && now.saturating_sub(gateway.heard) < LEASE;
        gateway.heard = now;
        gateway.sequence += 1;
        let (sequence, confirmed) = (gateway.sequence, gateway.confirmed);
        let shares = report.wants.iter();
        let shares = shares.map(|want| self.share(now, report.gateway, &others, want, confirmed));
        Some(Grants { sequence, shares: shares.collect() })
    }

    /// How many entities are divided.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether nobody wants anything.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    fn share(
        &mut self,
        now: Duration,
        gateway: i32,
        others: &[i32],
        want: &Want,
        confirmed: bool,
    ) -> f64 {
        let equal = want.rate / (others.len() + 1) as f64;
        let floor = FLOOR * equal;
        if self.entities.len() >= ENTITIES_MAX && !self.entities.contains_key(&want.key) {
            return floor;
        }
        let entity = self.entities.entry(want.key.clone()).or_default();
        let others: Vec<Other> =
            others.iter().map(|id| entity.other(now, *id, self.gateways.get(id), equal)).collect();
        let target = target(want, &others, floor);
        // What others may still be using cannot be granted, however little they want of it now.
        let free = want.rate - others.iter().map(|other| other.most).sum::<f64>();
        let granted = target.min(free).max(floor);
        let before = entity.holds.get(&gateway);
        let in_use = match before {
            Some(hold) if confirmed => hold.granted,
            None if confirmed => floor,
            // It may have had no answer for so long that it helped itself.
            before => before.map_or(equal, |hold| hold.most.max(equal)),
        };
        let most = granted.max(in_use);
        entity.holds.insert(gateway, Hold { demand: want.demand, wanted: now, granted, most });
        granted
    }

    /// Forgets who and what has not been heard of for so long that it makes no difference.
    fn purge(&mut self, now: Duration, registered: &[i32]) {
        if now.saturating_sub(self.purged) < LEASE {
            return;
        }
        self.purged = now;
        let is_recent = |time: Duration| now.saturating_sub(time) < 2 * LEASE;
        self.gateways.retain(|id, gateway| registered.contains(id) || is_recent(gateway.heard));
        self.entities.retain(|_, entity| {
            entity.holds.retain(|_, hold| is_recent(hold.wanted));
            !entity.holds.is_empty()
        });
    }
}

/// What the one that asks is to have, once all others have what they are to have.
fn target(want: &Want, others: &[Other], floor: f64) -> f64 {
    let fixed: f64 = others.iter().map(|other| other.fixed).sum();
    let demands = others.iter().filter_map(|other| other.demand);
    let (wanted, among) = demands.fold((0.0, 1), |(sum, count), demand| (sum + demand, count + 1));
    let pool = (want.rate - fixed - floor).max(0.0);
    floor + part(pool, want.demand, wanted, among)
}

// === impl Entity ===

impl Entity {
    fn other(&self, now: Duration, id: i32, gateway: Option<&Gateway>, equal: f64) -> Other {
        let is_recent = |time: Duration| now.saturating_sub(time) < LEASE;
        // A gateway that is not heard of takes its equal part in a while, or has it already.
        let Some(gateway) = gateway.filter(|gateway| is_recent(gateway.heard)) else {
            return Other { most: equal, fixed: equal, demand: None };
        };
        let floor = FLOOR * equal;
        let at_least = if gateway.confirmed { floor } else { equal };
        let hold = self.holds.get(&id).filter(|hold| is_recent(hold.wanted));
        let most = hold.map_or(at_least, |hold| hold.most.max(at_least));
        Other { most, fixed: floor, demand: hold.map(|hold| hold.demand) }
    }
}
