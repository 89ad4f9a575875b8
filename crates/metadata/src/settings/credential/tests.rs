//! Stored bytes, derived keys and names.

use super::*;

/// A credential whose keys are easily recognized.
fn credential() -> ScramCredential {
    ScramCredential {
        salt: b"salt".to_vec(),
        iterations: 4_096,
        stored_key: vec![0xaa; 32],
        server_key: vec![0xbb; 32],
    }
}

#[test]
fn the_bytes_are_stable_and_read_back() {
    let bytes = credential().encode();
    let mut expected = vec![1, 0x0a, 4];
    expected.extend(b"salt");
    expected.extend([0x10, 0x80, 0x20, 0x1a, 32]);
    expected.extend([0xaa; 32]);
    expected.extend([0x22, 32]);
    expected.extend([0xbb; 32]);
    assert_eq!(&bytes[..], &expected[..]);
    assert_eq!(ScramCredential::decode(&bytes), Ok(credential()));
    assert_eq!(ScramCredential::decode(&[9]), Err(DecodeError::Version(9)));
    assert!(ScramCredential::decode(&[1, 0x0a, 200]).is_err());
}

#[test]
fn a_credential_does_not_print_its_keys() {
    let text = format!("{:?} {:#?}", credential(), Some(credential()));
    for secret in ["170", "aa", "187", "bb", "115", "salt"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// RFC 7677, section 3: the server signature of its example proves the server key, and the client's
/// proof the stored key.
#[test]
fn the_keys_are_those_of_rfc_7677() {
    let salt = [
        0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa,
        0x81,
    ];
    let mechanism = ScramMechanism::Sha256;
    let made = ScramCredential::from_password(mechanism, b"pencil", salt.to_vec(), 4_096);
    let messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                    r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    // 6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
    let server_signature = [
        0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea, 0x7e,
        0x98, 0xc8, 0x54, 0x65, 0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2, 0x39, 0x7d,
        0xe4, 0x6e,
    ];
    let signed = mechanism.hmac(&made.server_key, messages.as_bytes());
    assert_eq!(signed.as_ref(), server_signature);
    // dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
    let proof = [
        0x74, 0x7c, 0xdb, 0x65, 0xaa, 0x56, 0x22, 0x4e, 0x23, 0x52, 0x13, 0x7e, 0x52, 0xd7, 0xbd,
        0xca, 0xd6, 0xa0, 0xf7, 0x38, 0xdf, 0x30, 0x78, 0x2c, 0xaa, 0x69, 0xa2, 0xcf, 0xb0, 0x27,
        0x75, 0x54,
    ];
    let client_signature = mechanism.hmac(&made.stored_key, messages.as_bytes());
    let pairs = proof.iter().zip(client_signature.as_ref());
    let client_key: Vec<u8> = pairs.map(|(proof, signed)| proof ^ signed).collect();
    assert_eq!(mechanism.digest(&client_key).as_ref(), made.stored_key);
}

#[test]
fn a_salted_password_makes_the_same_keys() {
    for mechanism in ScramMechanism::ALL {
        let salted = mechanism.salted_password(b"secret", b"salt", 4_096);
        let from_salted = ScramCredential::from_salted(mechanism, &salted, b"salt".to_vec(), 4_096);
        let from_password =
            ScramCredential::from_password(mechanism, b"secret", b"salt".to_vec(), 4_096);
        assert_eq!(from_salted, from_password);
        assert_eq!(from_salted.stored_key.len(), mechanism.key_bytes());
    }
}

#[test]
fn settings_are_named_by_mechanism_and_user() {
    for user in ["alice", "a/b", "ö", "/"] {
        for mechanism in ScramMechanism::ALL {
            let name = mechanism.setting(user);
            assert_eq!(ScramMechanism::of_setting(&name), Some((mechanism, user)));
        }
    }
    assert_eq!(ScramMechanism::of_setting("SCRAM-SHA-1/alice"), None);
    assert_eq!(ScramMechanism::of_setting("alice"), None);
}
