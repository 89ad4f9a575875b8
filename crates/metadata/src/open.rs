//! A store by its URL.

use std::{path::Path, sync::Arc};

use crate::{
    EtcdStore, EtcdTls, MemoryStore, MetadataError, MetadataStore, RedbStore, etcd::EtcdUrlError,
    redb_store::RedbError,
};

/// Why a metadata store cannot be opened. Each text names what to change.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A scheme that is none of ours.
    #[error("metadata URL must begin with `etcd://`, `redb://` or `memory:`")]
    Scheme,
    /// Certificates for what is no connection.
    #[error("TLS is for `etcd://` only")]
    TlsWithoutNetwork,
    /// The etcd URL is malformed.
    #[error(transparent)]
    EtcdUrl(#[from] EtcdUrlError),
    /// etcd does not answer, or refuses us.
    #[error("no etcd endpoint can be used: {0}")]
    Etcd(MetadataError),
    /// The file cannot be used.
    #[error("{path}: {source}")]
    Redb {
        /// The file.
        path: String,
        /// Why not.
        source: RedbError,
    },
}

/// Opens `etcd://host:port,host:port[/prefix]`, `redb:///path/to/file` or `memory:`, and makes
/// sure that it answers.
pub async fn open(url: &str) -> Result<Arc<dyn MetadataStore>, OpenError> {
    open_over(url, None).await
}

/// [`open`], with etcd spoken to over TLS if `tls` says how.
pub async fn open_over(
    url: &str,
    tls: Option<EtcdTls>,
) -> Result<Arc<dyn MetadataStore>, OpenError> {
    if tls.is_some() && !url.starts_with("etcd://") {
        return Err(OpenError::TlsWithoutNetwork);
    }
    if url == "memory:" {
        return Ok(Arc::new(MemoryStore::new()));
    }
    if let Some(path) = url.strip_prefix("redb://") {
        let opened = RedbStore::open(Path::new(path));
        let store = opened.map_err(|source| OpenError::Redb { path: path.to_owned(), source })?;
        return Ok(Arc::new(store));
    }
    if !url.starts_with("etcd://") {
        return Err(OpenError::Scheme);
    }
    let store = EtcdStore::over(url, tls)?;
    store.check().await.map_err(OpenError::Etcd)?;
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(url: &str) -> String {
        match open(url).await {
            Ok(_) => panic!("{url} opened"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn urls_choose_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.redb");
        assert!(open("memory:").await.is_ok());
        assert!(open(&format!("redb://{}", path.display())).await.is_ok());
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_cannot_be_opened_says_why() {
        assert!(refused("zookeeper://a:1").await.contains("metadata URL must begin with"));
        assert!(refused("etcd://a").await.contains("`a` is not `host:port`"));
        // Bound and dropped: nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = refused(&format!("etcd://{free}")).await;
        assert!(text.contains("no etcd endpoint can be used"), "{text}");
        let tls = Some(EtcdTls::default());
        assert!(matches!(open_over("memory:", tls).await, Err(OpenError::TlsWithoutNetwork)));
        let tls = EtcdTls { ca: Some("/nowhere/ca.pem".into()), client: None };
        let error = open_over(&format!("etcd://{free}"), Some(tls)).await.err().unwrap();
        assert!(error.to_string().contains("cannot read `/nowhere/ca.pem`"), "{error}");
        let text = refused("redb:///proc/no/such/place.redb").await;
        assert!(text.contains("/proc/no/such/place.redb"), "{text}");
    }
}
