//! Gateway sets: what is known of them, and switching by hand.

use std::fmt::Write;

use anyhow::Result;
use clap::Args;
use control::api::model::{GatewaySetInfo, GatewaySets, SwitchInfo, SwitchRequest};

use super::Show;
use super::table::table as rows;

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
        let Self { dry_run, force, show } = self;
        let mut client = show.connection.open().await?;
        let path = "gateway-sets/switch";
        let request = SwitchRequest { to, back, force, dry_run: true };
        let mut answer: SwitchInfo = client.post_json(path, &request).await?;
        if !dry_run {
            // Named, for a request may arrive twice: nobody is to be sent two sets further.
            let to = Some(answer.next.set);
            let request = SwitchRequest { to, dry_run: false, ..request };
            answer = client.post_json(path, &request).await?;
        }
        show.print(&answer, line)
    }
}

fn line(info: &SwitchInfo) -> String {
    let SwitchInfo { from, dry_run, next } = info;
    let verb = if *dry_run { "would go" } else { "go" };
    format!("clients {verb} from `{from}` to `{}`, generation {}\n", next.set, next.generation)
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
