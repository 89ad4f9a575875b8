//! Whom a client's certificate names.

use process::tls::only_uri;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Rules, name};
use crate::config::PrincipalSource;

/// Why a certificate that was verified names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrincipalError {
    /// It cannot be read, which its verification should have found.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Its session is resumed after it has ended.
    #[error("the certificate has expired")]
    Expired,
    /// No rule matches its subject.
    #[error("no principal mapping rule matches the subject `{0}`")]
    NoRule(String),
    /// It has no URI, or several.
    #[error("the certificate does not have exactly one URI as alternative name")]
    NotOneUri,
}

/// The principal of a verified certificate, as access control lists name it.
pub(super) fn of(
    certificate: &CertificateDer<'_>,
    source: PrincipalSource,
    rules: &Rules,
    now_ms: i64,
) -> Result<String, PrincipalError> {
    let parsed = X509Certificate::from_der(certificate);
    let (_, certificate) = parsed.map_err(|_| PrincipalError::Unreadable)?;
    // A resumed session was verified when it began.
    if certificate.validity().not_after.timestamp() < now_ms / 1000 {
        return Err(PrincipalError::Expired);
    }
    let name = match source {
        PrincipalSource::Subject => {
            let subject = name::text(certificate.subject());
            rules.name(&subject).ok_or(PrincipalError::NoRule(subject))?
        }
        PrincipalSource::SanUri => {
            only_uri(&certificate).ok_or(PrincipalError::NotOneUri)?.to_owned()
        }
    };
    Ok(format!("User:{name}"))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    const IN_2030: i64 = 1_900_000_000_000;

    fn certificate(uris: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme, CN=admin");
        params.distinguished_name.push(DnType::CommonName, "orders");
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = uris.collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    fn principal(uris: &[&str], source: PrincipalSource) -> Result<String, PrincipalError> {
        let rules = Rules::parse("DEFAULT").unwrap();
        of(&certificate(uris), source, &rules, IN_2030)
    }

    #[test]
    fn a_subject_is_the_principal_and_cannot_pass_for_another() {
        let named = principal(&["spiffe://x/y"], PrincipalSource::Subject);
        assert_eq!(named.as_deref(), Ok(r"User:CN=orders,O=Acme\, CN\=admin"));
        let rules = Rules::parse("RULE:^CN=([a-z]+),.*$/$1/U").unwrap();
        let named = of(&certificate(&[]), PrincipalSource::Subject, &rules, IN_2030);
        assert_eq!(named.as_deref(), Ok("User:ORDERS"));
        let rules = Rules::parse("RULE:^CN=admin.*$/admin/").unwrap();
        let named = of(&certificate(&[]), PrincipalSource::Subject, &rules, IN_2030);
        assert!(matches!(named, Err(PrincipalError::NoRule(_))));
    }

    #[test]
    fn the_one_uri_is_the_principal_if_so_configured() {
        let uri = "spiffe://example.org/orders";
        let named = principal(&[uri], PrincipalSource::SanUri);
        assert_eq!(named.as_deref(), Ok("User:spiffe://example.org/orders"));
        for uris in [&[][..], &[uri, "spiffe://example.org/other"]] {
            let named = principal(uris, PrincipalSource::SanUri);
            assert_eq!(named, Err(PrincipalError::NotOneUri));
        }
    }

    #[test]
    fn a_certificate_that_has_ended_names_nobody() {
        let rules = Rules::parse("DEFAULT").unwrap();
        let in_2041 = 2_240_600_000_000;
        let named = of(&certificate(&[]), PrincipalSource::Subject, &rules, in_2041);
        assert_eq!(named, Err(PrincipalError::Expired));
    }
}
