//! The directory store: its promises hold between processes, and it says why it
//! cannot be opened.

use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use super::{payload, text_of};
use crate::keys::{self, Key};
use crate::store::{OpenError, Store, StoreConfig, Updated};

const CHILDREN: usize = 3;
const INCREMENTS: usize = 30;
const CHILD: &str = "store::tests::local::increments_of_a_child_process";
const CHILD_DIRECTORY: &str = "THERMOCLINE_TEST_DIRECTORY";

fn open(path: &str) -> Store {
    Store::open(&StoreConfig::new(format!("file://{path}")), "test").unwrap()
}

fn counter() -> Key {
    keys::probe(uuid::Uuid::nil(), "counter")
}

/// Several processes increment one object by compare-and-swap; none gets lost.
#[tokio::test]
async fn updates_are_atomic_between_processes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let store = open(path);
    let (token, zero) = payload("0");
    store.create(&counter(), zero, token).await.unwrap();
    let children: Vec<_> = (0..CHILDREN)
        .map(|_| {
            Command::new(env::current_exe().unwrap())
                .args(["--exact", CHILD, "--ignored", "--quiet"])
                .env(CHILD_DIRECTORY, path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let counted = text_of(&store.get(&counter()).await.unwrap());
    assert_eq!(counted, (CHILDREN * INCREMENTS).to_string());
}

#[tokio::test]
#[ignore = "runs as a child of updates_are_atomic_between_processes"]
async fn increments_of_a_child_process() {
    let store = open(&env::var(CHILD_DIRECTORY).unwrap());
    let mut done = 0;
    while done < INCREMENTS {
        let (object, version) = store.get_versioned(&counter()).await.unwrap().unwrap();
        let next = text_of(&object).parse::<usize>().unwrap() + 1;
        let (token, payload) = payload(&next.to_string());
        let outcome = store.update(&counter(), payload, token, &version).await.unwrap();
        done += usize::from(outcome != Updated::Conflict);
    }
}

/// Updates wait for their lock in the threads that the one holding it needs, too.
#[test]
fn many_updates_do_not_take_all_blocking_threads() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(17).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().to_str().unwrap());
    let race = async {
        let (token, zero) = payload("0");
        store.create(&counter(), zero, token).await.unwrap();
        let (_, version) = store.get_versioned(&counter()).await.unwrap().unwrap();
        let update = async || {
            let (token, one) = payload("1");
            store.update(&counter(), one, token, &version).await.unwrap()
        };
        let outcomes = futures::future::join_all((0..40).map(|_| update())).await;
        outcomes.iter().filter(|outcome| **outcome != Updated::Conflict).count()
    };
    let race = async { tokio::time::timeout(Duration::from_secs(60), race).await };
    let winners = runtime.block_on(race);
    runtime.shutdown_background();
    assert_eq!(winners.expect("no update waits for ever"), 1);
}

/// The version is made of inode, time and size; inodes are used again and clocks
/// go back, so the time alone must grow (R22).
#[tokio::test]
async fn an_update_is_younger_than_what_it_replaces_whatever_the_clock_says() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().to_str().unwrap());
    let (token, zero) = payload("0");
    store.create(&counter(), zero, token).await.unwrap();
    let path = directory.path().join(counter().as_str());
    let modified = || fs::metadata(&path).unwrap().modified().unwrap();
    let ahead = modified() + Duration::from_secs(3600);
    fs::File::options().write(true).open(&path).unwrap().set_modified(ahead).unwrap();
    let (_, version) = store.get_versioned(&counter()).await.unwrap().unwrap();
    let (token, one) = payload("1");
    store.update(&counter(), one, token, &version).await.unwrap();
    assert!(modified() > ahead);
}

#[tokio::test]
async fn lock_files_are_not_objects() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().to_str().unwrap());
    assert_eq!(store.list("").await.unwrap(), []);
    let key = counter();
    let (token, zero) = payload("0");
    store.create(&key, zero, token).await.unwrap();
    let listed = store.list("").await.unwrap();
    assert_eq!(listed.into_iter().map(|object| object.key).collect::<Vec<_>>(), [key]);
}

#[test]
fn a_bad_configuration_names_its_key() {
    let text = |config: &StoreConfig| Store::open(config, "test").unwrap_err().to_string();
    for url in ["", "bucket", "s3://", "s3:///prefix", "file://relative", "gs://bucket"] {
        let error = text(&StoreConfig::new(url));
        assert!(error.contains("`store.url`") && error.contains("s3://bucket/prefix"), "{error}");
    }
    let error = text(&StoreConfig::new("file:///proc/nowhere"));
    assert!(error.contains("`store.url`") && error.contains("/proc/nowhere"), "{error}");
    let mut config = StoreConfig::new("s3://bucket");
    config.endpoint = Some("http://127.0.0.1:1".to_owned());
    assert!(text(&config).contains("`store.access_key_id`"));
    config.access_key_id = Some("key".to_owned());
    let error = Store::open(&config, "test").unwrap_err();
    assert!(matches!(error, OpenError::MissingKey { key: "store.secret_access_key" }), "{error}");
}
