//! `thermocline certificates`: an issuer and certificates for the processes of one cluster, for
//! trying out and for small clusters. Whatever else issues SPIFFE identities does as well.
//!
//! ```text
//! DIR/ca.pem, ca.key            the issuer; made once
//! DIR/gateway-1.pem, .key       spiffe://<cluster>/gateway/1, issued anew by every run
//! ```

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use hop::{Identity, IdentityError, Role};
use process::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// The issuer's subject. Certificates refer to it by this name, so it is the same in every run.
const ISSUER: &str = "Thermocline cluster issuer";

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// For whom.
#[derive(Debug, Args)]
pub(crate) struct CertificateArguments {
    /// Where the files are written. The issuer in it is used again.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The cluster's name: members of another one are refused, whoever issued their certificates.
    #[arg(long, value_name = "NAME", default_value = "thermocline")]
    cluster: String,
    /// How long the certificates are valid.
    #[arg(long, value_name = "DAYS", default_value_t = 365,
        value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// A host name or address that the certificates are valid for as well, as etcd's must be.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Roles, with a name (`gateway/1`) or without; also `etcd`. Default: every role.
    #[arg(value_name = "ROLE[/NAME]")]
    members: Vec<String>,
}

/// Makes the files, and says which.
#[expect(clippy::print_stdout, reason = "the files' names are this command's output")]
pub(crate) fn run(arguments: &CertificateArguments) -> Result<()> {
    let dir = &arguments.dir;
    fs::create_dir_all(dir).with_context(|| format!("--dir {}", dir.display()))?;
    let issuer = issuer(dir)?;
    let every = || Role::CERTIFIED.map(|role| role.name().to_owned()).to_vec();
    let members = if arguments.members.is_empty() { every() } else { arguments.members.clone() };
    for member in members {
        let params = arguments.certificate(&member)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let file = dir.join(member.replace('/', "-"));
        write(&file.with_added_extension("key"), &key.serialize_pem())?;
        write(&file.with_added_extension("pem"), &certificate.pem())?;
        println!("{}.pem", file.display());
    }
    Ok(())
}

impl CertificateArguments {
    /// The certificate of `gateway`, `gateway/1` or `etcd`.
    fn certificate(&self, member: &str) -> Result<CertificateParams> {
        let uri = format!("spiffe://{}/{member}", self.cluster);
        match Identity::parse(&uri) {
            Ok(_) => {}
            // Processes refuse it, and that is as it should be.
            Err(IdentityError::Role(role)) if role == "etcd" => {}
            Err(error) => bail!(error),
        }
        let mut params = CertificateParams::new(self.host.clone())?;
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        params.distinguished_name = name(member);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        // An hour ago, for machines whose clocks are behind.
        let now_s = Clock::system().now_ms() / 1000;
        let epoch = date_time_ymd(1970, 1, 1);
        let at = |second: i64| epoch + std::time::Duration::from_secs(second.unsigned_abs());
        params.not_before = at(now_s - 60 * 60);
        params.not_after = at(now_s + i64::from(self.days) * DAY_SECONDS);
        Ok(params)
    }
}

/// The issuer of this directory; made if there is none.
fn issuer(dir: &Path) -> Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(ISSUER);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2046, 1, 1);
    let (key_file, file) = (dir.join("ca.key"), dir.join("ca.pem"));
    if file.exists() {
        let key = fs::read_to_string(&key_file);
        let key = key.with_context(|| format!("cannot read `{}`", key_file.display()))?;
        let key = KeyPair::from_pem(&key).with_context(|| key_file.display().to_string())?;
        return Ok(Issuer::new(params, key));
    }
    let key = KeyPair::generate()?;
    write(&key_file, &key.serialize_pem())?;
    write(&file, &params.self_signed(&key)?.pem())?;
    Ok(Issuer::new(params, key))
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// Writes a file whole, or not at all; a key is for its owner only.
fn write(path: &Path, text: &str) -> Result<()> {
    let told = || format!("cannot write `{}`", path.display());
    let mode = if path.extension().is_some_and(|end| end == "key") { 0o600 } else { 0o644 };
    let new = path.with_added_extension("new");
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(&new).with_context(told)?;
    file.write_all(text.as_bytes()).with_context(told)?;
    fs::rename(&new, path).with_context(told)
}

#[cfg(test)]
mod tests {
    use hop::ClusterTls;
    use process::Drain;
    use process::tls::Files;

    use super::*;

    fn arguments(dir: &Path, members: &[&str]) -> CertificateArguments {
        CertificateArguments {
            dir: dir.to_owned(),
            cluster: "blue".to_owned(),
            days: 30,
            host: vec!["127.0.0.1".to_owned(), "etcd-1".to_owned()],
            members: members.iter().map(ToString::to_string).collect(),
        }
    }

    async fn identity(dir: &Path, name: &str) -> String {
        let certificate = dir.join(format!("{name}.pem"));
        let (key, ca) = (dir.join(format!("{name}.key")), Some(dir.join("ca.pem")));
        let files = Files { certificate, key, ca };
        let tls = ClusterTls::start(files, Clock::system(), &Drain::new()).await;
        tls.expect("the files can be used").identity().to_string()
    }

    #[tokio::test]
    async fn every_role_gets_a_certificate_and_its_key_is_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        run(&arguments(dir.path(), &[])).expect("files");
        for role in Role::CERTIFIED {
            let expected = format!("spiffe://blue/{role}");
            assert_eq!(identity(dir.path(), role.name()).await, expected);
        }
        use std::os::unix::fs::PermissionsExt as _;
        for name in ["ca.key", "gateway.key"] {
            let metadata = fs::metadata(dir.path().join(name)).expect("it is there");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn a_second_run_issues_anew_and_keeps_the_issuer() {
        let dir = tempfile::tempdir().expect("a folder");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("a file");
        run(&arguments(dir.path(), &["gateway/1", "etcd"])).expect("files");
        let (ca, first) = (read("ca.pem"), read("gateway-1.pem"));
        run(&arguments(dir.path(), &["gateway/1"])).expect("files");
        assert_eq!(read("ca.pem"), ca);
        assert_ne!(read("gateway-1.pem"), first);
        assert_eq!(identity(dir.path(), "gateway-1").await, "spiffe://blue/gateway/1");
    }

    #[test]
    fn what_is_no_member_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        for member in ["broker", "gateway/", "../x", "gateway/../control"] {
            assert!(run(&arguments(dir.path(), &[member])).is_err(), "{member}");
        }
    }
}
