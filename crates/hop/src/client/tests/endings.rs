//! How connections end, and what callers may conclude from it (R44).

use protocol::{StrBytes, messages::HeartbeatRequest};
use tokio::net::TcpListener;

use super::{Caller, answer, stage};
use crate::{
    ClusterSecret, HopError,
    frame::{Head, Kind},
};

#[tokio::test]
async fn what_was_sent_is_lost_and_what_was_not_is_undelivered() {
    let (caller, stage) = stage().await;
    let sent = caller.heartbeat(1, 10);
    let mut connection = stage.connection().await;
    let _ = connection.heartbeat().await;

    // Large enough to fill the socket: the writer is stuck in it from here on, so what
    // follows stays in the queue.
    let large = StrBytes::from_string("x".repeat(32_000));
    let stuck: Vec<_> = (0..2_000)
        .map(|_| caller.send(1, HeartbeatRequest::default().with_member_id(large.clone())))
        .collect();
    // The first part of it arrives, so the writer has begun.
    assert!(connection.frame().await.is_some());
    let unsent = caller.heartbeat(1, 20);
    drop(connection);

    assert_eq!(sent.await, Err(HopError::Lost));
    assert_eq!(unsent.await, Err(HopError::Unreachable));
    let mut outcomes = Vec::new();
    for call in stuck {
        outcomes.push(call.await.unwrap_err());
    }
    assert_eq!(outcomes.first(), Some(&HopError::Lost));
    assert_eq!(outcomes.last(), Some(&HopError::Unreachable));
    assert!(
        outcomes.is_sorted_by_key(|outcome| outcome.is_definite()),
        "nothing is delivered after something that was not"
    );
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let caller = Caller::of(address, ClusterSecret::new(b"shared"));
    assert_eq!(caller.heartbeat(1, 10).await, Err(HopError::Unreachable));
    // Within the pause after it, without another try, too.
    assert_eq!(caller.heartbeat(1, 20).await, Err(HopError::Unreachable));
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake_delivered_nothing() {
    let (caller, stage) = stage().await;
    let unsent = caller.heartbeat(1, 10);
    drop(stage.listener.accept().await.unwrap());
    assert_eq!(unsent.await, Err(HopError::Unreachable));
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found() {
    let (caller, stage) = stage().await;
    let unsent = caller.heartbeat(1, 10);
    drop(stage.listener.accept().await.unwrap());
    assert_eq!(unsent.await, Err(HopError::Unreachable));

    let served = tokio::join!(
        async {
            let mut connection = stage.connection().await;
            let (head, generation) = connection.heartbeat().await;
            connection.answer(head, 3).await;
            generation
        },
        async {
            // Refused at once while the pause lasts.
            loop {
                match caller.heartbeat(1, 20).await {
                    Err(HopError::Unreachable) => tokio::task::yield_now().await,
                    answered => break answered,
                }
            }
        }
    );
    assert_eq!(served, (20, Ok(answer(3))));
}

#[tokio::test]
async fn a_peer_that_goes_away_says_what_it_took() {
    let (caller, stage) = stage().await;
    let (taken, untaken) = (caller.heartbeat(1, 10), caller.heartbeat(1, 20));
    let mut connection = stage.connection().await;
    let (first, _) = connection.heartbeat().await;
    let _ = connection.heartbeat().await;
    connection.send(Head::bare(Kind::GoAway, first.correlation), b"").await;
    assert_eq!(untaken.await, Err(HopError::Unreachable));

    // New calls go to a new connection while the old one still answers.
    let again = caller.heartbeat(1, 30);
    let mut successor = stage.connection().await;
    let (head, generation) = successor.heartbeat().await;
    assert_eq!(generation, 30);
    successor.answer(head, 3).await;
    assert_eq!(again.await, Ok(answer(3)));

    connection.answer(first, 1).await;
    connection.close().await;
    assert_eq!(taken.await, Ok(answer(1)));
}

#[tokio::test]
async fn a_request_that_failed_inside_costs_only_itself() {
    let (caller, stage) = stage().await;
    let calls = [caller.heartbeat(1, 10), caller.heartbeat(1, 20), caller.heartbeat(1, 30)];
    let mut connection = stage.connection().await;
    for kind in [Kind::Failed, Kind::Refused] {
        let (head, _) = connection.heartbeat().await;
        connection.send(head.answered(kind), b"").await;
    }
    let (head, _) = connection.heartbeat().await;
    connection.answer(head, 3).await;

    let [failed, refused, answered] = calls;
    assert_eq!(failed.await, Err(HopError::Lost), "taken, so its outcome is unknown");
    let refused = refused.await;
    assert!(matches!(refused, Err(HopError::Protocol(_))), "{refused:?}");
    assert_eq!(answered.await, Ok(answer(3)));
}

#[tokio::test]
async fn a_peer_that_is_given_up_loses_what_it_took_and_may_be_called_again() {
    let (caller, stage) = stage().await;
    let sent = caller.heartbeat(1, 10);
    let mut stuck = stage.connection().await;
    let _ = stuck.heartbeat().await;
    caller.peer.disconnect();
    let again = caller.heartbeat(1, 20);
    assert_eq!(sent.await, Err(HopError::Lost), "it may have done it");

    let mut successor = stage.connection().await;
    let (head, generation) = successor.heartbeat().await;
    assert_eq!(generation, 20);
    // The end of the old connection takes nothing from the new one.
    assert!(stuck.frame().await.is_none());
    let third = caller.heartbeat(1, 30);
    let (next, generation) = successor.heartbeat().await;
    assert_eq!(generation, 30);
    successor.answer(head, 3).await;
    successor.answer(next, 4).await;
    assert_eq!((again.await, third.await), (Ok(answer(3)), Ok(answer(4))));
}

#[tokio::test]
async fn a_peer_that_is_known_to_be_back_is_not_paused_for() {
    let (caller, stage) = stage().await;
    let unsent = caller.heartbeat(1, 10);
    drop(stage.listener.accept().await.unwrap());
    assert_eq!(unsent.await, Err(HopError::Unreachable));

    caller.peer.end_pause();
    let sent = caller.heartbeat(1, 20);
    let mut connection = stage.connection().await;
    let (head, _) = connection.heartbeat().await;
    connection.answer(head, 3).await;
    assert_eq!(sent.await, Ok(answer(3)));
}
