//! What `rolling` replaces processes by: the same program, or another release of it.

use std::path::PathBuf;
use std::thread::sleep;

use anyhow::{Context, Result, ensure};
use protocol::release::Release;
use tokio::time::Instant;

use crate::cluster::{Cluster, Program, Role};
use crate::drill::CALM;

/// From what to what.
#[derive(Debug, Clone)]
pub enum Upgrade {
    /// A restart: everything is what it was.
    Nothing,
    /// From this program as the release before, as which it behaves when it is told to.
    FromCap,
    /// From the release before, as it was built then; to this one, back, and here again.
    From(PathBuf),
}

impl Upgrade {
    /// What the cluster begins with.
    pub fn before(&self) -> Program {
        match self {
            Self::Nothing => Program::default(),
            Self::FromCap => {
                Program { release: Some(Release::PREVIOUS.number()), ..Program::default() }
            }
            Self::From(binary) => Program { binary: Some(binary.clone()), ..Program::default() },
        }
    }

    /// Replaces every process, once or there and back and there again; the names of what was
    /// restarted. An upgrade is finished at the end, and not before.
    pub(super) fn roll(&self, cluster: &mut Cluster) -> Result<Vec<String>> {
        let this = Program::default();
        let rounds = match self {
            Self::Nothing => return each(cluster, &this, |_| Ok(())),
            Self::FromCap => vec![this],
            Self::From(_) => vec![this.clone(), self.before(), this],
        };
        cannot_finish(cluster, "not spoken with a peer of release 1")?;
        let mut restarted = Vec::new();
        for (round, program) in rounds.iter().enumerate() {
            let forth = round % 2 == 0;
            restarted.extend(each(cluster, program, |cluster| match forth {
                // Control is new, and others are not.
                true => cannot_finish(cluster, "not all processes know release"),
                false => Ok(()),
            })?);
        }
        finish(cluster)?;
        // A leader that has read of it.
        restart(&mut cluster.control)?;
        restarted.push(cluster.control.name().to_owned());
        sleep(CALM);
        Ok(restarted)
    }

    /// What the release before does after the upgrade was finished; nothing if that is right.
    pub(super) fn returns_too_late(&self, cluster: &mut Cluster) -> Result<Option<String>> {
        if !matches!(self, Self::FromCap) {
            // A process of release 1 waits for a cluster that it can read, for a minute.
            return Ok(None);
        }
        let Some(gateway) = cluster.gateways.first_mut() else { return Ok(None) };
        gateway.stop()?;
        gateway.program = self.before();
        gateway.spawn()?;
        let (status, log) = gateway.last_words()?;
        let told = "the cluster's release is 2, and this process knows release 1";
        let right = !status.success() && log.contains(told);
        Ok((!right).then(|| format!("an older process was not refused: {status}, {log}")))
    }
}

/// Restarts each process as `program`, in the order of an upgrade; `then` is done after control.
fn each(
    cluster: &mut Cluster,
    program: &Program,
    then: impl Fn(&Cluster) -> Result<()>,
) -> Result<Vec<String>> {
    let mut restarted = Vec::new();
    cluster.control.program = program.clone();
    restart(&mut cluster.control)?;
    restarted.push(cluster.control.name().to_owned());
    then(cluster)?;
    sleep(CALM);
    let Cluster { compactors, readers, nodes, gateways, .. } = cluster;
    for role in compactors.iter_mut().chain(readers).chain(nodes).chain(gateways) {
        role.program = program.clone();
        restart(role)?;
        restarted.push(role.name().to_owned());
        sleep(CALM);
    }
    Ok(restarted)
}

fn restart(role: &mut Role) -> Result<()> {
    let began = Instant::now();
    role.stop()?;
    role.start()?;
    eprintln!("{} was away for {:.1?}", role.name(), began.elapsed());
    Ok(())
}

fn cannot_finish(cluster: &Cluster, why: &str) -> Result<()> {
    let refused = cluster.run(&["release", "finish"]);
    let told = refused.err().context("a release was finished that not everybody knows")?;
    ensure!(format!("{told:#}").contains(why), "refused for another reason: {told:#}");
    Ok(())
}

/// Finishes the release, and looks whether everybody is of it.
fn finish(cluster: &Cluster) -> Result<()> {
    let shown = cluster.run(&["release", "finish", "--json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let this = Release::THIS.number();
    let processes = shown["processes"].as_array().context("a list")?;
    let all = processes.iter().all(|it| it["release"] == this);
    ensure!(shown["finished"] == this && all, "the upgrade is not finished: {shown}");
    eprintln!("release {this} is finished, {} processes", processes.len());
    Ok(())
}
