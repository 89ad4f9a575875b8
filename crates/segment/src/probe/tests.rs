//! The probe: passes sound stores, refuses unsound ones, and names the key that is wrong.

use std::env;

use super::{ProbeError, ProbeSize, probe};
use crate::faulty::{FaultyStore, Unsound};
use crate::store::{Secret, Store, StoreConfig};

/// A store that lets a second conditional write win loses acknowledged records (R16).
#[tokio::test]
async fn a_store_that_breaks_its_promise_is_refused() {
    for (how, seen) in [
        (Unsound::Unconditional, "an existing key was created again"),
        (Unsound::RacyCreate, "2 of 2 writers created the same key"),
        (Unsound::RacyUpdate, "after 12 conditional increments"),
    ] {
        let store = FaultyStore::unsound(how).store();
        let error = probe(&store, ProbeSize::Quick).await.unwrap_err();
        assert!(matches!(error, ProbeError::Promise { .. }), "{how:?}: {error}");
        let text = error.to_string();
        assert!(text.contains("`store.url`") && text.contains(seen), "{how:?}: {text}");
    }
}

#[tokio::test]
async fn a_sound_store_passes_and_is_left_clean() {
    let store = Store::memory("test");
    probe(&store, ProbeSize::Quick).await.unwrap();
    probe(&store, ProbeSize::Full).await.unwrap();
    assert_eq!(store.list("probe").await.unwrap(), []);
}

#[tokio::test]
async fn an_unreachable_endpoint_is_named() {
    let mut config = StoreConfig::new("s3://bucket");
    config.endpoint = Some("http://127.0.0.1:9".to_owned());
    config.access_key_id = Some("key".to_owned());
    config.secret_access_key = Some(Secret::new("secret"));
    let error = probe_of(&config).await;
    assert!(matches!(error, ProbeError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("`store.endpoint`") && text.contains("http://127.0.0.1:9"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

/// Conformance of the error texts: real servers refuse in their own words.
#[tokio::test]
async fn conformance_of_an_s3_server_in_its_refusals() {
    let Ok(endpoint) = env::var("THERMOCLINE_TEST_S3") else { return };
    let variable = |name| env::var(name).expect("set together with THERMOCLINE_TEST_S3");
    let bucket = variable("THERMOCLINE_TEST_S3_BUCKET");
    let mut config = StoreConfig::new(format!("s3://{bucket}/probe"));
    config.endpoint = Some(endpoint);
    config.access_key_id = Some(variable("AWS_ACCESS_KEY_ID"));
    config.secret_access_key = Some(Secret::new(variable("AWS_SECRET_ACCESS_KEY")));

    let no_bucket = StoreConfig { url: "s3://no-such-bucket/probe".to_owned(), ..config.clone() };
    let error = probe_of(&no_bucket).await;
    assert!(matches!(error, ProbeError::NoBucket { .. }), "{error}");
    assert!(error.to_string().contains("no-such-bucket"), "{error}");

    let wrong = Some(Secret::new("wrong"));
    let wrong = StoreConfig { secret_access_key: wrong, ..config.clone() };
    // moto believes every signature.
    let Err(error) = probe(&Store::open(&wrong, "test").unwrap(), ProbeSize::Quick).await else {
        return;
    };
    assert!(matches!(error, ProbeError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("`store.secret_access_key`"), "{error}");
    let nobody = Some("nobody".to_owned());
    let error = probe_of(&StoreConfig { access_key_id: nobody, ..config }).await;
    assert!(matches!(error, ProbeError::Denied { .. }), "{error}");
}

async fn probe_of(config: &StoreConfig) -> ProbeError {
    let store = Store::open(config, "test").unwrap();
    probe(&store, ProbeSize::Quick).await.unwrap_err()
}
