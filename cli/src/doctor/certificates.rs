//! The certificates for other processes: whether they can be used, by this role, and for how long.

use hop::{ClusterTls, TlsRefusal};
use process::net::{Stream, joined};
use process::{Clock, Drain};
use tokio::io::{DuplexStream, duplex, split};

use super::Finding;
use crate::files::ClusterConfig;
use crate::startup::is_loopback;

const WHAT: &str = "cluster certificate";
/// Room for the handshake of one connection.
const PIPE_BYTES: usize = 64 * 1024;
/// Long enough to notice, and to get another.
pub(super) const SOON_DAYS: i64 = 14;
pub(super) const DAY_SECONDS: i64 = 24 * 60 * 60;

/// `listen` is where the role of this file listens for other processes, if it does.
pub(super) async fn examine(
    config: &ClusterConfig,
    role: &str,
    listen: Option<String>,
) -> Vec<Finding> {
    let Some(config) = &config.tls else {
        let open = listen.filter(|listen| !is_loopback(listen));
        return open.map(|listen| plain(&listen)).into_iter().collect();
    };
    let (clock, drain) = (Clock::system(), Drain::new());
    match ClusterTls::start(config.files(), clock.clone(), &drain).await {
        Ok(tls) => vec![judge(&tls, role, clock.now_ms() / 1000).await],
        Err(error) => {
            let fix = "correct [cluster.tls], or have certificates made anew";
            vec![Finding::bad(WHAT, error.to_string(), fix)]
        }
    }
}

fn plain(listen: &str) -> Finding {
    let fix = "set [cluster.tls], unless the network is trusted";
    Finding::poor(WHAT, format!("none, and {listen} is reached by other machines"), fix)
}

async fn judge(tls: &ClusterTls, role: &str, now_s: i64) -> Finding {
    let identity = tls.identity();
    if identity.role().name() != role {
        let fix = "give it the certificate of its own role: others would refuse this one";
        return Finding::bad(WHAT, format!("it is that of {identity}, and this is a {role}"), fix);
    }
    if let Err(refusal) = shake(tls).await {
        let fix = "have it issued by an issuer of `ca`, for server and client authentication";
        return Finding::bad(WHAT, format!("{identity} would not be let in: {refusal}"), fix);
    }
    let days = (tls.expires_s() - now_s) / DAY_SECONDS;
    let seen = format!("{identity}, ends in {days} days");
    if days < SOON_DAYS {
        Finding::poor(WHAT, seen, "replace the files; running processes take the new ones")
    } else {
        Finding::good(WHAT, seen)
    }
}

/// Speaks with itself, as others would with it.
async fn shake(tls: &ClusterTls) -> Result<(), TlsRefusal> {
    let (near, far) = duplex(PIPE_BYTES);
    let (connected, accepted) =
        tokio::join!(tls.connect(pipe(near), "itself:0"), tls.accept(pipe(far)));
    // The client knows first what is wrong with a server, and then closes.
    connected.and(accepted).map(drop)
}

fn pipe(end: DuplexStream) -> Stream {
    let (read, write) = split(end);
    joined(Box::new(read), Box::new(write))
}
