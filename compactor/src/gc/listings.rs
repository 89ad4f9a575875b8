//! What is in the bucket, in as few listings as will do.
//!
//! Keys are spread over 256 prefixes (R29), and a listing costs as much as a PUT. A family of keys
//! that fits into memory is therefore listed as a whole, once per cycle: five requests instead of
//! two thousand. A larger one is listed prefix by prefix, where pages are full anyway.
//!
//! A listing that is older than the manifests it is judged by finds less garbage, never more (R30).

use std::collections::HashMap;

use segment::store::Listed;
use segment::{Store, StoreError};

use crate::limits::LISTED_WHOLE_MAX;

/// The listings of one cycle.
pub(super) struct Listings {
    store: Store,
    /// More objects of one family are not kept.
    whole_max: usize,
    /// By family, sorted by key; `None` for one that is too large.
    whole: HashMap<String, Option<Vec<Listed>>>,
}

impl Listings {
    pub(super) fn new(store: Store) -> Self {
        Self { store, whole_max: LISTED_WHOLE_MAX, whole: HashMap::new() }
    }

    /// Whatever was listed is out of date, or of no more use.
    pub(super) fn forget(&mut self) {
        self.whole.clear();
    }

    /// The objects below a folder, by key: as of now, or as of when this cycle first asked for any of
    /// the same family.
    pub(super) async fn below(&mut self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let family = folder.split('/').next().unwrap_or(folder);
        if !self.whole.contains_key(family) {
            let listed = self.store.list_at_most(family, self.whole_max).await?;
            self.whole.insert(family.to_owned(), listed);
        }
        let Some(listed) = &self.whole[family] else { return self.store.list(folder).await };
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let first = listed.partition_point(|listed| listed.key.as_str() < folder.as_str());
        let inside = listed[first..].iter();
        Ok(inside.take_while(|it| it.key.as_str().starts_with(&folder)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use segment::Key;

    use super::*;

    async fn keys(listings: &mut Listings, folder: &str) -> Vec<String> {
        let listed = listings.below(folder).await.expect("memory answers");
        listed.into_iter().map(|listed| listed.key.to_string()).collect()
    }

    #[tokio::test]
    async fn a_cycle_lists_a_family_once_and_finds_what_is_in_a_folder() {
        let store = Store::memory("test");
        let put = |key: &'static str| {
            let store = store.clone();
            async move {
                let key = Key::from_text(key);
                store.put_unconditional(&key, vec![Bytes::from_static(b"x")]).await.unwrap();
            }
        };
        for key in ["d/00/a/0/1", "d/00/packs/1", "d/0", "d/01/a/0/1", "dd/00/1"] {
            put(key).await;
        }
        let mut listings = Listings::new(store.clone());
        assert_eq!(keys(&mut listings, "d/00").await, ["d/00/a/0/1", "d/00/packs/1"]);
        put("d/00/packs/2").await;
        assert_eq!(keys(&mut listings, "d/00/packs").await, ["d/00/packs/1"], "as of before");
        assert!(keys(&mut listings, "d/02").await.is_empty());
        listings.forget();
        assert_eq!(keys(&mut listings, "d/00/packs").await, ["d/00/packs/1", "d/00/packs/2"]);

        let mut folder_by_folder = Listings { whole_max: 4, ..Listings::new(store.clone()) };
        assert_eq!(keys(&mut folder_by_folder, "d/01").await, ["d/01/a/0/1"]);
        put("d/01/b/0/1").await;
        assert_eq!(keys(&mut folder_by_folder, "d/01").await, ["d/01/a/0/1", "d/01/b/0/1"]);
    }
}
