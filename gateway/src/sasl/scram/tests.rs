//! The example of RFC 7677, and what is not it.

use proptest::prelude::{any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::limits::SCRAM_NONCE_BYTES_MAX;

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const OWN_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

fn credential(mechanism: ScramMechanism, password: &str) -> ScramCredential {
    let salt = STANDARD.decode(SALT).unwrap();
    ScramCredential::from_password(mechanism, password.as_bytes(), salt, 4_096)
}

fn challenge(first: &str) -> (Challenge, Vec<u8>) {
    let first = ClientFirst::parse(first.as_bytes()).unwrap();
    let credential = credential(ScramMechanism::Sha256, "pencil");
    Challenge::new(ScramMechanism::Sha256, credential, first, OWN_NONCE)
}

/// A client that knows the password, as RFC 5802 wants it.
fn proof(mechanism: ScramMechanism, password: &str, messages: &str) -> String {
    let salt = STANDARD.decode(SALT).unwrap();
    let salted = mechanism.salted_password(password.as_bytes(), &salt, 4_096);
    let client_key = mechanism.hmac(&salted, b"Client Key");
    let stored_key = mechanism.digest(client_key.as_ref());
    let signature = mechanism.hmac(stored_key.as_ref(), messages.as_bytes());
    let pairs = client_key.as_ref().iter().zip(signature.as_ref());
    STANDARD.encode(pairs.map(|(key, signed)| key ^ signed).collect::<Vec<_>>())
}

#[test]
fn the_exchange_of_rfc_7677() {
    let (challenge, server_first) = challenge(FIRST);
    let expected =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(String::from_utf8(server_first).unwrap(), expected);
    let server_final = challenge.verify(FINAL.as_bytes()).unwrap();
    let expected = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(String::from_utf8(server_final).unwrap(), expected);
}

#[test]
fn both_hashes_and_odd_names_and_extensions_work() {
    for mechanism in ScramMechanism::ALL {
        let bare = "n=a=2Cb=3Dc,r=client,x=extension";
        let gs2 = "y,a=a=2Cb=3Dc,";
        let first = ClientFirst::parse(format!("{gs2}{bare}").as_bytes()).unwrap();
        assert_eq!(first.user, "a,b=c");
        let (challenge, server_first) =
            Challenge::new(mechanism, credential(mechanism, "secret"), first, "server");
        let channel = STANDARD.encode(gs2);
        let without_proof = format!("c={channel},r=clientserver,y=z");
        let server_first = String::from_utf8(server_first).unwrap();
        let messages = format!("{bare},{server_first},{without_proof}");
        let proof = proof(mechanism, "secret", &messages);
        assert!(challenge.verify(format!("{without_proof},p={proof}").as_bytes()).is_ok());
    }
}

#[test]
fn a_final_message_that_does_not_fit_is_refused() {
    let verify = |client_final: &str| challenge(FIRST).0.verify(client_final.as_bytes()).err();
    // Of another password.
    let proof = proof(ScramMechanism::Sha256, "pen", "whatever");
    let (without_proof, right) = FINAL.rsplit_once(",p=").unwrap();
    assert_eq!(verify(&format!("{without_proof},p={proof}")), Some(ScramError::Proof));
    // The header was "n,," and is said to have been "y,,".
    assert_eq!(verify(&FINAL.replace("biws", "eSws")), Some(ScramError::ChannelBinding));
    // Our part of the nonce is gone, or longer.
    assert_eq!(verify(&FINAL.replace(OWN_NONCE, "")), Some(ScramError::Nonce));
    assert_eq!(verify(&FINAL.replace("$k0,", "$k0x,")), Some(ScramError::Nonce));
    assert_eq!(verify(&FINAL.replace(",p=", ",m=x,p=")), Some(ScramError::Extension));
    for malformed in [
        "".to_owned(),
        "c=biws".to_owned(),
        without_proof.to_owned(),
        format!("{without_proof},p="),
        format!("{without_proof},p=AAAA"),
        format!("{without_proof},p={right},x=y"),
        format!("r=x,c=biws,p={right}"),
        format!("{FINAL}="),
        "x".repeat(1 << 17),
    ] {
        assert_eq!(verify(&malformed), Some(ScramError::Malformed), "{malformed:.100}");
    }
}

#[test]
fn a_first_message_that_asks_for_something_else_is_refused() {
    let parse = |message: &str| ClientFirst::parse(message.as_bytes()).err();
    for (message, error) in [
        ("p=tls-unique,,n=user,r=nonce", ScramError::ChannelBinding),
        ("p=tls-exporter,,n=user,r=nonce", ScramError::ChannelBinding),
        ("n,,m=ext,n=user,r=nonce", ScramError::Extension),
        ("n,,n=user,r=nonce,m=ext", ScramError::Extension),
        ("n,,n=user,r=nonce,tokenauth=true", ScramError::Token),
        ("n,a=admin,n=user,r=nonce", ScramError::AuthorizationId),
    ] {
        assert_eq!(parse(message), Some(error), "{message}");
    }
    for message in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=user,",
        "n,,r=nonce,n=user",
        "x,,n=user,r=nonce",
        "n,,n=,r=nonce",
        "n,,n=user,r=",
        "n,,n=us=er,r=nonce",
        "n,,n=us=2,r=nonce",
        "n,,n=user,r=no\u{7f}nce",
        "n,,n=user,r=no nce",
        "n,,n=user,r=nonce,",
        "n,,n=user,r=nonce,=",
        "n,user,n=user,r=nonce",
        "N,,n=user,r=nonce",
        "n,,n=user,r=nonce,1=2",
    ] {
        assert_eq!(parse(message), Some(ScramError::Malformed), "{message}");
    }
    let long = format!("n,,n=user,r={}", "x".repeat(SCRAM_NONCE_BYTES_MAX + 1));
    assert_eq!(parse(&long), Some(ScramError::Malformed));
    assert!(ClientFirst::parse(&[b'n', b',', b',', 0xff]).is_err());
}

proptest! {
    #[test]
    fn no_first_message_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = ClientFirst::parse(&bytes);
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_what_was_sent(
        user in "\\PC{1,20}",
        nonce in "[!-+\\--~]{1,40}",
        extension in "[a-zA-Z]{1,3}=\\w{0,5}",
    ) {
        let encoded = user.replace('=', "=3D").replace(',', "=2C");
        let message = format!("n,,n={encoded},r={nonce},{extension}");
        if let Ok(first) = ClientFirst::parse(message.as_bytes()) {
            prop_assert_eq!((first.user, first.nonce), (user, nonce));
        } else {
            prop_assert!(extension.starts_with("m="));
        }
    }

    #[test]
    fn no_final_message_panics_or_passes(message in "(c=biws,)?(r=[ -~]{0,60},)?(p=)?\\PC{0,60}") {
        prop_assert!(challenge(FIRST).0.verify(message.as_bytes()).is_err());
    }

    /// One bit of the proof, and it is none.
    #[test]
    fn no_other_proof_passes(byte in 0_usize..32, bit in 0_u8..8) {
        let (without_proof, right) = FINAL.rsplit_once(",p=").unwrap();
        let mut proof = STANDARD.decode(right).unwrap();
        proof[byte] ^= 1 << bit;
        let message = format!("{without_proof},p={}", STANDARD.encode(proof));
        let verified = challenge(FIRST).0.verify(message.as_bytes());
        prop_assert_eq!(verified, Err(ScramError::Proof));
    }
}
