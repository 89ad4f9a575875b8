//! A certificate's subject as text, letter for letter as Java writes it (`X500Principal.getName()`,
//! RFC 2253): access control lists that were written for Kafka name their principals so.
//!
//! What stands inside of a value is escaped, so that no value can pass for a further attribute.

use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The attribute types that have a name in RFC 2253; all others are shown by number.
const NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// What means something in a name.
const SPECIAL: &str = ",=+<>#;\"\\";

/// The name, its last part first.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    let name = NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    match (name, string(attribute.attr_value())) {
        (Some(name), Some(value)) => format!("{name}={}", escaped(&value)),
        (name, _) => format!("{}=#{}", name.unwrap_or(&number), hex(attribute.attr_value())),
    }
}

/// The value, if it is of a type that holds text. Java reads all of them as UTF-8.
fn string(value: &Any<'_>) -> Option<String> {
    let is_text = matches!(
        value.tag(),
        Tag::PrintableString
            | Tag::Utf8String
            | Tag::T61String
            | Tag::Ia5String
            | Tag::GeneralString
            | Tag::BmpString
    );
    is_text.then(|| String::from_utf8_lossy(value.data).into_owned())
}

fn escaped(value: &str) -> String {
    let is_space = |c: char| matches!(c, ' ' | '\r');
    let begins = value.len() - value.trim_start_matches(is_space).len();
    let ends = value.trim_end_matches(is_space).len();
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        if c == '\0' {
            text.push_str("\\00");
            continue;
        }
        if SPECIAL.contains(c) || at < begins || at >= ends {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn hex(value: &Any<'_>) -> String {
    let bytes = value.to_der_vec().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer;

    use super::*;

    /// Subjects in DER, and what Java 17 makes of them.
    const AS_JAVA: &[(&str, &str)] = &[
        (
            "3046310b300906035504061302444531123010060355040a0c0941636d652c20496e633111300f06035504\
             0b0c087061796d656e74733110300e06035504030c077376633d612b62",
            r"CN=svc\=a\+b,OU=payments,O=Acme\, Inc,C=DE",
        ),
        (
            "306b31133011060a0992268993f22c64011916036f726731173015060a0992268993f22c64011916076578\
             616d706c65311d3008060355040b0c01783011060a0992268993f22c6401010c036a696d311c301a060355\
             04030c134ac3bc7267656e20224a22203c23313e3b205c",
            r#"CN=Jürgen \"J\" \<\#1\>\; \\,OU=x+UID=jim,DC=example,DC=org"#,
        ),
        (
            "3053310b3009060355040613025553310b300906035504080c024341310b300906035504070c025346310f\
             300d06035504090c0631204d61696e3119301706035504030c10206c65616420616e6420747261696c20",
            r"CN=\ lead and trail\ ,STREET=1 Main,L=SF,ST=CA,C=US",
        ),
        (
            "304c310c300a06035504030c037376633114301206092a864886f70d01090116056140622e63310b300906\
             0355040513023132310b3009060355040c0c024472310c300a06035504040c03446f65",
            "2.5.4.4=#0c03446f65,2.5.4.12=#0c024472,2.5.4.5=#13023132,\
             1.2.840.113549.1.9.1=#16056140622e63,CN=svc",
        ),
        ("300d310b300906035504030c022378", r"CN=\#x"),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn subjects_are_written_as_java_writes_them() {
        for (der, expected) in AS_JAVA {
            let der = bytes(der);
            let (rest, name) = X509Name::from_der(&der).unwrap();
            assert!(rest.is_empty());
            assert_eq!(text(&name), *expected);
        }
    }
}
