//! Gateway sets: what is known of them, and switching by hand.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use control::api::model::{ActiveSetInfo, GatewaySetInfo, GatewaySets, SwitchInfo, SwitchRequest};
use tokio::time::{Instant, sleep};

use super::Show;
use super::client::Client;
use crate::table::table as rows;

/// How long DNS is waited for. Control goes on trying after that.
const DNS_PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(500);

/// `thermocline failover`
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// Where to. Default: the first set, by preference, that serves.
    #[arg(long, value_name = "SET")]
    to: Option<String>,
    #[command(flatten)]
    switch: Switch,
}

/// `thermocline failback`
#[derive(Debug, Args)]
pub(crate) struct Failback {
    /// Where to. Default: the preferred set.
    #[arg(long, value_name = "SET")]
    to: Option<String>,
    #[command(flatten)]
    switch: Switch,
}

#[derive(Debug, Args)]
struct Switch {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Also to a set that vantage points do not see serve, and while the last switch is not in DNS.
    #[arg(long)]
    force: bool,
    /// Return when it is decided; `thermocline gateway-sets` shows when it is in DNS.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    show: Show,
}

impl Failover {
    pub(super) async fn run(self) -> Result<()> {
        self.switch.run(self.to, false).await
    }
}

impl Failback {
    pub(super) async fn run(self) -> Result<()> {
        self.switch.run(self.to, true).await
    }
}

impl Switch {
    async fn run(self, to: Option<String>, back: bool) -> Result<()> {
        let Self { dry_run, force, no_wait, show } = self;
        let mut client = show.connection.open().await?;
        let path = "gateway-sets/switch";
        let request = SwitchRequest { to, back, force, dry_run: true };
        let mut answer: SwitchInfo = client.post_json(path, &request).await?;
        if !dry_run {
            // Named, for a request may arrive twice: nobody is to be sent two sets further.
            let to = Some(answer.next.set);
            let request = SwitchRequest { to, dry_run: false, ..request };
            answer = client.post_json(path, &request).await?;
            if !no_wait {
                answer.next = until_in_dns(&mut client, answer.next).await?;
            }
        }
        show.print(&answer, line)
    }
}

/// Waits until DNS says what was decided. Whoever ends this waiting changes nothing.
async fn until_in_dns(client: &mut Client, next: ActiveSetInfo) -> Result<ActiveSetInfo> {
    let give_up_at = Instant::now() + DNS_PATIENCE;
    let mut told = None;
    loop {
        let sets: GatewaySets = client.get("gateway-sets").await?;
        if sets.active.generation > next.generation {
            bail!(
                "another switch followed, to `{}`: see `thermocline gateway-sets`",
                sets.active.set
            );
        }
        // A leader that has just begun may not show it yet.
        if sets.active.generation == next.generation && sets.active.applied {
            return Ok(sets.active);
        }
        let problem = sets.dns_problem.map(|problem| format!(": {problem}")).unwrap_or_default();
        let line =
            format!("`{}`, generation {}, is not in DNS yet{problem}", next.set, next.generation);
        if Instant::now() >= give_up_at {
            bail!("{line}; it is decided, and control goes on trying");
        }
        if told.as_ref() != Some(&line) {
            eprintln!("{line}");
            told = Some(line);
        }
        sleep(PAUSE).await;
    }
}

fn line(info: &SwitchInfo) -> String {
    let SwitchInfo { from, dry_run, next } = info;
    let verb = if *dry_run { "would go" } else { "go" };
    let dns = match (dry_run, next.applied) {
        (true, _) => "",
        (false, true) => ", in DNS",
        (false, false) => ", not in DNS yet",
    };
    format!("clients {verb} from `{from}` to `{}`, generation {}{dns}\n", next.set, next.generation)
}

/// The sets as a table, and below it whatever is wrong.
pub(super) fn table(sets: &GatewaySets) -> String {
    let headings = ["SET", "ACTIVE", "VERDICT", "SERVES", "FAILS", "OF", "GATEWAYS", "BARRED"];
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let row = |set: &GatewaySetInfo| {
        vec![
            set.set.clone(),
            yes(set.is_active),
            set.verdict.clone(),
            set.serves.to_string(),
            set.fails.to_string(),
            set.of.to_string(),
            set.gateways.to_string(),
            yes(set.is_barred),
        ]
    };
    let mut text = rows(&headings, &sets.sets.iter().map(row).collect::<Vec<_>>());
    let active = &sets.active;
    let dns = if active.applied { "in DNS" } else { "not in DNS yet" };
    let (set, generation, cause) = (&active.set, active.generation, &active.cause);
    let written =
        writeln!(text, "`{set}`, generation {generation} ({cause}, {dns}): {}", sets.standing);
    written.expect("a text takes all");
    let problems = sets.sets.iter().flat_map(|set| {
        set.problems
            .iter()
            .map(|(vantage, problem)| format!("{}, from {vantage}: {problem}\n", set.set))
    });
    text.extend(problems);
    text.extend(sets.dns_problem.iter().map(|problem| format!("DNS: {problem}\n")));
    text
}
