//! Who gets in, who waits, and who has to leave; no sockets, no time.

use std::net::Ipv4Addr;

use futures::FutureExt;
use futures::future::{Abortable, BoxFuture, pending};

use super::*;

fn strangers(total: usize, per_address: usize) -> Arc<Strangers> {
    Strangers::new(&LimitsConfig {
        unauthenticated_connections: total,
        unauthenticated_connections_per_address: per_address,
        ..LimitsConfig::default()
    })
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

type Waiting = BoxFuture<'static, Option<Admission>>;

/// Comes to the door, and says how far it got at once.
fn come(strangers: &Arc<Strangers>, last: u8) -> Result<Option<Admission>, Waiting> {
    let strangers = Arc::clone(strangers);
    let mut admission = async move { strangers.admit(address(last)).await }.boxed();
    (&mut admission).now_or_never().ok_or(admission)
}

fn inside(strangers: &Arc<Strangers>, last: u8) -> Admission {
    come(strangers, last).ok().flatten().expect("there is a place")
}

fn waits(strangers: &Arc<Strangers>, last: u8) -> Waiting {
    come(strangers, last).err().expect("it has to wait")
}

fn later() -> Instant {
    Instant::now() + STRANGER_SILENCE * 2
}

/// Whether its connection was ended.
fn was_sent_away(admission: &mut Admission) -> bool {
    let (_, other) = AbortHandle::new_pair();
    let end = std::mem::replace(&mut admission.end, other);
    Abortable::new(pending::<()>(), end).now_or_never().is_some()
}

#[tokio::test]
async fn more_of_an_address_wait_and_the_last_to_come_is_the_next() {
    let strangers = strangers(100, 2);
    let (first, _second) = (inside(&strangers, 1), inside(&strangers, 1));
    let (third, fourth) = (waits(&strangers, 1), waits(&strangers, 1));
    let _other = inside(&strangers, 2);
    drop(first);
    let fourth = fourth.now_or_never().flatten().expect("the place is free");
    let mut third = third;
    assert!((&mut third).now_or_never().is_none());
    drop(fourth);
    assert!(third.now_or_never().flatten().is_some());
}

#[tokio::test]
async fn who_gave_up_waiting_is_passed_over() {
    let strangers = strangers(100, 1);
    let first = inside(&strangers, 1);
    let (second, third) = (waits(&strangers, 1), waits(&strangers, 1));
    drop(third);
    drop(first);
    assert!(second.now_or_never().flatten().is_some());
    assert_eq!(strangers.places.lock().taken, 0);
    assert!(strangers.places.lock().inside.is_empty(), "addresses are forgotten");
}

#[tokio::test]
async fn a_turn_that_comes_too_late_goes_to_the_next() {
    let strangers = strangers(100, 1);
    let first = inside(&strangers, 1);
    let (second, third) = (waits(&strangers, 1), waits(&strangers, 1));
    drop(first);
    // It was given the place, and was gone before it took it.
    drop(third);
    assert!(second.now_or_never().flatten().is_some());
    assert_eq!(strangers.places.lock().taken, 0);
}

#[tokio::test]
async fn who_keeps_us_waiting_leaves_when_somebody_waits() {
    let strangers = strangers(100, 1);
    let mut silent = inside(&strangers, 1);
    let mut elsewhere = inside(&strangers, 2);
    strangers.sweep(later());
    assert!(!silent.stranger.conduct.end.is_aborted(), "it is in nobody's way");
    let next = waits(&strangers, 1);
    strangers.sweep(Instant::now());
    assert!(!silent.stranger.conduct.end.is_aborted(), "it is not slow yet");
    strangers.sweep(later());
    assert!(was_sent_away(&mut silent));
    assert!(!was_sent_away(&mut elsewhere), "nobody waits for its place");
    drop(silent);
    assert!(next.now_or_never().flatten().is_some());
}

#[tokio::test]
async fn the_time_we_take_is_not_the_stranger_s() {
    let strangers = strangers(100, 1);
    let mut served = inside(&strangers, 1);
    let _next = waits(&strangers, 1);
    served.stranger.is_heard();
    strangers.sweep(later());
    assert!(!served.stranger.conduct.end.is_aborted());
    served.stranger.is_awaited();
    strangers.sweep(later());
    assert!(was_sent_away(&mut served));
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let strangers = strangers(4, 1);
    let _inside = inside(&strangers, 1);
    let line = [waits(&strangers, 1), waits(&strangers, 1), waits(&strangers, 1)];
    let _other = inside(&strangers, 2);
    let [oldest, older, mut last] = line;
    assert!(matches!(oldest.now_or_never(), Some(None)), "it made room");
    // Also for one of its own address, which may be the only honest one of it.
    let _own = waits(&strangers, 1);
    assert!(matches!(older.now_or_never(), Some(None)));
    assert!((&mut last).now_or_never().is_none());
    assert_eq!(strangers.places.lock().taken, 4);
}

#[tokio::test]
async fn all_silent_strangers_leave_when_every_place_is_taken() {
    let strangers = strangers(3, 2);
    let mut all = [inside(&strangers, 1), inside(&strangers, 2), inside(&strangers, 3)];
    assert!(matches!(come(&strangers, 4), Ok(None)));
    all[1].stranger.is_heard();
    strangers.sweep(later());
    let sent_away = all.each_mut().map(was_sent_away);
    assert_eq!(sent_away, [true, false, true]);
}

#[tokio::test]
async fn nobody_waits_once_the_drain_begins() {
    let (strangers, drain) = (strangers(100, 1), Drain::new());
    let _inside = inside(&strangers, 1);
    let waiting = waits(&strangers, 1);
    drain.begin();
    Arc::clone(&strangers).watch(drain).await;
    assert!(matches!(waiting.now_or_never(), Some(None)));
    assert!(matches!(come(&strangers, 2), Ok(None)));
    assert_eq!(strangers.places.lock().taken, 1);
}

#[test]
fn an_ipv6_network_is_one_address() {
    let of = |text: &str| network(text.parse().expect("an address"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
}

/// A step just in time, again and again, would be no way to stay a stranger.
#[tokio::test(start_paused = true)]
async fn a_stranger_s_steps_share_one_patience_and_ours_cost_none_of_it() {
    let (strangers, patience) = (strangers(100, 2), Duration::from_secs(10));
    let Admission { stranger, end: _end } = inside(&strangers, 1);
    sleep(Duration::from_secs(4)).await;
    stranger.is_heard();
    assert_eq!(stranger.left_of(patience), Duration::from_secs(6));
    sleep(Duration::from_secs(60)).await;
    stranger.is_awaited();
    assert_eq!(stranger.left_of(patience), Duration::from_secs(6), "that was us");
    sleep(Duration::from_secs(7)).await;
    stranger.is_heard();
    assert_eq!(stranger.left_of(patience), Duration::ZERO);
}
