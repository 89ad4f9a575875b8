//! Bad bytes cost one connection, never the process, and other clients do not notice.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use thermocline_tests::clients::Client;
use thermocline_tests::dev::Dev;

/// A Kafka frame around `body`.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).expect("small").to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Request header version 1: key, version, correlation id, client id "x".
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(7_i32.to_be_bytes());
    bytes.extend(1_i16.to_be_bytes());
    bytes.push(b'x');
    bytes.extend(body);
    framed(&bytes)
}

fn pseudo_random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[5]
        })
        .collect()
}

/// Attacks by name; each is written to a connection of its own.
fn attacks() -> Vec<(String, Vec<u8>)> {
    let mut list = vec![
        ("a frame of 2 GiB".to_owned(), 0x7fff_ffff_u32.to_be_bytes().to_vec()),
        ("a negative length".to_owned(), 0xffff_fff0_u32.to_be_bytes().to_vec()),
        ("an empty frame".to_owned(), framed(&[])),
        ("a header cut short".to_owned(), framed(&[0, 3, 0])),
        ("an unknown API".to_owned(), request(9_999, 0, &[])),
        ("a Metadata count of 2^31-1".to_owned(), request(3, 1, &[0x7f, 0xff, 0xff, 0xff])),
        (
            "a Produce count of 2^31-1".to_owned(),
            request(0, 7, &[0xff, 0xff, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]),
        ),
        ("a truncated frame".to_owned(), request(3, 1, &[0, 0, 0, 1])[..9].to_vec()),
        ("HTTP".to_owned(), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
    ];
    // Flexible Metadata v12 with a compact count of 2^32-1: five bytes that abort a naive decoder.
    let mut flexible = vec![0, 3, 0, 12, 0, 0, 0, 7, 0, 1, b'x', 0];
    flexible.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    list.push(("a compact count of 2^32-1".to_owned(), framed(&flexible)));
    for seed in 0..200 {
        let len = 1 + (seed as usize * 37) % 600;
        list.push((format!("random frame {seed}"), framed(&pseudo_random(seed, len))));
        let key = i16::try_from(seed % 62).expect("small");
        let version = i16::try_from(seed % 13).expect("small");
        list.push((
            format!("random body {seed}"),
            request(key, version, &pseudo_random(seed, len)),
        ));
    }
    list
}

#[test]
fn hostile_bytes_cost_one_connection_and_nothing_else() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    Client::Python.create_topic(&bootstrap, "honest", 1).expect("topic is created");
    let pid = node.process.id();
    for (name, bytes) in attacks() {
        let mut stream =
            TcpStream::connect(node.kafka).unwrap_or_else(|e| panic!("after {name}: {e}"));
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout is set");
        let _closed_early = stream.write_all(&bytes);
        let _answer = stream.read(&mut [0; 4096]);
    }
    let file = dir.path().join("honest.txt");
    std::fs::write(&file, "still\nhere\n").expect("file is written");
    Client::Kcat.produce(&bootstrap, "honest", 0, "none", &file).expect("others are not disturbed");
    assert_eq!(Client::Python.digest(&bootstrap, "honest", 0).expect("read").count, 2);
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "the process lives");
    assert!(!node.process.log().contains("panicked"), "{}", node.process.log());
}

#[test]
fn a_wrong_checksum_is_refused_and_stored_nowhere() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let node = Dev::start(dir.path(), &[]).expect("dev starts");
    let bootstrap = node.bootstrap();
    Client::Python.create_topic(&bootstrap, "checked", 1).expect("topic is created");
    let mut stream = TcpStream::connect(node.kafka).expect("connects");
    stream.write_all(&produce_with_bad_crc("checked")).expect("request is sent");
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("an answer comes");
    let mut answer = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut answer).expect("the whole answer");
    let error_at = 4 + 4 + 2 + "checked".len() + 4 + 4;
    let error = i16::from_be_bytes([answer[error_at], answer[error_at + 1]]);
    assert_eq!(error, 2, "CORRUPT_MESSAGE");
    assert_eq!(Client::Python.digest(&bootstrap, "checked", 0).expect("read").count, 0);
}

/// Produce v7 with a batch of one record whose CRC is wrong.
fn produce_with_bad_crc(topic: &str) -> Vec<u8> {
    let record = [14, 0, 0, 0, 1, 2, b'x', 0]; // length 7 (zigzag), no key, value "x", no headers
    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes());
    batch.extend((49 + i32::try_from(record.len()).expect("small")).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend(0xdead_beef_u32.to_be_bytes());
    batch.extend([0; 2 + 4]); // attributes, last offset delta
    batch.extend(1_760_000_000_000_i64.to_be_bytes());
    batch.extend(1_760_000_000_000_i64.to_be_bytes());
    batch.extend((-1_i64).to_be_bytes());
    batch.extend((-1_i16).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.extend(1_i32.to_be_bytes());
    batch.extend(record);
    let mut body = vec![0xff, 0xff, 0xff, 0xff]; // no transactional id, acks -1
    body.extend(10_000_i32.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(u16::try_from(topic.len()).expect("small").to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(0_i32.to_be_bytes());
    body.extend(u32::try_from(batch.len()).expect("small").to_be_bytes());
    body.extend(batch);
    request(0, 7, &body)
}

#[test]
fn five_thousand_idle_sockets_do_not_keep_a_client_out() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let node = Dev::start(dir.path(), &[]).expect("dev starts");
    let idle: Vec<TcpStream> = (0..5_000)
        .map(|n| TcpStream::connect(node.kafka).unwrap_or_else(|e| panic!("socket {n}: {e}")))
        .collect();
    let bootstrap = node.bootstrap();
    Client::Python.create_topic(&bootstrap, "crowded", 1).expect("topic is created");
    let file = dir.path().join("crowded.txt");
    std::fs::write(&file, "through\n").expect("file is written");
    Client::Kcat.produce(&bootstrap, "crowded", 0, "none", &file).expect("a client gets through");
    assert_eq!(Client::Python.digest(&bootstrap, "crowded", 0).expect("read").count, 1);
    drop(idle);
}
