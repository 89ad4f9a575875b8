//! What every store must do, tried on memory, on a directory, and on the S3
//! server that `THERMOCLINE_TEST_S3` names.

use std::env;

use bytes::Bytes;
use futures::future::join_all;
use uuid::Uuid;

use super::{payload, text_of};
use crate::keys::{self, Key};
use crate::probe::{ProbeSize, probe};
use crate::store::{Created, Secret, Store, StoreConfig, StoreErrorKind, Updated, Version};

#[tokio::test]
async fn conformance_of_memory() {
    suite(Store::memory("test")).await;
}

#[tokio::test]
async fn conformance_of_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    suite(Store::open(&StoreConfig::new(url), "test").unwrap()).await;
}

#[tokio::test]
async fn conformance_of_an_s3_server() {
    let Some(config) = s3_config() else { return };
    suite(Store::open(&config, "test").unwrap()).await;
}

/// The server that the test scripts started, if they did.
fn s3_config() -> Option<StoreConfig> {
    let endpoint = env::var("THERMOCLINE_TEST_S3").ok()?;
    let variable = |name| env::var(name).expect("set together with THERMOCLINE_TEST_S3");
    let mut config =
        StoreConfig::new(format!("s3://{}/conformance", variable("THERMOCLINE_TEST_S3_BUCKET")));
    config.endpoint = Some(endpoint);
    config.access_key_id = Some(variable("AWS_ACCESS_KEY_ID"));
    config.secret_access_key = Some(Secret::new(variable("AWS_SECRET_ACCESS_KEY")));
    Some(config)
}

async fn suite(store: Store) {
    let run = Run { store, id: Uuid::new_v4() };
    run.creates_once().await;
    run.lets_one_of_many_create().await;
    run.updates_the_expected_version_only().await;
    run.loses_no_increment().await;
    run.never_repeats_a_version().await;
    run.tells_what_is_missing().await;
    run.reads_exact_ranges().await;
    run.lists_below_a_prefix_in_order().await;
    run.joins_the_chunks_of_a_payload().await;
    run.keeps_long_objects().await;
    run.takes_an_object_in_parts().await;
    run.deletes().await;
    probe(&run.store, ProbeSize::Quick).await.unwrap();
}

struct Run {
    store: Store,
    id: Uuid,
}

impl Run {
    fn key(&self, name: &str) -> Key {
        keys::probe(self.id, name)
    }

    async fn create(&self, key: &Key, text: &str) -> Created {
        let (token, payload) = payload(text);
        self.store.create(key, payload, token).await.unwrap()
    }

    async fn update(&self, key: &Key, text: &str, expected: &Version) -> Updated {
        let (token, payload) = payload(text);
        self.store.update(key, payload, token, expected).await.unwrap()
    }

    async fn read(&self, key: &Key) -> (String, Version) {
        let (object, version) = self.store.get_versioned(key).await.unwrap().unwrap();
        (text_of(&object), version)
    }

    async fn creates_once(&self) {
        let key = self.key("once");
        let created = self.create(&key, "first").await;
        assert_eq!(self.create(&key, "second").await, Created::Exists);
        let (text, version) = self.read(&key).await;
        assert_eq!((text.as_str(), created), ("first", Created::Ours(version)));
    }

    async fn lets_one_of_many_create(&self) {
        join_all((0..4).map(|round| self.lets_one_create(round))).await;
    }

    async fn lets_one_create(&self, round: usize) {
        let key = self.key(&format!("race-{round}"));
        let texts: Vec<String> = (0..8).map(|writer| format!("writer {writer}")).collect();
        let results = join_all(texts.iter().map(|text| self.create(&key, text))).await;
        let won = |result: &Created| matches!(result, Created::Ours(_));
        let winners: Vec<_> = (0..texts.len()).filter(|&writer| won(&results[writer])).collect();
        assert_eq!(winners.len(), 1, "{winners:?} created the same key");
        assert_eq!(self.read(&key).await.0, texts[winners[0]]);
    }

    async fn updates_the_expected_version_only(&self) {
        let key = self.key("update");
        let Created::Ours(first) = self.create(&key, "one").await else { panic!("key is fresh") };
        let Updated::Ours(second) = self.update(&key, "two", &first).await else {
            panic!("nobody else writes")
        };
        assert_eq!(self.read(&key).await, ("two".to_owned(), second));
        assert_eq!(self.update(&key, "three", &first).await, Updated::Conflict);
        assert_eq!(self.read(&key).await.0, "two");
        assert_eq!(self.update(&self.key("nothing"), "x", &first).await, Updated::Conflict);
    }

    async fn loses_no_increment(&self) {
        let key = self.key("counter");
        self.create(&key, "0").await;
        let increments = async || {
            for _ in 0..8 {
                loop {
                    let (text, version) = self.read(&key).await;
                    let next = (text.parse::<u32>().unwrap() + 1).to_string();
                    if self.update(&key, &next, &version).await != Updated::Conflict {
                        break;
                    }
                }
            }
        };
        join_all((0..4).map(|_| increments())).await;
        assert_eq!(self.read(&key).await.0, "32");
    }

    /// Same length, same instant: what fools versions made of size and time (R22).
    async fn never_repeats_a_version(&self) {
        let key = self.key("versions");
        let Created::Ours(mut version) = self.create(&key, "0").await else { panic!("fresh") };
        let mut seen = vec![version.clone()];
        for text in ["1", "0", "1", "0", "1"] {
            let Updated::Ours(next) = self.update(&key, text, &version).await else {
                panic!("nobody else writes")
            };
            assert!(!seen.contains(&next), "version {next:?} came back");
            seen.push(next.clone());
            version = next;
        }
    }

    async fn tells_what_is_missing(&self) {
        let key = self.key("missing");
        assert!(self.store.get(&key).await.unwrap_err().is_not_found());
        assert!(self.store.get_range(&key, 0..4).await.unwrap_err().is_not_found());
        assert!(self.store.get_suffix(&key, 4).await.unwrap_err().is_not_found());
        assert_eq!(self.store.get_versioned(&key).await.unwrap(), None);
        assert_eq!(self.store.head(&key).await.unwrap(), None);
        assert_eq!(self.store.list("probe/no/such/prefix").await.unwrap(), []);
    }

    async fn reads_exact_ranges(&self) {
        let key = self.key("ranges");
        self.store.put_unconditional(&key, vec![Bytes::from_static(b"0123456789")]).await.unwrap();
        assert_eq!(self.store.get_range(&key, 2..5).await.unwrap(), "234");
        assert_eq!(self.store.get_range(&key, 0..10).await.unwrap(), "0123456789");
        for beyond in [8..12, 10..11] {
            let error = self.store.get_range(&key, beyond.clone()).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Damaged, "{beyond:?}: {error}");
        }
        assert_eq!(self.store.get_suffix(&key, 3).await.unwrap(), ("789".into(), 10));
        assert_eq!(self.store.get_suffix(&key, 99).await.unwrap(), ("0123456789".into(), 10));
        let (size, _) = self.store.head(&key).await.unwrap().unwrap();
        assert_eq!(size, 10);
    }

    async fn lists_below_a_prefix_in_order(&self) {
        let names = ["list/b", "list/a/2", "list/a/1", "list/c", "listing/a"];
        for name in names {
            self.store.put_unconditional(&self.key(name), vec![Bytes::new()]).await.unwrap();
        }
        let listed = self.store.list(self.key("list/").as_str()).await.unwrap();
        let keys: Vec<Key> = listed.into_iter().map(|object| object.key).collect();
        assert_eq!(keys, ["list/a/1", "list/a/2", "list/b", "list/c"].map(|name| self.key(name)));
    }

    async fn joins_the_chunks_of_a_payload(&self) {
        let key = self.key("chunks");
        let chunks: Vec<Bytes> = (0..300).map(|byte| vec![byte as u8; 31_000].into()).collect();
        self.store.put_unconditional(&key, chunks.clone()).await.unwrap();
        assert!(self.store.get(&key).await.unwrap() == chunks.concat(), "chunks are not in order");
    }

    /// A directory treats them differently.
    async fn keeps_long_objects(&self) {
        let key = self.key("long");
        let texts = ["a", "b"].map(|letter| letter.repeat(1_000_003));
        let created = join_all(texts.iter().map(|text| self.create(&key, text))).await;
        let ours = created.iter().position(|result| matches!(result, Created::Ours(_)));
        let ours = ours.expect("one of both is first");
        assert_eq!(created[1 - ours], Created::Exists);
        let (text, version) = self.read(&key).await;
        assert!(text == texts[ours], "another object of {} bytes", text.len());
        assert_eq!(created[ours], Created::Ours(version));

        let key = self.key("overwritten");
        for seed in [1, 2_usize] {
            let bytes: Vec<u8> = (0..1_000_003).map(|at| ((at * seed) >> 5) as u8).collect();
            self.store.put_unconditional(&key, vec![bytes.clone().into()]).await.unwrap();
            for range in [0..1_000_003, 7..300_000, 262_143..900_001] {
                let read = self.store.get_range(&key, range.start as u64..range.end as u64).await;
                assert!(read.unwrap() == bytes[range.clone()], "other bytes in {range:?}");
            }
            let beyond = self.store.get_range(&key, 1..1_000_004).await.unwrap_err();
            assert_eq!(beyond.kind, StoreErrorKind::Damaged);
        }
        let listed = self.store.list(self.key("").as_str()).await.unwrap();
        assert!(listed.iter().all(|object| !object.key.as_str().contains('#')), "{listed:?}");
    }

    async fn takes_an_object_in_parts(&self) {
        const PART: usize = 5 << 20;
        let key = self.key("parts");
        let bytes: Vec<u8> = (0..PART * 2 + 17).map(|at| (at >> 9) as u8).collect();
        self.store.put_in_parts(&key, vec![bytes.clone().into()], PART).await.unwrap();
        assert!(self.store.get(&key).await.unwrap() == bytes, "parts are not in order");
    }

    async fn deletes(&self) {
        let key = self.key("deleted");
        self.store.put_unconditional(&key, vec![Bytes::from_static(b"x")]).await.unwrap();
        self.store.delete(&key).await.unwrap();
        assert_eq!(self.store.head(&key).await.unwrap(), None);
        self.store.delete(&key).await.unwrap();
    }
}
