//! Every bound on what a peer may send, with its source.
//!
//! A limit is checked before the memory it guards is allocated. Operators set the ones that Kafka
//! lets them set; the rest are constants.

/// Largest frame after authentication: Kafka's `socket.request.max.bytes` default.
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Largest frame of a connection that has not begun to say who it is: ApiVersions and SaslHandshake are
/// some hundred bytes.
pub const FRAME_BYTES_MAX_BEFORE_AUTHENTICATION: usize = 16 * 1024;

/// Largest frame with a SASL token in it. Passwords are short; OAuth tokens reach some KiB.
pub const FRAME_BYTES_MAX_OF_TOKEN: usize = 64 * 1024;

/// Smallest frame: API key, version and correlation id.
pub const FRAME_BYTES_MIN: usize = 8;

/// Array elements and tagged fields in one request. Decoded, an element of one byte takes up to
/// 232 bytes, so this bounds what a request may allocate to some 23 MiB besides its frame. Ten
/// times the partitions a request may name.
pub const REQUEST_ELEMENTS_MAX: usize = 100_000;

/// Partitions in one Produce, Fetch, ListOffsets or offset request: our own bound on the work one
/// request can start. The Java client fetches at most the partitions assigned to it.
pub const REQUEST_PARTITIONS_MAX: usize = 10_000;

/// Largest record batch a topic may allow: the largest object that a node writes, less what stands
/// in it besides the batch. `max.message.bytes` is refused above it.
pub const BATCH_BYTES_MAX: usize = (32 * 1024 - 64) * 1024;

/// Default of a topic's `max.message.bytes`: Kafka's 1 MiB plus the batch overhead.
pub const BATCH_BYTES_MAX_DEFAULT: usize = 1024 * 1024 + 12;

/// What a compressed batch may inflate to when we look inside it: a hundred times the default
/// batch. Nobody needs to look inside for a batch to be stored and fetched, so a larger one is not
/// refused; only a search by timestamp stops at it.
pub const BATCH_INFLATED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What a batch of a compacted topic may inflate to. Compaction has to open it, in bounded memory, so
/// a larger one is refused when it is produced. A client that sends its records in smaller batches
/// then gets them in.
pub const COMPACTED_BATCH_INFLATED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a batch may inflate to that its topic packs anew (`compression.type`). As for compaction: it has
/// to be opened, in bounded memory.
pub const RECOMPRESSED_BATCH_INFLATED_BYTES_MAX: usize = COMPACTED_BATCH_INFLATED_BYTES_MAX;

/// Kafka's default of `compression.zstd.level`, which is zstd's own.
pub const ZSTD_LEVEL_DEFAULT: i32 = 3;

/// The highest level of zstd that is used; higher ones count as this one. Those above take hundreds of
/// megabytes for a batch, on a machine that serves others.
pub const ZSTD_LEVEL_MAX: i32 = 19;

/// Topic name length: Kafka's `Topic.MAX_NAME_LENGTH`.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

const _: () = assert!(FRAME_BYTES_MAX_BEFORE_AUTHENTICATION < FRAME_BYTES_MAX_OF_TOKEN);
const _: () = assert!(FRAME_BYTES_MAX_OF_TOKEN < FRAME_BYTES_MAX);
const _: () = assert!(REQUEST_PARTITIONS_MAX * 10 <= REQUEST_ELEMENTS_MAX);
const _: () = assert!(BATCH_BYTES_MAX_DEFAULT <= BATCH_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= i32::MAX as usize);
const _: () = assert!(BATCH_BYTES_MAX <= COMPACTED_BATCH_INFLATED_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX <= RECOMPRESSED_BATCH_INFLATED_BYTES_MAX);
const _: () = assert!(COMPACTED_BATCH_INFLATED_BYTES_MAX <= BATCH_INFLATED_BYTES_MAX);
