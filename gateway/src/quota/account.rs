//! What is left of each quota here: one bucket per entity and key, filled at this gateway's share.
//!
//! A lock per account is taken once per request, never per record. Accounts that nobody uses and
//! that are full say nothing that a new one would not, and are forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metadata::settings::quota::{EntityType, QuotaEntity, QuotaKey, Table};
use parking_lot::{Mutex, RwLock};
use protocol::ids::TenantId;
use quota::{Bucket, FLOOR, Lease, Ticket};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{QUOTA_ACCOUNTS_MAX, QUOTA_WANTS_MAX};

/// Units per second that nobody reaches.
const UNLIMITED: f64 = 1e18;

/// All accounts of this gateway.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    table: Mutex<HashMap<Key, Arc<Account>>>,
    pub(crate) common: Arc<Common>,
}

/// What all accounts go by.
#[derive(Debug)]
pub(crate) struct Common {
    began: Instant,
    lease: RwLock<Lease>,
    /// How many gateways share every quota.
    gateways: AtomicUsize,
    /// Told when an account is overdrawn that control has not heard of.
    pub(crate) hungry: Notify,
}

/// Whose account of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) tenant: TenantId,
    pub(crate) quota: QuotaKey,
    entity: QuotaEntity,
}

/// One entity's account of one key.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) key: Key,
    common: Arc<Common>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The quota of all gateways together.
    rate: f64,
    granted: Option<f64>,
    share: f64,
    bucket: Bucket,
    /// What is held for as long as it is not given back: connections.
    held: f64,
}

/// Something held of an account. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Account>);

// === impl Common ===

impl Default for Common {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            lease: RwLock::new(Lease::new(Duration::ZERO)),
            gateways: AtomicUsize::new(1),
            hungry: Notify::new(),
        }
    }
}

impl Common {
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn adopted(&self) -> u64 {
        self.lease.read().adopted()
    }

    pub(crate) fn set_gateways(&self, gateways: usize) {
        self.gateways.store(gateways.max(1), Ordering::Relaxed);
    }

    fn gateways(&self) -> usize {
        self.gateways.load(Ordering::Relaxed)
    }

    fn share(&self, rate: f64, granted: Option<f64>, now: Duration) -> f64 {
        self.lease.read().share(rate, self.gateways(), granted, now)
    }
}

// === impl Accounts ===

impl Accounts {
    /// The account, whose quota is `rate` from now on.
    pub(crate) fn find(
        &self,
        tenant: TenantId,
        quota: QuotaKey,
        entity: QuotaEntity,
        rate: f64,
    ) -> Arc<Account> {
        let mut table = self.table.lock();
        let mut key = Key { tenant, quota, entity };
        if table.len() >= QUOTA_ACCOUNTS_MAX && !table.contains_key(&key) {
            // Clients may call themselves anything: those beyond the bound share one account.
            key.entity = QuotaEntity::of(EntityType::ClientId, None);
        }
        let account = table.entry(key).or_insert_with_key(|key| {
            let now = self.common.now();
            let share = self.common.share(rate, None, now);
            let bucket = Bucket::new(share, now);
            let state = State { rate, granted: None, share, bucket, held: 0.0 };
            let (key, common) = (key.clone(), Arc::clone(&self.common));
            Arc::new(Account { key, common, state: Mutex::new(state) })
        });
        account.state.lock().rate = rate;
        Arc::clone(account)
    }

    /// A tenant's quotas have changed: those who wait for what they owe would not look them up. Who
    /// has no quota any more owes nothing.
    pub(crate) fn follow(&self, tenant: TenantId, rates: &Table) {
        for (key, account) in self.table.lock().iter().filter(|(key, _)| key.tenant == tenant) {
            let rate = rates.of_shared(key.quota, &key.entity);
            account.state.lock().rate = rate.unwrap_or(UNLIMITED);
        }
    }

    /// What control is to know: each account that wants more than half of what it has without
    /// asking, the neediest first. `seconds` have passed since it was last told.
    pub(crate) fn wants(&self, seconds: f64) -> Vec<(Arc<Account>, quota::Want)> {
        let now = self.common.now();
        let mut table = self.table.lock();
        table.retain(|_, account| {
            Arc::strong_count(account) > 1 || !account.state.lock().is_idle(now)
        });
        let gateways = self.common.gateways() as f64;
        let mut wants: Vec<_> = table
            .values()
            .filter_map(|account| {
                let mut state = account.state.lock();
                let (used, owed) = state.bucket.take_demand(now);
                let demand = used / seconds.max(0.01) + owed + state.held;
                let asks = demand > state.rate * FLOOR / gateways / 2.0;
                let want = quota::Want { key: account.key.wire(), rate: state.rate, demand };
                asks.then(|| (Arc::clone(account), want))
            })
            .collect();
        drop(table);
        let neediest = |(_, want): &(Arc<Account>, quota::Want)| want.demand / want.rate;
        wants.sort_by(|a, b| neediest(b).total_cmp(&neediest(a)));
        wants.truncate(QUOTA_WANTS_MAX);
        wants
    }

    /// Control has answered what was sent at `sent`: these accounts have these shares, and all
    /// others the floor.
    pub(crate) fn adopt(
        &self,
        sequence: u64,
        sent: Duration,
        granted: impl Iterator<Item = (Arc<Account>, f64)>,
    ) {
        let granted: HashMap<Key, f64> =
            granted.map(|(account, share)| (account.key.clone(), share)).collect();
        let table = self.table.lock();
        self.common.lease.write().adopt(sequence, sent);
        for (key, account) in table.iter() {
            account.state.lock().granted = granted.get(key).copied();
        }
    }
}

// === impl Key ===

impl Key {
    /// As control tells accounts apart. It looks no further.
    fn wire(&self) -> Vec<u8> {
        format!("{}/{}/{}", self.tenant, self.quota.name(), self.entity).into_bytes()
    }
}

// === impl Account ===

impl Account {
    /// Takes units, and says what has to be paid before its sender may go on.
    pub(crate) fn charge(&self, units: f64) -> Ticket {
        let now = self.common.now();
        let mut state = self.state(now);
        let ticket = state.bucket.charge(units, now);
        if state.granted.is_none() && !state.bucket.wait(ticket, now).is_zero() {
            self.common.hungry.notify_one();
        }
        ticket
    }

    /// Takes units if nothing is owed; says whether it did.
    pub(crate) fn try_charge(&self, units: f64) -> bool {
        if !self.wait(self.last()).is_zero() {
            return false;
        }
        self.charge(units);
        true
    }

    /// What is paid once everything charged so far is.
    pub(crate) fn last(&self) -> Ticket {
        self.state.lock().bucket.last()
    }

    /// How long until a ticket is paid, by the present share.
    pub(crate) fn wait(&self, ticket: Ticket) -> Duration {
        let now = self.common.now();
        self.state(now).bucket.wait(ticket, now)
    }

    /// What to tell a client about that: by the share that it can expect. The present one may be
    /// what a gateway has before it has asked, and clients keep to what they were told.
    pub(crate) fn expected_wait(&self, ticket: Ticket) -> Duration {
        let now = self.common.now();
        let gateways = self.common.gateways() as f64;
        let mut state = self.state(now);
        let rate = state.share.max(state.rate / gateways);
        let behind = state.bucket.behind(ticket, now);
        Duration::try_from_secs_f64(behind / rate).unwrap_or(Duration::MAX)
    }

    /// Units per second that this gateway may let through now.
    pub(crate) fn share(&self) -> f64 {
        self.state(self.common.now()).share
    }

    /// Holds one of what there is, if there is one more.
    pub(crate) fn hold(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state(self.common.now());
        if state.held + 1.0 > state.share.max(1.0) {
            self.common.hungry.notify_one();
            return None;
        }
        state.held += 1.0;
        Some(Place(Arc::clone(self)))
    }

    /// The state, which goes by the present share.
    fn state(&self, now: Duration) -> parking_lot::MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let share = self.common.share(state.rate, state.granted, now);
        if share != state.share {
            state.share = share;
            state.bucket.set_rate(share, now);
        }
        state
    }
}

impl State {
    fn is_idle(&mut self, now: Duration) -> bool {
        self.held <= 0.0 && self.bucket.is_idle(now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state.lock().held -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metadata::model::Record;
    use metadata::settings::Settings;
    use metadata::settings::quota::QuotaRecord;
    use quota::LEASE;
    use tokio::time::advance;

    use super::*;

    const TENANT: TenantId = TenantId(1);
    const KEY: QuotaKey = QuotaKey::ProducerByteRate;

    fn client(name: &str) -> QuotaEntity {
        QuotaEntity::of(EntityType::ClientId, Some(name))
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_that_control_grants_holds_as_long_as_its_lease() {
        let accounts = Accounts::default();
        accounts.common.set_gateways(2);
        let account = accounts.find(TENANT, KEY, client("a"), 1_000.0);
        assert_eq!(account.share(), 500.0 * FLOOR);
        let wants = accounts.wants(1.0);
        assert!(wants.is_empty(), "nothing was asked of it");
        let ticket = account.charge(600.0);
        let wants = accounts.wants(1.0);
        assert_eq!(wants[0].1.key, b"1/producer_byte_rate/client-id=a");
        assert!(wants[0].1.demand >= 600.0, "{}", wants[0].1.demand);
        assert!(account.expected_wait(ticket) < Duration::from_secs(2), "not at the floor's rate");
        accounts.adopt(1, accounts.common.now(), [(Arc::clone(&account), 900.0)].into_iter());
        assert!(account.wait(ticket) < Duration::from_secs(1));
        advance(LEASE).await;
        assert_eq!(account.share(), 500.0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_forgotten_and_what_is_owed_is_not() {
        let accounts = Accounts::default();
        drop(accounts.find(TENANT, KEY, client("idle"), 10.0));
        accounts.find(TENANT, KEY, client("owes"), 10.0).charge(100.0);
        accounts.wants(1.0);
        assert_eq!(accounts.table.lock().len(), 1);
        let owes = accounts.find(TENANT, KEY, client("owes"), 10.0);
        assert!(!owes.wait(owes.last()).is_zero());
        drop(owes);
        advance(Duration::from_secs(11)).await;
        accounts.wants(1.0);
        assert!(accounts.table.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_quota_that_is_raised_or_gone_does_not_wait_on() {
        let accounts = Accounts::default();
        let account = accounts.find(TENANT, KEY, client("a"), 1.0);
        let ticket = account.charge(1_000.0);
        assert!(account.wait(ticket) > Duration::from_secs(900));
        let values = BTreeMap::from([(KEY, 1_000.0)]);
        let entries = BTreeMap::from([("client-id=a".to_owned(), QuotaRecord { values }.encode())]);
        accounts.follow(TENANT, &Table::new(&Settings { revision: 1, entries }));
        assert!(account.wait(ticket) < Duration::from_secs(1));
        accounts.follow(TENANT, &Table::default());
        advance(Duration::from_millis(1)).await;
        assert!(account.wait(ticket).is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn names_beyond_the_bound_share_one_account() {
        let accounts = Accounts::default();
        let named = |n: usize| accounts.find(TENANT, KEY, client(&n.to_string()), 10.0);
        let kept: Vec<_> = (0..QUOTA_ACCOUNTS_MAX).map(named).collect();
        assert!(Arc::ptr_eq(&named(QUOTA_ACCOUNTS_MAX), &named(QUOTA_ACCOUNTS_MAX + 1)));
        assert!(Arc::ptr_eq(&named(7), &kept[7]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_held_until_it_is_dropped() {
        let accounts = Accounts::default();
        let account = accounts.find(TENANT, QuotaKey::Connections, QuotaEntity::tenant(), 2.0);
        let (first, second) = (account.hold().unwrap(), account.hold());
        assert!(second.is_some() && account.hold().is_none());
        drop(first);
        assert!(account.hold().is_some());
    }
}
