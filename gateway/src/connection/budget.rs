//! Memory for requests, given out before they are read (R61).
//!
//! What a frame's length claims is reserved first, of the tenant's share and then of the process's
//! memory, so that a tenant that announces much and sends nothing waits for itself.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use protocol::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of KiB to be shared out.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    kilobytes: u32,
}

/// The memory of one process for requests.
pub(crate) struct RequestMemory {
    process: Budget,
    share_bytes: u64,
    /// Of tenants that have connections.
    shares: Mutex<HashMap<TenantId, Weak<Budget>>>,
}

/// What one connection's requests are given their memory from.
pub(super) struct Share {
    tenant: Arc<Budget>,
    process: Budget,
}

/// Memory of one request. Only ever dropped.
pub(super) struct Reserved {
    _tenant: OwnedSemaphorePermit,
    _process: OwnedSemaphorePermit,
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let kilobytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX >> 3).max(1);
        Self { permits: Arc::new(Semaphore::new(kilobytes as usize)), kilobytes }
    }

    /// Waits for `bytes` of it; more than there is takes all of it.
    pub(super) async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let kilobytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.permits);
        let taken = permits.acquire_many_owned(kilobytes.min(self.kilobytes)).await;
        taken.expect("never closed")
    }

    /// `bytes` of it if they are there now.
    fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kilobytes = u32::try_from(bytes.div_ceil(1024)).ok()?;
        Arc::clone(&self.permits).try_acquire_many_owned(kilobytes).ok()
    }
}

// === impl RequestMemory ===

impl RequestMemory {
    /// `share_bytes` is what one tenant may have of it.
    pub(crate) fn new(bytes: u64, share_bytes: u64) -> Self {
        Self { process: Budget::new(bytes), share_bytes, shares: Mutex::default() }
    }

    /// `bytes` of it if they are there now, whoever's they are.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.process.try_take(bytes)
    }

    /// For a connection of this tenant.
    pub(super) fn share(&self, tenant: TenantId) -> Share {
        let process = self.process.clone();
        let mut shares = self.shares.lock();
        if let Some(tenant) = shares.get(&tenant).and_then(Weak::upgrade) {
            return Share { tenant, process };
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Budget::new(self.share_bytes));
        shares.insert(tenant, Arc::downgrade(&share));
        Share { tenant: share, process }
    }
}

// === impl Share ===

impl Share {
    /// Waits for `bytes`. Who waits for the process's memory holds its tenant's meanwhile, and nobody
    /// the other way round.
    pub(super) async fn take(&self, bytes: usize) -> Reserved {
        let tenant = self.tenant.take(bytes).await;
        Reserved { _tenant: tenant, _process: self.process.take(bytes).await }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_budget_lets_one_oversized_request_through_alone() {
        let budget = Budget::new(8 * 1024);
        let small = budget.take(100).await;
        assert!(budget.take(1 << 30).now_or_never().is_none(), "not beside another");
        drop(small);
        let large = budget.take(1 << 30).now_or_never().expect("alone");
        assert!(budget.take(1).now_or_never().is_none());
        drop(large);
        assert!(budget.take(1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_tenant_cannot_reserve_what_is_there_for_the_others() {
        let memory = RequestMemory::new(8 * 1024, 4 * 1024);
        let (one, other) = (memory.share(TenantId(1)), memory.share(TenantId(2)));
        let all = one.take(4 * 1024).now_or_never().expect("its share");
        let same = memory.share(TenantId(1));
        assert!(same.take(1).now_or_never().is_none(), "connections of a tenant share it");
        assert!(other.take(4 * 1024).now_or_never().is_some());
        drop(all);
        assert!(same.take(1).now_or_never().is_some());
    }

    #[test]
    fn tenants_without_connections_are_forgotten() {
        let memory = RequestMemory::new(8 * 1024, 4 * 1024);
        drop(memory.share(TenantId(1)));
        let _other = memory.share(TenantId(2));
        assert_eq!(memory.shares.lock().len(), 1);
    }
}
