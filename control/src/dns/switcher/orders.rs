//! Switches by hand: what may be asked for, and the answer to it.

use metadata::gateway_sets::Cause;

use super::{Interrupted, Read, Switcher};
use crate::desk::Asked;
use crate::dns::orders::{Order, Refused};
use crate::dns::switch::{Verdict, Votes};
use crate::guard::GuardError;
use crate::metrics;

// === impl Switcher ===

impl Switcher {
    /// Does what an operator asks for, or says why not. True if the active set is another one now.
    pub(super) async fn obey(
        &mut self,
        asked: Asked<Order>,
        read: &mut Read,
    ) -> Result<bool, Interrupted> {
        let Asked { order: Order { to, cause, force, dry_run }, told } = asked;
        let next =
            self.choose(to, cause, force, read).map(|to| self.next(&read.active, &to, cause));
        let next = match next {
            Ok(next) if !dry_run => next,
            answer => {
                // Whoever asked may have gone away.
                drop(told.send(answer));
                return Ok(false);
            }
        };
        let committed = self.commit(read, next.clone()).await;
        let answer = match &committed {
            Ok(()) => Ok(next),
            Err(GuardError::Superseded) => Err(Refused::NotLeading),
            Err(GuardError::Conflict) => Err(Refused::Conflict),
            Err(GuardError::Metadata(error)) => Err(Refused::Metadata(error.to_string())),
        };
        drop(told.send(answer));
        committed?;
        metrics::switched(cause.name());
        Ok(true)
    }

    fn choose(
        &self,
        to: Option<String>,
        cause: Cause,
        force: bool,
        read: &Read,
    ) -> Result<String, Refused> {
        let (active, order) = (&read.active, &self.switch.rules().order);
        if !active.applied && !force {
            return Err(Refused::UnderWay(self.dns_problem.clone().unwrap_or_default()));
        }
        let may = |set: &&String| **set != active.set && !active.barred.contains(set);
        let to = match to {
            Some(to) => to,
            None if cause == Cause::Failback => order[0].clone(),
            None => order
                .iter()
                .filter(may)
                .find(|set| self.switch.verdict(set) == Verdict::Serves)
                .cloned()
                .ok_or(Refused::Nowhere)?,
        };
        if !order.contains(&to) {
            return Err(Refused::NoSet(to));
        }
        if to == active.set {
            return Err(Refused::There(to));
        }
        if !force && self.switch.verdict(&to) != Verdict::Serves {
            let votes = Votes::count(self.switch.rules(), &to, read.findings.values());
            return Err(Refused::Unproven { set: to, serves: votes.serves, of: votes.of });
        }
        Ok(to)
    }
}
