//! Goal: no bytes of a client panic, abort or bloat the process.
//! Method: seeded random frames, and well-formed ones with random damage, through everything that
//! reads client bytes. Bounded, so that it runs with the other tests; for longer runs:
//! `FUZZ_ITERATIONS=10000000 FUZZ_SEED=1 cargo test -p protocol --test fuzz_smoke`.

use bytes::{BufMut, Bytes, BytesMut};
use protocol::batch::{self, BatchView, records::RecordSet};
use protocol::request::{self, ClientRequest};
use protocol::rope::RopeMut;
use protocol::versions::{APIS, Api};
use protocol::{fetch::FetchResponse, frame, header, limits};

#[path = "common/populated.rs"]
mod populated;

use populated::populated;

/// Splits into a sequence that the seed alone decides (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    /// Bytes as decoders fear them: small numbers, extremes, and some noise.
    fn byte(&mut self) -> u8 {
        const LIKELY: [u8; 12] = [0, 0, 0, 0, 1, 1, 2, 5, 0x7f, 0x80, 0xff, 0xff];
        match self.one_in(3) {
            true => self.next() as u8,
            false => LIKELY[self.below(LIKELY.len())],
        }
    }

    fn bytes(&mut self, below: usize) -> Vec<u8> {
        (0..self.below(below)).map(|_| self.byte()).collect()
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len().max(1));
            match self.below(3) {
                0 if at < bytes.len() => bytes[at] = self.byte(),
                1 => bytes.truncate(at),
                _ => bytes.insert(at, self.byte()),
            }
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn iterations() -> u64 {
    setting("FUZZ_ITERATIONS", 200_000)
}

fn random() -> Random {
    Random(setting("FUZZ_SEED", 0x7468_6572_6d6f))
}

#[test]
fn requests() {
    let mut random = random();
    let before = reserved_bytes();
    let mut decoded = 0;
    for _ in 0..iterations() {
        decoded += u64::from(is_read(&mut random));
    }
    // Not a measure of quality, but a fuzzer whose every frame is refused at once tests nothing.
    assert!(decoded > iterations() / 20, "only {decoded} of {} were decoded", iterations());
    let grown = reserved_bytes().saturating_sub(before);
    assert!(grown < 2 << 30, "the process reserved {grown} bytes for frames of 300");
}

/// A frame as a connection treats it. True if it became a request.
fn is_read(random: &mut Random) -> bool {
    let Api { key, served_min, max, .. } = APIS[random.below(APIS.len())];
    let version = served_min + random.below((max - served_min + 2) as usize) as i16;
    let mut body = BytesMut::new();
    body.put_i16(key as i16);
    body.put_i16(version);
    body.put_i32(1);
    if random.one_in(8) {
        body.put_slice(&random.bytes(8));
    } else {
        body.put_i16(-1);
        // Flexible headers end in a count of tags.
        body.put_slice(&[0][..usize::from(key.request_header_version(version) >= 2)]);
    }
    if version > max || random.one_in(4) {
        body.put_slice(&random.bytes(300));
    } else {
        body.put_slice(&encoded(&populated(key, version), version));
    }
    let mut bytes = (body.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    random.damage(&mut bytes);
    let Ok(Some(end)) = frame::check(&bytes, limits::FRAME_BYTES_MAX) else { return false };
    let mut rest = Bytes::from(bytes).slice(frame::PREFIX_BYTES..end);
    let Ok(header) = header::parse(&mut rest) else { return false };
    request::decode(&header, rest).is_ok()
}

fn encoded(request: &ClientRequest, version: i16) -> Bytes {
    let mut rope = RopeMut::new();
    request.encode_body(version, &mut rope).expect("a populated request");
    rope.finish().into_bytes()
}

#[test]
fn batches() {
    const REAL: [&[u8]; 5] = [
        include_bytes!("../testdata/batches/java-none.bin"),
        include_bytes!("../testdata/batches/java-gzip.bin"),
        include_bytes!("../testdata/batches/java-snappy.bin"),
        include_bytes!("../testdata/batches/java-lz4.bin"),
        include_bytes!("../testdata/batches/java-zstd.bin"),
    ];
    let mut random = random();
    for _ in 0..iterations() / 4 {
        let mut bytes = match random.one_in(8) {
            true => random.bytes(200),
            false => REAL[random.below(REAL.len())].to_vec(),
        };
        random.damage(&mut bytes);
        let _ = batch::validate_produced(&bytes, random.one_in(2));
        // Behind the CRC's back, as a client that computes it over its own nonsense.
        let Ok((view, _)) = BatchView::split(&bytes) else { continue };
        let Ok(records) = RecordSet::open(&view, 1 << 20) else { continue };
        for record in records.iter().flatten() {
            assert!(record.headers().count() <= bytes.len().max(1 << 20));
        }
    }
}

#[test]
fn fetch_responses() {
    let mut random = random();
    for _ in 0..iterations() / 4 {
        let version = 4 + random.below(15) as i16;
        let _ = FetchResponse::decode(version, random.bytes(300).into());
    }
}

/// Address space the process ever reserved: a giant allocation shows here even if never touched.
fn reserved_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
