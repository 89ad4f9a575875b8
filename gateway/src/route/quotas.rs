//! Client quotas: AlterClientQuotas is control's to decide, DescribeClientQuotas is answered from the
//! view. How they are kept is in [`crate::quota`].

mod describe;

use metadata::settings::SettingKind;
use protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
};
use protocol::{ErrorCode, StrBytes};

use self::describe::{Filter, entries};
use super::admin::ask_control;
use crate::context::Context;
use crate::errors;
use crate::limits::ALTER_SETTINGS_TIMEOUT_MS;

/// Answers DescribeClientQuotas.
pub(super) async fn describe(
    context: Context,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let refused = |code: ErrorCode, text: String| {
        DescribeClientQuotasResponse::default()
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_string(text)))
            .with_entries(None)
    };
    let filter = match Filter::new(&request) {
        Ok(filter) => filter,
        Err((code, text)) => return refused(code, text),
    };
    // Whoever was answered that a quota is set, by whichever gateway, sees it here.
    if let Err(error) = context.catalogue.refresh().await {
        let code = errors::of_lookup(&error);
        return refused(code, "The quotas cannot be read now.".to_owned());
    }
    let settings = context.catalogue.settings(SettingKind::Quota);
    DescribeClientQuotasResponse::default()
        .with_error_message(None)
        .with_entries(Some(entries(&settings, &filter)))
}

/// Answers AlterClientQuotas.
pub(super) async fn alter(
    context: Context,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let asked = request.entries.iter().map(|entry| {
        let entity = entry.entity.iter().map(|part| {
            EntityData::default()
                .with_entity_type(part.entity_type.clone())
                .with_entity_name(part.entity_name.clone())
        });
        EntryData::default().with_entity(entity.collect())
    });
    let asked: Vec<_> = asked.collect();
    let validate_only = request.validate_only;
    let refused = |answer: &AlterClientQuotasResponse| {
        answer.entries.iter().any(|entry| entry.error_code == ErrorCode::NotController.code())
    };
    let answer = ask_control(&context, ALTER_SETTINGS_TIMEOUT_MS, request, refused).await;
    if !validate_only {
        // Whoever asks this gateway next sees the change. Others hear of it in a moment.
        drop(context.catalogue.refresh().await);
    }
    answer.unwrap_or_else(|error| {
        let failed = asked.into_iter().map(|entry| entry.with_error_code(error.code()));
        AlterClientQuotasResponse::default().with_entries(failed.collect())
    })
}
