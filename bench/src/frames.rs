//! The few bytes of the Kafka protocol a load generator needs, built once before the clock starts:
//! Produce version 7 with one pre-encoded record batch, Fetch version 11 of one partition, and
//! CreateTopics version 2.

use crc32c::crc32c;

use crate::clock;

/// Where the variable fields of a produce frame lie, so that a frame is reused for every request.
#[derive(Debug, Clone)]
pub(crate) struct ProduceFrame {
    bytes: Vec<u8>,
    partition_at: usize,
    batch_len: usize,
}

/// Correlation id of a request frame: after the length, API key and version.
const CORRELATION_AT: usize = 8;

impl ProduceFrame {
    /// A frame with one batch of `records` records of `record_len` random bytes each.
    pub(crate) fn new(client: &str, topic: &str, records: u32, record_len: usize) -> Self {
        let batch = record_batch(records, record_len);
        let mut bytes = request_header_of(client, 0, 7);
        put_string(&mut bytes, None); // transactional id
        bytes.extend((-1_i16).to_be_bytes()); // acks=all
        bytes.extend(30_000_i32.to_be_bytes()); // timeout in ms
        bytes.extend(1_i32.to_be_bytes()); // topics
        put_string(&mut bytes, Some(topic));
        bytes.extend(1_i32.to_be_bytes()); // partitions
        let partition_at = bytes.len();
        bytes.extend(0_i32.to_be_bytes());
        bytes.extend(to_i32(batch.len()).to_be_bytes());
        bytes.extend(&batch);
        Self { bytes: framed(bytes), partition_at, batch_len: batch.len() }
    }

    /// The frame's bytes for one request.
    pub(crate) fn request(&mut self, correlation: i32, partition: i32) -> &[u8] {
        self.bytes[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
        self.bytes[self.partition_at..self.partition_at + 4]
            .copy_from_slice(&partition.to_be_bytes());
        &self.bytes
    }

    /// Bytes of the record batch, which is what throughput counts.
    pub(crate) fn batch_len(&self) -> usize {
        self.batch_len
    }
}

/// The error code in a Produce v7 answer (without its length prefix) for one partition.
pub(crate) fn produce_error(answer: &[u8]) -> Option<i16> {
    let name_len = usize::from(u16::from_be_bytes(answer.get(8..10)?.try_into().ok()?));
    let at = 4 + 4 + 2 + name_len + 4 + 4;
    Some(i16::from_be_bytes(answer.get(at..at + 2)?.try_into().ok()?))
}

/// CreateTopics version 2 for one topic with default replication, from which retention takes nothing:
/// the records of a load are all of one moment, long ago.
pub(crate) fn create_topic(topic: &str, partitions: i32) -> Vec<u8> {
    let mut bytes = request_header(19, 2);
    bytes.extend(1_i32.to_be_bytes());
    put_string(&mut bytes, Some(topic));
    bytes.extend(partitions.to_be_bytes());
    bytes.extend(1_i16.to_be_bytes()); // replication factor
    bytes.extend(0_i32.to_be_bytes()); // assignments
    bytes.extend(1_i32.to_be_bytes()); // configs
    put_string(&mut bytes, Some("retention.ms"));
    put_string(&mut bytes, Some("-1"));
    bytes.extend(30_000_i32.to_be_bytes());
    bytes.push(0); // validate only
    framed(bytes)
}

/// SaslHandshake version 1.
pub(crate) fn sasl_handshake(mechanism: &str) -> Vec<u8> {
    let mut bytes = request_header(17, 1);
    put_string(&mut bytes, Some(mechanism));
    framed(bytes)
}

/// SaslAuthenticate version 1.
pub(crate) fn authenticate(said: &[u8]) -> Vec<u8> {
    let mut bytes = request_header(36, 1);
    bytes.extend(to_i32(said.len()).to_be_bytes());
    bytes.extend(said);
    framed(bytes)
}

/// Error code and the server's message in a SaslAuthenticate v1 answer (without its length prefix).
pub(crate) fn authenticated(answer: &[u8]) -> Option<(i16, &[u8])> {
    let i16_at = |at: usize| Some(i16::from_be_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    let at = 8 + usize::try_from(i16_at(6)?.max(0)).ok()?;
    let length = i32::from_be_bytes(answer.get(at..at + 4)?.try_into().ok()?);
    let told = answer.get(at + 4..at + 4 + usize::try_from(length).ok()?)?;
    Some((i16_at(4)?, told))
}

/// Metadata version 1 of one topic.
pub(crate) fn metadata(topic: &str) -> Vec<u8> {
    let mut bytes = request_header(3, 1);
    bytes.extend(1_i32.to_be_bytes());
    put_string(&mut bytes, Some(topic));
    framed(bytes)
}

/// Fetch version 11 of one partition, without a session.
pub(crate) fn fetch(client: &str, topic: &str, partition: i32, offset: i64, bytes: i32) -> Vec<u8> {
    let mut request = request_header_of(client, 1, 11);
    request.extend((-1_i32).to_be_bytes()); // replica
    request.extend(5_000_i32.to_be_bytes()); // most to wait, in ms
    request.extend(1_i32.to_be_bytes()); // fewest bytes
    request.extend(bytes.to_be_bytes());
    request.push(0); // isolation level
    request.extend(0_i32.to_be_bytes()); // session
    request.extend((-1_i32).to_be_bytes()); // session epoch
    request.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut request, Some(topic));
    request.extend(1_i32.to_be_bytes()); // partitions
    request.extend(partition.to_be_bytes());
    request.extend((-1_i32).to_be_bytes()); // leader epoch
    request.extend(offset.to_be_bytes());
    request.extend((-1_i64).to_be_bytes()); // log start
    request.extend(bytes.to_be_bytes());
    request.extend(0_i32.to_be_bytes()); // forgotten topics
    put_string(&mut request, Some("")); // rack
    framed(request)
}

/// ListOffsets version 1: where one partition ends.
pub(crate) fn list_end(topic: &str, partition: i32) -> Vec<u8> {
    let mut request = request_header(2, 1);
    request.extend((-1_i32).to_be_bytes()); // replica
    request.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut request, Some(topic));
    request.extend(1_i32.to_be_bytes()); // partitions
    request.extend(partition.to_be_bytes());
    request.extend((-1_i64).to_be_bytes()); // the latest
    framed(request)
}

/// Error code and offset in a ListOffsets v1 answer (without its length prefix), which ends in them.
pub(crate) fn listed_end(answer: &[u8]) -> Option<(i16, i64)> {
    let (_, last) = answer.split_last_chunk::<18>()?;
    let error = i16::from_be_bytes(last[..2].try_into().ok()?);
    Some((error, i64::from_be_bytes(last[10..].try_into().ok()?)))
}

/// The one partition of a Fetch v11 answer.
#[derive(Debug)]
pub(crate) struct Fetched<'a> {
    pub(crate) error: i16,
    records: &'a [u8],
}

/// Reads a Fetch v11 answer (without its length prefix) for one partition.
pub(crate) fn fetched(answer: &[u8]) -> Option<Fetched<'_>> {
    let i16_at = |at: usize| Some(i16::from_be_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    let i32_at = |at: usize| Some(i32::from_be_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    // Correlation, throttle, error, session, topics; the name; partitions, index.
    let name_at = 4 + 4 + 2 + 4 + 4;
    let at = name_at + 2 + usize::try_from(i16_at(name_at)?).ok()? + 4 + 4;
    // The error, three offsets, aborted transactions, preferred replica.
    let aborted = usize::try_from(i32_at(at + 26)?.max(0)).ok()?;
    let records_at = at + 30 + aborted * 16 + 4;
    let length = usize::try_from(i32_at(records_at)?.max(0)).ok()?;
    let records = answer.get(records_at + 4..records_at + 4 + length)?;
    Some(Fetched { error: i16_at(at)?, records })
}

impl Fetched<'_> {
    /// First offset, last offset and length of each whole batch. Kafka cuts the last one off where
    /// the bytes that were asked for end.
    pub(crate) fn batches(&self) -> impl Iterator<Item = (i64, i64, usize)> {
        let mut rest = self.records;
        std::iter::from_fn(move || {
            let batch = batch_at(rest)?;
            rest = &rest[batch.2..];
            Some(batch)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

fn batch_at(bytes: &[u8]) -> Option<(i64, i64, usize)> {
    let base = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let length = i32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?);
    let length = 12 + usize::try_from(length).ok()?;
    let delta = i32::from_be_bytes(bytes.get(23..27)?.try_into().ok()?);
    (bytes.len() >= length).then_some((base, base + i64::from(delta), length))
}

fn request_header(api_key: i16, version: i16) -> Vec<u8> {
    request_header_of("bench", api_key, version)
}

fn request_header_of(client: &str, api_key: i16, version: i16) -> Vec<u8> {
    let mut bytes = vec![0; 4]; // length, filled by `framed`
    bytes.extend(api_key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(0_i32.to_be_bytes());
    put_string(&mut bytes, Some(client));
    bytes
}

fn framed(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = to_i32(bytes.len() - 4);
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

fn put_string(bytes: &mut Vec<u8>, text: Option<&str>) {
    let len = text.map_or(-1, |text| i16::try_from(text.len()).expect("short names only"));
    bytes.extend(len.to_be_bytes());
    bytes.extend(text.unwrap_or_default().as_bytes());
}

/// A record batch (magic 2) of incompressible values.
fn record_batch(records: u32, record_len: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for index in 0..records {
        let mut record = vec![0]; // attributes
        put_varint(&mut record, 0); // timestamp delta
        put_varint(&mut record, i64::from(index));
        put_varint(&mut record, -1); // no key
        put_varint(&mut record, i64::try_from(record_len).expect("small records"));
        for _ in 0..record_len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            record.push(state.to_le_bytes()[3]);
        }
        put_varint(&mut record, 0); // headers
        put_varint(&mut body, i64::try_from(record.len()).expect("small records"));
        body.extend(record);
    }
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes()); // attributes: no compression
    checked.extend((records - 1).to_be_bytes()); // last offset delta
    // Retention goes by it: records of the past would be deleted while they are measured.
    let now = clock::unix_ms();
    checked.extend(now.to_be_bytes());
    checked.extend(now.to_be_bytes());
    checked.extend((-1_i64).to_be_bytes()); // producer id
    checked.extend((-1_i16).to_be_bytes()); // producer epoch
    checked.extend((-1_i32).to_be_bytes()); // base sequence
    checked.extend(records.to_be_bytes());
    checked.extend(body);
    let mut batch = Vec::with_capacity(checked.len() + 21);
    batch.extend(0_i64.to_be_bytes()); // base offset
    batch.extend(to_i32(checked.len() + 9).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes()); // leader epoch
    batch.push(2);
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        bytes.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    bytes.push(zigzag as u8);
}

fn to_i32(len: usize) -> i32 {
    i32::try_from(len).expect("frames are far below 2 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_says_its_own_length_and_checksum() {
        let batch = record_batch(3, 100);
        let length = i32::from_be_bytes(batch[8..12].try_into().expect("four bytes"));
        assert_eq!(usize::try_from(length).expect("positive") + 12, batch.len());
        let crc = u32::from_be_bytes(batch[17..21].try_into().expect("four bytes"));
        assert_eq!(crc, crc32c(&batch[21..]));
    }

    #[test]
    fn a_frame_changes_only_its_variable_fields() {
        let mut frame = ProduceFrame::new("bench", "topic", 1, 10);
        let first = frame.request(1, 0).to_vec();
        let second = frame.request(2, 7).to_vec();
        let differing = first.iter().zip(&second).filter(|(a, b)| a != b).count();
        assert_eq!((first.len(), differing), (second.len(), 2));
    }

    #[test]
    fn an_end_is_read_from_the_last_fields_of_its_answer() {
        let mut answer = vec![0; 20];
        answer.extend(3_i16.to_be_bytes());
        answer.extend((-1_i64).to_be_bytes()); // timestamp
        answer.extend(77_i64.to_be_bytes());
        assert_eq!(listed_end(&answer), Some((3, 77)));
        assert_eq!(listed_end(&answer[..17]), None);
    }

    #[test]
    fn the_batches_of_a_fetch_answer_are_found() {
        let batch = record_batch(3, 100);
        let mut answer = vec![0; 18]; // correlation, throttle, error, session, topics
        put_string(&mut answer, Some("topic"));
        answer.extend([0; 8]); // partitions, index
        answer.extend(5_i16.to_be_bytes());
        answer.extend(77_i64.to_be_bytes());
        answer.extend([0; 16]); // last stable offset, log start
        answer.extend(1_i32.to_be_bytes()); // one aborted transaction
        answer.extend([0; 16 + 4]); // it, and the preferred replica
        answer.extend(to_i32(2 * batch.len() + 30).to_be_bytes());
        answer.extend([&batch[..], &batch, &batch[..30]].concat());
        let fetched = fetched(&answer).expect("whole");
        assert_eq!(fetched.error, 5);
        let found: Vec<_> = fetched.batches().collect();
        assert_eq!(found, [(0, 2, batch.len()); 2], "the third is cut off");
        assert!(super::fetched(&answer[..answer.len() - 1]).is_none());
    }
}
