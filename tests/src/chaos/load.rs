//! The clients of a run: producers, followers, and at the end a reader of everything.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::history::History;
use crate::clients::{Client, python};
use crate::process::Process;

/// Two producers: what one sees of the other is part of the test.
const PRODUCERS: u16 = 2;
/// And one that never has a backlog of its own: how long a partition was away is read from its
/// acknowledgements. What the others send after a fault waits behind all they sent before.
pub(super) const PROBE: u16 = PRODUCERS + 1;
/// Bytes per second and partition of the probe: about five records.
const PROBE_RATE: u64 = 20_000;
/// And of all partitions together: with hundreds of them, the probe would be a load of its own.
const PROBE_RATE_MAX: u64 = 1_000_000;
/// The program of all of them.
const HISTORY: &str = "history.py";
/// The name of the consumer that follows from the beginning.
const FOLLOWER: &str = "follower";
/// A producer may need this long to learn what became of its last records, a follower to reach the
/// end, a reader to read everything.
const FINISH: Duration = Duration::from_secs(600);

/// Running clients.
#[derive(Debug)]
pub struct Load {
    dir: PathBuf,
    bootstrap: String,
    topic: String,
    partitions: String,
    producers: Vec<(u16, Process)>,
    /// By name.
    followers: Vec<(String, Process)>,
}

impl Load {
    /// Starts producers and a follower; histories are written below `dir`.
    pub fn start(
        dir: &Path,
        bootstrap: &str,
        topic: &str,
        partitions: u32,
        rate: u64,
    ) -> Result<Self> {
        let probe_rate = PROBE_RATE_MAX.min(PROBE_RATE * u64::from(partitions));
        let partitions = partitions.to_string();
        let log = |name: &str| history_path(dir, name).display().to_string();
        let producers = (1..=PROBE).map(|worker| {
            let rate = if worker == PROBE { probe_rate } else { rate / u64::from(PRODUCERS) };
            let each = rate.to_string();
            let (name, id) = (format!("producer-{worker}"), worker.to_string());
            let log = log(&name);
            let args = ["produce", bootstrap, topic, &partitions, &id, &each, &log];
            Ok((worker, Process::spawn(&name, client(&args)?, dir)?))
        });
        let producers = producers.collect::<Result<_>>()?;
        let args = ["tail", bootstrap, topic, &partitions, &log(FOLLOWER)];
        let follower = Process::spawn(FOLLOWER, client(&args)?, dir)?;
        let followers = vec![(FOLLOWER.to_owned(), follower)];
        let (dir, bootstrap, topic) = (dir.to_owned(), bootstrap.to_owned(), topic.to_owned());
        Ok(Self { dir, bootstrap, topic, partitions, producers, followers })
    }

    /// Adds a consumer that follows from offset 0, no faster than so many bytes per second until
    /// [`Load::finish`]: one that replays while the load goes on.
    pub fn replay(&mut self, name: &str, client: Client, rate: u64) -> Result<()> {
        let (log, rate) = (history_path(&self.dir, name).display().to_string(), rate.to_string());
        let args = ["tail", &self.bootstrap, &self.topic, &self.partitions, &log, &rate];
        let command = match client {
            Client::Python => python(HISTORY, &args)?,
            Client::Java => {
                let mut command = client.command()?;
                command.args(args);
                command
            }
            Client::Kcat | Client::Go => anyhow::bail!("{client:?} writes no history"),
        };
        self.followers.push((name.to_owned(), Process::spawn(name, command, &self.dir)?));
        Ok(())
    }

    /// Stops the producers, lets the followers reach the end, reads everything, and collects what
    /// all of them wrote down.
    pub fn finish(mut self) -> Result<History> {
        let mut history = History::default();
        for (worker, producer) in &mut self.producers {
            producer.finish(FINISH).with_context(|| format!("producer {worker}"))?;
            history
                .add_producer(*worker, &history_path(&self.dir, &format!("producer-{worker}")))?;
        }
        for (name, follower) in &mut self.followers {
            // One that got stuck has no last line; the checker counts what it did not see.
            if let Err(error) = follower.finish(FINISH) {
                eprintln!("{name} did not finish: {error:#}");
            }
            let tail = history.reader(&history_path(&self.dir, name))?;
            history.tails.push(tail);
        }
        history.last = self.read_all(&mut history)?;
        Ok(history)
    }

    fn read_all(&self, history: &mut History) -> Result<super::history::Reader> {
        let log = history_path(&self.dir, "reader");
        let path = log.display().to_string();
        let args = ["read", &self.bootstrap, &self.topic, &self.partitions, &path];
        let mut reader = Process::spawn("reader", client(&args)?, &self.dir)?;
        let status = reader.wait_exit_within(FINISH).context("the last read")?;
        let read = history.reader(&log)?;
        anyhow::ensure!(
            status.success() && read.complete,
            "the last read broke off: {}",
            reader.log()
        );
        Ok(read)
    }
}

fn client(args: &[&str]) -> Result<Command> {
    python(HISTORY, args)
}

fn history_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.history"))
}
