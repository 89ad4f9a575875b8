//! DescribeGroups, ListGroups and DeleteGroups.

use std::collections::BTreeSet;

use protocol::StrBytes;
use protocol::error::ErrorCode;
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    ListGroupsRequest, ListGroupsResponse,
};

use crate::classic::ClassicGroup;
use crate::classic::describe::GROUP_TYPE as CLASSIC;
use crate::command::{Caller, Outputs, Reply};
use crate::consumer::describe::GROUP_TYPE as CONSUMER;
use crate::coordinator::Coordinator;
use crate::owned::owned;
use crate::record::{GroupKey, Record};

impl Coordinator {
    pub(crate) fn describe_groups(
        &self,
        caller: &Caller,
        request: &DescribeGroupsRequest,
        out: &mut Outputs,
    ) {
        let groups = request.groups.iter().map(|group| {
            let key = GroupKey { tenant: caller.tenant, group: group.0.clone() };
            if self.consumer(&key).is_some() {
                return no_group(&key.group, "is not a classic group");
            }
            let described = self.view(&key, |group| group.describe());
            described.unwrap_or_else(|| no_group(&key.group, "not found"))
        });
        let response = DescribeGroupsResponse::default().with_groups(groups.collect());
        out.replies.push((caller.token, Reply::DescribeGroups(response)));
    }

    pub(crate) fn list_groups(
        &self,
        caller: &Caller,
        request: &ListGroupsRequest,
        out: &mut Outputs,
    ) {
        let states = &request.states_filter;
        let types = &request.types_filter;
        let wanted = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|one| one.trim().eq_ignore_ascii_case(value))
        };
        let listed = self.keys_of(caller).into_iter().filter_map(|key| match self.consumer(&key) {
            Some(group) => wanted(types, CONSUMER).then(|| group.list(&key)),
            None if wanted(types, CLASSIC) => self.view(&key, ClassicGroup::list),
            None => None,
        });
        let listed = listed.filter(|group| wanted(states, &group.group_state));
        let response = ListGroupsResponse::default().with_groups(listed.collect());
        out.replies.push((caller.token, Reply::ListGroups(response)));
    }

    fn keys_of(&self, caller: &Caller) -> BTreeSet<GroupKey> {
        let live = self.groups.keys().filter(|key| key.tenant == caller.tenant);
        let durable = self.ledger.groups_of(caller.tenant).map(|(key, _)| key);
        live.chain(durable).cloned().collect()
    }

    pub(crate) fn delete_groups(
        &mut self,
        caller: &Caller,
        request: &DeleteGroupsRequest,
        out: &mut Outputs,
    ) {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for group in &request.groups_names {
            let key = GroupKey { tenant: caller.tenant, group: owned(group) };
            let code = self.delete_group(key, out).err().unwrap_or(ErrorCode::None).code();
            let result = DeletableGroupResult::default().with_group_id(group.clone());
            results.push(result.with_error_code(code));
        }
        let response = DeleteGroupsResponse::default().with_results(results);
        out.replies.push((caller.token, Reply::DeleteGroups(response)));
    }

    fn delete_group(&mut self, key: GroupKey, out: &mut Outputs) -> Result<(), ErrorCode> {
        let empty = self.view(&key, |group| group.is_empty()).ok_or(ErrorCode::GroupIdNotFound)?;
        if !empty || self.has_consumer_members(&key) {
            return Err(ErrorCode::NonEmptyGroup);
        }
        // Ids given out die with the group: whoever comes with one is told to start afresh.
        self.groups.remove(&key);
        if self.ledger.get(&key).is_some() {
            self.emit(Record::GroupDeleted { group: key }, out);
        }
        Ok(())
    }
}

/// A group that does not exist is dead, and says so since KIP-1043. So is one of consumers: it has
/// an API of its own.
fn no_group(group: &StrBytes, what: &str) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(group.clone().into())
        .with_group_state("Dead".into())
        .with_error_code(ErrorCode::GroupIdNotFound.code())
        .with_error_message(Some(format!("Group {group} {what}.").into()))
}
