//! CreateAcls and DeleteAcls: plan, commit, copy, answer.

use hop::{Request, Response};

use super::{
    Ended, Term,
    changes::{Doubt, in_doubt},
};
use crate::{admin::acls, command::Command};

impl Term {
    pub(super) async fn create_acls(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::CreateAcls(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let (changes, mut response) = acls::plan_creation(&self.catalogue, command.tenant, request);
        let mut then = Ok(());
        if !changes.is_empty() {
            command.begun();
            if let Err(doubt) = self.change_settings(changes).await {
                acls::refuse_planned_creations(&mut response, &in_doubt());
                Doubt { then } = doubt;
            }
        }
        command.answer(Response::CreateAcls(response));
        then
    }

    pub(super) async fn delete_acls(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::DeleteAcls(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let (changes, mut response) = acls::plan_deletion(&self.catalogue, command.tenant, request);
        let mut then = Ok(());
        if !changes.is_empty() {
            command.begun();
            if let Err(doubt) = self.change_settings(changes).await {
                acls::refuse_planned_deletions(&mut response, &in_doubt());
                Doubt { then } = doubt;
            }
        }
        command.answer(Response::DeleteAcls(response));
        then
    }
}
