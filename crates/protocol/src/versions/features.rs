//! The features of KIP-584 in the answer to ApiVersions: what clients and tools read about the
//! cluster that no API version says.

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::protocol::StrBytes;

/// A feature with the level that is in force, which is the highest.
struct Feature {
    name: &'static str,
    level: i16,
}

/// Everything we have of what Kafka 4.1 lists, in the order of the names.
const FEATURES: &[Feature] = &[
    // Groups of the consumer protocol (KIP-848).
    Feature { name: "group.version", level: 1 },
    // An epoch for each transaction (KIP-890).
    Feature { name: "transaction.version", level: 2 },
];

/// First version whose clients take a feature that can be off, at level 0 (KIP-1022).
const LEVEL_0_FROM: i16 = 4;

/// Features never change while the cluster lives, so there is one epoch of them.
const EPOCH: i64 = 0;

/// Adds the features to an answer in `version`.
pub(super) fn add(response: ApiVersionsResponse, version: i16) -> ApiVersionsResponse {
    let name = |feature: &Feature| StrBytes::from_static_str(feature.name);
    let supported = FEATURES.iter().filter(|_| version >= LEVEL_0_FROM).map(|feature| {
        SupportedFeatureKey::default().with_name(name(feature)).with_max_version(feature.level)
    });
    let finalized = FEATURES.iter().map(|feature| {
        FinalizedFeatureKey::default()
            .with_name(name(feature))
            .with_min_version_level(feature.level)
            .with_max_version_level(feature.level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_version_3_are_not_shown_what_can_be_off() {
        let answer = |version| add(ApiVersionsResponse::default(), version);
        assert!(answer(3).supported_features.is_empty());
        let supported = &answer(4).supported_features[0];
        let range = (supported.min_version, supported.max_version);
        assert_eq!((supported.name.as_str(), range), ("group.version", (0, 1)));
        for version in [3, 4] {
            let answer = answer(version);
            let finalized = &answer.finalized_features[0];
            let level = (finalized.min_version_level, finalized.max_version_level);
            assert_eq!((finalized.name.as_str(), level), ("group.version", (1, 1)));
            assert_eq!(answer.finalized_features_epoch, 0);
        }
    }
}
