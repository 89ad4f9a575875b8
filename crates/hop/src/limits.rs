//! Every bound of the hop, and why it is what it is.

use std::time::Duration;

/// Connections from one process to one peer. Lanes are spread over them: several, so that
/// one reader or writer task is never the limit of a multi-core node.
pub const CONNECTIONS_PER_PEER: usize = 4;

/// The largest frame. A client's largest request, or a fetch of as much, with its header.
pub const FRAME_BYTES_MAX: usize = protocol::limits::FRAME_BYTES_MAX + 1024 * 1024;

/// Requests under way on one connection. Long polls of idle consumers are most of them, so
/// this is in the order of the consumers that one gateway carries.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 16 * 1024;

/// Bytes of requests waiting to be written on one connection; past it calls are refused.
/// As much as the peer may have taken and not answered, and room for the largest frame.
pub const REQUEST_BYTES_QUEUED_MAX: usize = 128 * 1024 * 1024;

/// Bytes of requests a server has taken from one connection and not answered. Past it the
/// server stops reading, and TCP tells the sender.
pub const REQUEST_BYTES_TAKEN_MAX: usize = 128 * 1024 * 1024;

/// Frames gathered into one vectored write. A produce is two pieces, and the kernel takes
/// 1024 pieces; tokio gives it 64 at a time.
pub const FRAMES_PER_WRITE_MAX: usize = 64;

/// Connections of members that a server holds at once.
pub const SERVER_CONNECTIONS_MAX: usize = 4096;

/// Connections that have not proved themselves yet, beside those: a proof takes milliseconds, so this
/// is a storm of thousands of members per second, and strangers who say nothing keep none of them out.
pub const SERVER_STRANGERS_MAX: usize = 1024;

/// Those of one address, on which a whole cluster may be. Whoever comes too early tries again after
/// [`BACKOFF_MIN`].
pub const SERVER_STRANGERS_PER_ADDRESS_MAX: usize = 256;

/// Connecting, handshake excluded. Within one data centre it takes a millisecond or fails.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The whole handshake, on either side; the one of TLS before it has as long again.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sessions of TLS that either end keeps, to be resumed without signatures: twice the connections
/// of a hundred gateways, about a kilobyte each. They are lost with the process and its files.
pub const TLS_SESSIONS_MAX: usize = 1024;

/// After a failed connect calls are refused at once for this long, doubling ...
pub const BACKOFF_MIN: Duration = Duration::from_millis(50);

/// ... up to this: a peer that comes back is found within it.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A client pings this often, so that both sides notice a peer that vanished silently.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);

/// A client that heard not one byte for this long gives the connection up.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);

/// A server gives a client this long for its next whole frame. Covers dead clients (they
/// do not ping) and frames that trickle in.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// Either side gives up a connection whose peer takes no byte for this long.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

const _: () = assert!(SERVER_STRANGERS_PER_ADDRESS_MAX < SERVER_STRANGERS_MAX);
const _: () = assert!(FRAME_BYTES_MAX > protocol::limits::FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= REQUEST_BYTES_TAKEN_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= REQUEST_BYTES_QUEUED_MAX);
const _: () = assert!(REQUEST_BYTES_QUEUED_MAX <= u32::MAX as usize, "semaphores count in u32");
const _: () = assert!(PING_INTERVAL.as_millis() * 2 < SILENCE_MAX.as_millis());
const _: () = assert!(SILENCE_MAX.as_millis() < FRAME_TIMEOUT.as_millis());
