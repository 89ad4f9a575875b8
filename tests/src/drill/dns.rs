//! `dns`: the clients' name goes from one gateway set to another, by a real BIND.
//!
//! ```text
//! killed     every gateway of the active set dies: clients are at the other one soon, and stay
//!            clients of it when the first is back
//! back       an operator goes back: nobody is interrupted, and everybody has moved after a while
//! swallowed  every packet to and from the active set is lost, and nobody is told: the same, with
//!            nothing that refuses a connection; then it is reached again, and then back by hand
//! half cut   half of the vantage points lose the active set: nothing may happen
//! ```
//!
//! Java and librdkafka producers with default settings write all the time and are never started again:
//! two that are given the name that moves, and two that are given a gateway of each set by its own
//! address, which no cache of names can hold up. A third Java is given the name, and a cache of names
//! that is as short as DNS allows. What was acknowledged must be there in the end.

mod site;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use process::Clock;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::site::{Beat, Site, TTL};
use super::Outcome;

/// How long anything is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(180);
/// What is under way when a gateway dies may be acknowledged a moment later.
const AFTERMATH_MS: i64 = 200;
/// How long nothing may happen: more than it takes to switch, hold-down included, and to flap.
const STILL: Duration = Duration::from_secs(30);

/// Kills, brings back and half cuts off the active gateway set.
pub fn dns(dir: &Path) -> Result<Outcome> {
    let mut site = Site::start(dir)?;
    let mut beats = site.beats()?;
    for beat in &beats {
        wait("the first acknowledgement", || Ok(!acks(beat)?.is_empty()))?;
    }
    sleep(Duration::from_secs(5));
    let killed = lost(&mut site, &beats, Loss::Killed, 1)?;
    let back = go_back(&site, &beats, 2)?;
    let swallowed = lost(&mut site, &beats, Loss::Swallowed, 3)?;
    let back_again = go_back(&site, &beats, 4)?;
    let half_cut = half_cut(&site, &beats, 5)?;
    let mut wrong = Vec::new();
    let mut clients = serde_json::Map::new();
    for beat in &mut beats {
        beat.process.finish(PATIENCE).context("a producer ends")?;
        let found = site.verify(beat)?;
        let errors = lines(beat)?.iter().filter(|line| line.starts_with("error")).count();
        if found["lost"] != 0 || errors > 0 {
            wrong.push(format!("{}: {found}, {errors} errors", beat.name));
        }
        clients.insert(beat.name.to_owned(), json!({ "records": found, "errors": errors }));
    }
    let json = json!({
        "ttl_ms": u64::try_from(TTL.as_millis())?,
        "killed": killed,
        "back": back,
        "swallowed": swallowed,
        "back_again": back_again,
        "half_cut": half_cut,
        "clients": clients,
        "wrong": wrong,
    });
    Ok(Outcome { json, wrong })
}

/// How the primary set is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Its processes die: connections end, new ones are refused.
    Killed,
    /// Its packets are lost: connections stay, new ones are not answered.
    Swallowed,
}

/// The primary set, active in `generation`, is lost and comes back.
fn lost(site: &mut Site, beats: &[Beat], loss: Loss, generation: u64) -> Result<Value> {
    eprintln!("the primary gateways are lost: {loss:?}");
    let at_ms = Clock::system().now_ms();
    match loss {
        Loss::Killed => site.kill_primary(),
        Loss::Swallowed => site.swallow_primary()?,
    }
    wait("the switch", || Ok(is_active(&site.sets()?, "standby", generation + 1)))?;
    let switched_ms = Clock::system().now_ms() - at_ms;
    let mut first_acks = serde_json::Map::new();
    for beat in beats {
        let first = || {
            let acks = acks(beat)?;
            Ok::<_, anyhow::Error>(acks.into_iter().find(|ms| *ms > at_ms + AFTERMATH_MS))
        };
        wait("acknowledgements through the standby set", || Ok(first()?.is_some()))?;
        let first = first()?.context("there is one")? - at_ms;
        eprintln!(
            "{}: first acknowledgement {first} ms after the failure; DNS changed after {switched_ms} \
             ms, its TTL is {} ms",
            beat.name,
            TTL.as_millis()
        );
        first_acks.insert(beat.name.to_owned(), first.into());
    }
    eprintln!("the primary gateways come back: nobody goes back by himself");
    match loss {
        Loss::Killed => site.start_primary()?,
        Loss::Swallowed => site.give_primary_back()?,
    }
    wait("the primary set to serve again", || Ok(verdict(&site.sets()?, "primary") == "serves"))?;
    still(site, "standby", generation + 1)?;
    Ok(json!({ "switched_ms": switched_ms, "first_ack_ms": first_acks }))
}

/// An operator sends clients back from the standby set, active in `generation`; none is left behind.
fn go_back(site: &Site, beats: &[Beat], generation: u64) -> Result<Value> {
    let dry = site.admin(&["failback", "--dry-run", "--json"])?;
    ensure!(dry["next"]["set"] == "primary" && dry["dry_run"] == true, "{dry}");
    ensure!(is_active(&site.sets()?, "standby", generation), "a dry run changes nothing");
    eprintln!("an operator goes back");
    let at_ms = Clock::system().now_ms();
    site.admin(&["failback", "--json"])?;
    wait("the switch back", || Ok(is_active(&site.sets()?, "primary", generation + 1)))?;
    wait("clients to leave the standby set", || Ok(site.clients_of_standby()? == 0))?;
    let left_ms = Clock::system().now_ms() - at_ms;
    sleep(Duration::from_secs(5));
    let silences = silences(beats, at_ms)?;
    eprintln!("all clients had moved after {left_ms} ms; longest silences: {silences:#}");
    Ok(json!({ "left_ms": left_ms, "longest_silence_ms": silences }))
}

/// Half of the vantage points lose the active set.
fn half_cut(site: &Site, beats: &[Beat], generation: u64) -> Result<Value> {
    eprintln!("half of the vantage points are cut off from the primary set");
    let at_ms = Clock::system().now_ms();
    site.cut_half()?;
    let fails = |sets: &Value| {
        let votes = sets["sets"].as_array().into_iter().flatten();
        votes.filter(|set| set["set"] == "primary").all(|set| set["fails"] == 2)
    };
    wait("half of the votes", || Ok(fails(&site.sets()?)))?;
    still(site, "primary", generation)?;
    let sets = site.sets()?;
    ensure!(fails(&sets) && verdict(&sets, "primary") == "disputed", "{sets:#}");
    site.heal_half()?;
    wait("all to agree again", || Ok(verdict(&site.sets()?, "primary") == "serves"))?;
    ensure!(is_active(&site.sets()?, "primary", generation), "it flapped");
    Ok(json!({ "longest_silence_ms": silences(beats, at_ms)? }))
}

/// Nothing changes for long enough.
fn still(site: &Site, set: &str, generation: u64) -> Result<()> {
    let until = Instant::now() + STILL;
    while Instant::now() < until {
        let sets = site.sets()?;
        ensure!(is_active(&sets, set, generation), "it went elsewhere: {sets:#}");
        sleep(Duration::from_millis(500));
    }
    Ok(())
}

fn is_active(sets: &Value, set: &str, generation: u64) -> bool {
    let active = &sets["active"];
    active["set"] == set && active["generation"] == generation && active["applied"] == true
}

fn verdict(sets: &Value, name: &str) -> String {
    let mut sets = sets["sets"].as_array().into_iter().flatten();
    let set = sets.find(|set| set["set"] == name);
    set.and_then(|set| set["verdict"].as_str()).unwrap_or_default().to_owned()
}

fn wait(what: &str, mut reached: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !reached()? {
        ensure!(Instant::now() < until, "{what}: waited for {PATIENCE:?}");
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn lines(beat: &Beat) -> Result<Vec<String>> {
    let text = fs::read_to_string(&beat.log).unwrap_or_default();
    // The last line may be under way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole.lines().map(str::to_owned).collect())
}

/// When each record was acknowledged.
fn acks(beat: &Beat) -> Result<Vec<i64>> {
    let lines = lines(beat)?;
    let times = lines.iter().filter_map(|line| line.strip_prefix("ack ")?.split(' ').nth(1));
    times.map(|ms| Ok(ms.parse()?)).collect()
}

/// The longest time without an acknowledgement since then, of each client.
fn silences(beats: &[Beat], since_ms: i64) -> Result<Value> {
    let mut longest = serde_json::Map::new();
    for beat in beats {
        let mut times = acks(beat)?;
        times.retain(|ms| *ms >= since_ms);
        times.insert(0, since_ms);
        times.push(Clock::system().now_ms());
        times.sort_unstable();
        let silence = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        longest.insert(beat.name.to_owned(), silence.into());
    }
    Ok(longest.into())
}
