//! `thermocline user`: who may log in, and with which password.
//!
//! Passwords come from a file, a pipe or the terminal, never from the command line, where everybody
//! on the machine can read them. What leaves this process is made of the password.
//!
//! A cluster's first user is made with `--config`: whoever may read a role's file, and so the
//! metadata store, has the cluster's secret. With `--bootstrap` the command is a Kafka client without
//! a login, for a listener that asks for none, such as that of `thermocline dev`.

mod admin;
mod password;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use aws_lc_rs::rand;
use clap::{Args, Subcommand};
use metadata::settings::credential::{ITERATIONS_MAX, ITERATIONS_MIN, ScramMechanism};
use protocol::ids::TenantId;
use serde::Serialize;

use crate::output;

use self::admin::{Admin, Change};

/// Random bytes of a salt.
const SALT_BYTES: usize = 16;

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct UserArguments {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user. The password is read from a file, a pipe or the terminal.
    Add(AddArguments),
    /// Give a user another password. Its connections are closed.
    Password(PasswordArguments),
    /// Delete a user. Its connections are closed.
    Delete(DeleteArguments),
    /// Name all users, with what they may log in by.
    List(Whom),
}

#[derive(Debug, Args)]
struct AddArguments {
    /// The user's name.
    name: String,
    /// What the user may log in by; may be given twice.
    #[arg(long, value_name = "MECHANISM", default_value = "SCRAM-SHA-512", value_parser = mechanism)]
    mechanism: Vec<ScramMechanism>,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Debug, Args)]
struct PasswordArguments {
    /// The user's name.
    name: String,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Debug, Args)]
struct DeleteArguments {
    /// The user's name.
    name: String,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Debug, Args)]
struct PasswordSource {
    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How often the password is hashed.
    #[arg(long, value_name = "COUNT", default_value_t = 8_192,
          value_parser = clap::value_parser!(u32).range(i64::from(ITERATIONS_MIN)..=i64::from(ITERATIONS_MAX)))]
    iterations: u32,
}

/// Whom to tell.
#[derive(Debug, Args)]
struct Whom {
    /// A TOML file with the `[metadata]` table; a role's own file does.
    #[arg(long, value_name = "FILE", required_unless_present = "bootstrap")]
    config: Option<PathBuf>,
    /// A gateway's listener that asks for no login.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
    bootstrap: Option<String>,
    /// The number of the tenant whose users they are.
    #[arg(long, value_name = "TENANT", default_value_t = TenantId::DEFAULT.0, requires = "config")]
    tenant: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A user as it is shown.
#[derive(Debug, Serialize)]
struct Listed {
    user: String,
    mechanisms: Vec<&'static str>,
}

/// What was done to a user.
#[derive(Debug, Serialize)]
struct Changed {
    #[serde(flatten)]
    user: Listed,
    done: &'static str,
}

/// Does it, and says what was done.
pub(crate) async fn run(arguments: UserArguments) -> Result<()> {
    match arguments.command {
        UserCommand::Add(AddArguments { name, mechanism, password, whom }) => {
            let json = whom.json;
            let mut admin = whom.connect().await?;
            if admin.users().await?.contains_key(&name) {
                bail!("user `{name}` exists; `thermocline user password` changes the password");
            }
            password.set(&mut admin, &name, &mechanism).await?;
            tell(json, name, &mechanism, "added")?;
            admin.close().await
        }
        UserCommand::Password(PasswordArguments { name, password, whom }) => {
            let json = whom.json;
            let mut admin = whom.connect().await?;
            let mechanisms = admin.users().await?.remove(&name);
            let mechanisms = mechanisms.with_context(|| no_such_user(&name))?;
            password.set(&mut admin, &name, &mechanisms).await?;
            tell(json, name, &mechanisms, "has another password")?;
            admin.close().await
        }
        UserCommand::Delete(DeleteArguments { name, whom }) => {
            let json = whom.json;
            let mut admin = whom.connect().await?;
            let mechanisms = admin.users().await?.remove(&name);
            let mechanisms = mechanisms.with_context(|| no_such_user(&name))?;
            // One at a time: a request may alter a user once.
            for &mechanism in &mechanisms {
                admin.alter(Change::Delete { user: &name, mechanism }).await?;
            }
            tell(json, name, &mechanisms, "deleted")?;
            admin.close().await
        }
        UserCommand::List(whom) => {
            let json = whom.json;
            let mut admin = whom.connect().await?;
            let users = admin.users().await?.into_iter();
            let users: Vec<_> = users.map(|(user, by)| Listed::of(user, &by)).collect();
            output::print(json, &users, |users| table(users))?;
            admin.close().await
        }
    }
}

impl Whom {
    async fn connect(self) -> Result<Admin> {
        match (self.config, self.bootstrap) {
            (Some(config), _) => Admin::of_cluster(&config, TenantId(self.tenant)).await,
            (None, Some(address)) => Admin::of_listener(&address).await,
            (None, None) => bail!("`--config` or `--bootstrap` is needed"),
        }
    }
}

impl PasswordSource {
    /// Reads the password and sets it.
    async fn set(
        &self,
        admin: &mut Admin,
        user: &str,
        mechanisms: &[ScramMechanism],
    ) -> Result<()> {
        let password = password::read(self.password_file.as_deref(), user)?;
        for &mechanism in mechanisms {
            let mut salt = [0; SALT_BYTES];
            rand::fill(&mut salt).context("no random bytes")?;
            let salted = mechanism.salted_password(password.as_bytes(), &salt, self.iterations);
            let (salt, iterations) = (salt.to_vec(), self.iterations);
            admin.alter(Change::Set { user, mechanism, salt, iterations, salted }).await?;
        }
        Ok(())
    }
}

fn mechanism(name: &str) -> Result<ScramMechanism, String> {
    let known = ScramMechanism::ALL.map(ScramMechanism::name).join(" and ");
    ScramMechanism::from_name(name).ok_or_else(|| format!("known are {known}"))
}

fn no_such_user(name: &str) -> String {
    format!("there is no user `{name}`; `thermocline user list` names those that are there")
}

fn tell(json: bool, user: String, by: &[ScramMechanism], done: &'static str) -> Result<()> {
    output::print(json, &Changed { user: Listed::of(user, by), done }, |it| {
        format!("user `{}` {done} ({})\n", it.user.user, it.user.mechanisms.join(", "))
    })
}

fn table(users: &[Listed]) -> String {
    let row = |it: &Listed| vec![it.user.clone(), it.mechanisms.join(", ")];
    let rows: Vec<_> = users.iter().map(row).collect();
    crate::table::table(&["USER", "MECHANISMS"], &rows)
}

impl Listed {
    fn of(user: String, by: &[ScramMechanism]) -> Self {
        Self { user, mechanisms: by.iter().map(|mechanism| mechanism.name()).collect() }
    }
}
