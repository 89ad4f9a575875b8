//! Handshakes over a pipe, also with ends of other releases.

use tokio::io::{DuplexStream, duplex};

use super::*;

const OURS: Releases = Releases::OURS;

async fn shake(
    client: ClusterSecret,
    server: ClusterSecret,
) -> (Result<Release, HandshakeError>, Result<(Role, Release), HandshakeError>) {
    let (mut near, mut far) = duplex(1024);
    // Each end is dropped when its side is done, as a refused connection is.
    tokio::join!(
        async move { connect(&mut near, &client, Role::Gateway, OURS).await },
        async move { accept(&mut far, &server, None, OURS).await },
    )
}

#[tokio::test]
async fn two_members_accept_each_other() {
    let secret = ClusterSecret::new(b"shared");
    let (client, server) = shake(secret.clone(), secret).await;
    assert_eq!(client.unwrap(), Release::THIS);
    assert_eq!(server.unwrap(), (Role::Gateway, Release::THIS));
}

#[tokio::test]
async fn another_secret_is_refused_by_both_ends() {
    let (ours, theirs) = (ClusterSecret::new(b"ours"), ClusterSecret::new(b"theirs"));
    let (client, server) = shake(ours, theirs).await;
    assert!(matches!(server, Err(HandshakeError::Secret)), "{server:?}");
    assert!(matches!(client, Err(HandshakeError::Io(_))), "{client:?}");
}

#[tokio::test]
async fn a_role_that_the_certificate_does_not_give_is_refused() {
    let secret = ClusterSecret::new(b"shared");
    let (mut near, mut far) = duplex(1024);
    let gateway = Some(Role::Gateway);
    let (client, server) =
        tokio::join!(async { connect(&mut near, &secret, Role::Control, OURS).await }, async {
            let refused = accept(&mut far, &secret, gateway, OURS).await;
            drop(far);
            refused
        },);
    let told = server.unwrap_err().to_string();
    assert_eq!(told, "peer claims to be a control with the certificate of a gateway");
    assert!(matches!(client, Err(HandshakeError::Io(_))), "{client:?}");
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_left() {
    let (mut near, mut far) = duplex(1024);
    let imposter = async move {
        far.write_all(&[&MAGIC[..], &[1; NONCE_BYTES]].concat()).await.unwrap();
        let mut hello = [0; 1 + NONCE_BYTES + PROOF_BYTES];
        far.read_exact(&mut hello).await.unwrap();
        // The best it can do without the secret is to play the client's proof back.
        far.write_all(&hello[1 + NONCE_BYTES..]).await.unwrap();
    };
    let secret = ClusterSecret::new(b"shared");
    let (client, ()) = tokio::join!(connect(&mut near, &secret, Role::Gateway, OURS), imposter);
    assert!(matches!(client, Err(HandshakeError::Secret)), "{client:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_left_in_time() {
    let (mut near, _far): (DuplexStream, DuplexStream) = duplex(1024);
    let silent = accept(&mut near, &ClusterSecret::new(b"shared"), None, OURS).await;
    assert!(matches!(silent, Err(HandshakeError::TimedOut)), "{silent:?}");
}

#[tokio::test]
async fn another_protocol_is_left_at_once() {
    let (mut near, mut far) = duplex(1024);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let other = connect(&mut near, &ClusterSecret::new(b"shared"), Role::Control, OURS).await;
    assert!(matches!(other, Err(HandshakeError::Version)), "{other:?}");
}

/// What a process of release 1 makes up, in the recordings below: bytes that count up.
fn counted(from: u8) -> [u8; NONCE_BYTES] {
    std::array::from_fn(|at| from + at as u8)
}

/// What this release sends where release 1 would have sent `counted`.
fn marked(from: u8) -> [u8; NONCE_BYTES] {
    let mut nonce = counted(from);
    nonce[RANDOM_BYTES..].copy_from_slice(b"TCLNRELS\x00\x01\x00\x02");
    nonce
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// Release 1's half, with the secret `shared`; the proofs were computed apart from this program.
#[tokio::test]
async fn a_client_of_release_1_is_let_in_as_one() {
    let (mut near, mut far) = duplex(1024);
    let secret = ClusterSecret::new(b"shared");
    let hello = bytes("438f3248bd54f29de83d33da8a3da8fefe279a9e7da2899facc299fea2ba7931");
    near.write_all(&[&[Role::Gateway as u8], &counted(0x80)[..], &hello].concat()).await.unwrap();
    let accepted = accept_with(marked(0x40), &mut far, &secret, None, OURS).await;
    assert_eq!(accepted.unwrap(), (Role::Gateway, Release::FIRST));

    let mut sent = [0; MAGIC.len() + NONCE_BYTES + PROOF_BYTES];
    near.read_exact(&mut sent).await.unwrap();
    let answer = bytes("71f0de252cb86a5c150d9b900ab8e0e0865a4e7d70f5c84b5611cab0fde7751f");
    assert_eq!(sent[..], [b"TCLNHOP\x01", &marked(0x40)[..], &answer].concat());
}

#[tokio::test]
async fn a_server_of_release_1_is_spoken_with_as_one() {
    let (mut near, mut far) = duplex(1024);
    let secret = ClusterSecret::new(b"shared");
    let answer = bytes("a78a004c183d4b421fe05bf174274d61e45785a753be7dabdd21c95be44ecfe4");
    far.write_all(&[b"TCLNHOP\x01", &counted(0x40)[..], &answer].concat()).await.unwrap();
    let connected = connect_with(marked(0x80), &mut near, &secret, Role::Gateway, OURS).await;
    assert_eq!(connected.unwrap(), Release::FIRST);

    let mut sent = [0; 1 + NONCE_BYTES + PROOF_BYTES];
    far.read_exact(&mut sent).await.unwrap();
    let hello = bytes("6e1af034d99174b2cf80d372bb111a5e5d0fbb9f5afacd491e932e93f0583d4a");
    assert_eq!(sent[..], [&[Role::Gateway as u8], &marked(0x80)[..], &hello].concat());
}

#[test]
fn a_process_that_behaves_as_release_1_says_nothing() {
    assert_eq!(said(&nonce(Releases::UNSAID)), Releases::UNSAID);
    assert!(!nonce(Releases::UNSAID).windows(8).any(|bytes| bytes == RELEASES_MARK));
    assert_eq!(said(&nonce(OURS)), OURS);
    let next = Releases::new(Release::THIS, Release::new(3).unwrap()).unwrap();
    assert_eq!(said(&nonce(next)), next);
    // What cannot be a range is no word at all.
    for numbers in [[0, 0, 0, 2], [0, 2, 0, 1]] {
        let mut nonce = marked(0);
        nonce[28..].copy_from_slice(&numbers);
        assert_eq!(said(&nonce), Releases::UNSAID);
    }
}

#[tokio::test]
async fn releases_too_far_apart_are_named_at_both_ends() {
    let secret = ClusterSecret::new(b"shared");
    let release = |number| Release::new(number).unwrap();
    let later = Releases::new(release(3), release(4)).unwrap();
    let (mut near, mut far) = duplex(1024);
    let (client, server) = tokio::join!(
        connect(&mut near, &secret, Role::Gateway, OURS),
        accept(&mut far, &secret, None, later),
    );
    assert_eq!(
        client.unwrap_err().to_string(),
        "peer speaks release 3 to 4, this process release 1 to 2: processes of one cluster may be \
         one release apart; upgrade the older one first, or raise its cluster.release"
    );
    let told = server.unwrap_err();
    assert!(
        told.to_string().starts_with("peer speaks release 1 to 2, this process release 3 to 4")
    );
    assert!(told.is_foreign(), "somebody has to do something about it");
}

/// Nobody in between makes two members of this release speak as the one before.
#[tokio::test]
async fn releases_cannot_be_changed_on_the_way() {
    let secret = ClusterSecret::new(b"shared");
    let (mut near, mut near_relay) = duplex(1024);
    let (mut far_relay, mut far) = duplex(1024);
    let relay = async move {
        let mut hello = [0; MAGIC.len() + NONCE_BYTES];
        far_relay.read_exact(&mut hello).await.unwrap();
        *hello.last_mut().unwrap() = 1;
        near_relay.write_all(&hello).await.unwrap();
        let mut hello = [0; 1 + NONCE_BYTES + PROOF_BYTES];
        near_relay.read_exact(&mut hello).await.unwrap();
        far_relay.write_all(&hello).await.unwrap();
    };
    let client = async move { connect(&mut near, &secret, Role::Gateway, OURS).await };
    let secret = ClusterSecret::new(b"shared");
    let server = async move { accept(&mut far, &secret, None, OURS).await };
    let (client, server, ()) = tokio::join!(client, server, relay);
    assert!(matches!(server, Err(HandshakeError::Secret)), "{server:?}");
    assert!(matches!(client, Err(HandshakeError::Io(_))), "{client:?}");
}
