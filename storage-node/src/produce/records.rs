//! Which records of a batch a topic does not take: its producer is told which, and why (KIP-467).
//!
//! A batch is opened only where its header cannot answer: a compacted topic wants a key of every
//! record, a bound on old timestamps is one of every record, and a timestamp that is too far ahead
//! must be found.

use std::ops::RangeInclusive;

use protocol::batch::records::{Record, RecordSet, RecordsError};
use protocol::batch::{BatchView, NO_TIMESTAMP};
use protocol::limits::{BATCH_INFLATED_BYTES_MAX, COMPACTED_BATCH_INFLATED_BYTES_MAX};
use protocol::messages::produce_response::BatchIndexAndErrorMessage;
use protocol::{ErrorCode, StrBytes};
use thiserror::Error;

use crate::limits::RECORD_ERRORS_MAX;
use crate::settings::TopicSettings;

/// Why a batch is refused for what is in it. Definite: nothing of it was appended (R44).
#[derive(Debug, Error)]
pub(super) enum RecordsRefused {
    /// Some records are out of order; the others go with them.
    #[error("{}", reason(*.code))]
    Records {
        /// What is wrong with them.
        code: ErrorCode,
        /// The first of them.
        records: Vec<BatchIndexAndErrorMessage>,
    },
    /// The records cannot be read at all.
    #[error(transparent)]
    Unreadable(#[from] RecordsError),
}

/// Checks what the topic wants of every record. `batch` has passed every other check.
pub(super) fn check(
    batch: &BatchView<'_>,
    settings: &TopicSettings,
    now_ms: i64,
) -> Result<(), RecordsRefused> {
    let legal = settings.legal_timestamps(now_ms);
    let too_late = legal.as_ref().is_some_and(|legal| batch.max_timestamp() > *legal.end());
    let old_matters = legal.is_some() && settings.timestamp_before_max_ms != i64::MAX;
    if !(settings.compacts || too_late || old_matters) {
        return Ok(());
    }
    let max = match settings.compacts {
        true => COMPACTED_BATCH_INFLATED_BYTES_MAX,
        false => BATCH_INFLATED_BYTES_MAX,
    };
    let set = RecordSet::open(batch, max)?;
    let mut code = if too_late { ErrorCode::InvalidTimestamp } else { ErrorCode::None };
    let mut records = Vec::new();
    for (index, record) in (0..).zip(set.iter()) {
        let Some((wrong, text)) = refusal(&record?, settings, legal.as_ref()) else { continue };
        // A wrong clock outweighs a missing key, as in Kafka.
        if code != ErrorCode::InvalidTimestamp {
            code = wrong;
        }
        if records.len() < RECORD_ERRORS_MAX {
            let text = StrBytes::from_string(text);
            let error = BatchIndexAndErrorMessage::default();
            records.push(error.with_batch_index(index).with_batch_index_error_message(Some(text)));
        }
    }
    match code {
        ErrorCode::None => Ok(()),
        code => Err(RecordsRefused::Records { code, records }),
    }
}

/// What is wrong with one record.
fn refusal(
    record: &Record<'_>,
    settings: &TopicSettings,
    legal: Option<&RangeInclusive<i64>>,
) -> Option<(ErrorCode, String)> {
    if settings.compacts && record.key.is_none() {
        let text = "Compacted topic cannot accept message without key.";
        return Some((ErrorCode::InvalidRecord, text.to_owned()));
    }
    let legal = legal?;
    let timestamp = record.timestamp;
    if timestamp == NO_TIMESTAMP || legal.contains(&timestamp) {
        return None;
    }
    let text = format!(
        "Timestamp {timestamp} of message is out of range. The timestamp should be within \
         [{}, {}]",
        legal.start(),
        legal.end()
    );
    Some((ErrorCode::InvalidTimestamp, text))
}

fn reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidTimestamp => {
            "One or more records have been rejected due to invalid timestamp"
        }
        _ => "One or more records have been rejected",
    }
}

// === impl RecordsRefused ===

impl RecordsRefused {
    /// What the producer is told.
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Records { code, .. } => *code,
            Self::Unreadable(error) => error.code(),
        }
    }

    /// The records that are to blame.
    pub(super) fn records(&self) -> &[BatchIndexAndErrorMessage] {
        match self {
            Self::Records { records, .. } => records,
            Self::Unreadable(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::batch::{BatchBuilder, Compression};

    use super::*;

    const NOW: i64 = 1_000_000;

    fn judged(settings: TopicSettings, records: &[(i64, Option<&[u8]>)]) -> (ErrorCode, Vec<i32>) {
        let mut batch = BatchBuilder::new();
        for (timestamp, key) in records {
            batch = batch.record(*timestamp, *key, Some(b"v"));
        }
        let bytes = batch.build();
        match check(&BatchView::whole(&bytes).unwrap(), &settings, NOW) {
            Ok(()) => (ErrorCode::None, Vec::new()),
            Err(refused) => {
                (refused.code(), refused.records().iter().map(|r| r.batch_index).collect())
            }
        }
    }

    #[test]
    fn a_compacted_topic_wants_a_key_of_every_record() {
        let (key, records) = (Some(&b"k"[..]), [(NOW, Some(&b"k"[..])), (NOW, None), (NOW, None)]);
        let compacts = TopicSettings { compacts: true, ..TopicSettings::default() };
        assert_eq!(judged(compacts, &records), (ErrorCode::InvalidRecord, vec![1, 2]));
        assert_eq!(judged(compacts, &[(NOW, key)]), (ErrorCode::None, Vec::new()));
        assert_eq!(judged(compacts, &[(NOW, Some(b""))]).0, ErrorCode::None, "empty is a key");
        assert_eq!(judged(TopicSettings::default(), &records).0, ErrorCode::None);
    }

    #[test]
    fn every_record_s_timestamp_counts_and_none_says_nothing() {
        let settings = TopicSettings {
            timestamp_before_max_ms: 100,
            timestamp_after_max_ms: 10,
            ..TopicSettings::default()
        };
        let times = [NOW - 101, NOW - 100, NOW + 10, NOW + 11, -1, NOW];
        let records = times.map(|timestamp| (timestamp, None));
        assert_eq!(judged(settings, &records), (ErrorCode::InvalidTimestamp, vec![0, 3]));
        let stamped = TopicSettings { log_append_time: true, ..settings };
        assert_eq!(judged(stamped, &records).0, ErrorCode::None, "the node's clock counts");
        let default = judged(TopicSettings::default(), &[(1, None), (NOW + 3_600_000, None)]);
        assert_eq!(default.0, ErrorCode::None);
        let ahead = judged(TopicSettings::default(), &[(1, None), (NOW + 3_600_001, None)]);
        assert_eq!(ahead, (ErrorCode::InvalidTimestamp, vec![1]));
    }

    #[test]
    fn an_answer_names_only_so_many_records() {
        let settings = TopicSettings { compacts: true, ..TopicSettings::default() };
        let (code, records) = judged(settings, &vec![(NOW, None); RECORD_ERRORS_MAX + 5]);
        assert_eq!((code, records.len()), (ErrorCode::InvalidRecord, RECORD_ERRORS_MAX));
    }

    #[test]
    fn what_compaction_could_not_open_is_too_large_for_a_compacted_topic() {
        let zeros = vec![0; COMPACTED_BATCH_INFLATED_BYTES_MAX];
        let batch = BatchBuilder::new().compressed(Compression::Zstd);
        let bytes = batch.record(NOW, Some(b"k"), Some(&zeros)).build();
        let batch = BatchView::whole(&bytes).unwrap();
        let settings = TopicSettings { compacts: true, ..TopicSettings::default() };
        let refused = check(&batch, &settings, NOW).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::MessageTooLarge);
        assert!(check(&batch, &TopicSettings::default(), NOW).is_ok(), "nobody has to open it");
    }

    #[test]
    fn what_cannot_be_read_has_its_own_code() {
        let whole = BatchBuilder::new().record(NOW, Some(b"k"), Some(b"v")).build();
        let mut bytes = whole.to_vec();
        *bytes.last_mut().unwrap() = 99; // claims headers that are not there
        let cut = bytes.len() - 4;
        bytes[8..12].copy_from_slice(&i32::try_from(cut - 12).unwrap().to_be_bytes());
        bytes.truncate(cut);
        let settings = TopicSettings { compacts: true, ..TopicSettings::default() };
        let refused = check(&BatchView::whole(&bytes).unwrap(), &settings, NOW).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidRecord);
    }
}
