//! The mechanisms with the credentials and keys behind them.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::fixture::{
    Fixture, Issuer, NOW_MS, ScramClient, TENANT, bearer, claims, jwks, oauth_config,
};
use super::*;

const SCRAM: ScramMechanism = ScramMechanism::Sha512;

/// Of a turn that goes on: where, and with what bytes.
fn next(turn: Turn) -> (Exchange, Vec<u8>) {
    match turn {
        Turn::Next(exchange, bytes) => (exchange, bytes),
        Turn::Done(login, _) => panic!("{login:?}"),
        Turn::Refused(refused) => panic!("{refused}"),
    }
}

fn done(turn: Turn) -> Login {
    match turn {
        Turn::Done(login, _) => login,
        Turn::Next(..) => panic!("goes on"),
        Turn::Refused(refused) => panic!("{refused}"),
    }
}

fn refused(turn: Turn) -> String {
    match turn {
        Turn::Refused(refused) => refused.to_string(),
        Turn::Next(..) => panic!("goes on"),
        Turn::Done(login, _) => panic!("{login:?}"),
    }
}

async fn scram(fixture: &Fixture, user: &str, password: &str) -> Turn {
    let (client, first) = ScramClient::new(SCRAM, user, password);
    let begun = Exchange::Begun(Mechanism::Scram(SCRAM));
    let (exchange, challenge) = next(fixture.sasl.turn(TENANT, begun, &first).await);
    fixture.sasl.turn(TENANT, exchange, &client.answer(&challenge).unwrap().message).await
}

async fn plain(fixture: &Fixture, user: &str, password: &str) -> Turn {
    let message = format!("\0{user}\0{password}");
    fixture.sasl.turn(TENANT, Exchange::Begun(Mechanism::Plain), message.as_bytes()).await
}

#[tokio::test]
async fn a_password_is_the_same_for_scram_and_plain() {
    let fixture = Fixture::new(SaslConfig::default(), &[("alice", "secret")]).await;
    for turn in [scram(&fixture, "alice", "secret").await, plain(&fixture, "alice", "secret").await]
    {
        let login = done(turn);
        assert_eq!((login.user.as_str(), login.expires_ms), ("alice", None));
        assert!(login.ticket.is_some(), "it ends with its credential");
    }
    assert_eq!(refused(scram(&fixture, "alice", "Secret").await), "the proof is wrong");
    assert_eq!(refused(scram(&fixture, "bob", "secret").await), "the proof is wrong");
    assert_eq!(refused(plain(&fixture, "alice", "Secret").await), "the password is wrong");
    assert_eq!(refused(plain(&fixture, "bob", "secret").await), "the password is wrong");
}

#[tokio::test]
async fn a_credential_that_goes_between_challenge_and_proof_proves_nothing() {
    let fixture = Fixture::new(SaslConfig::default(), &[("alice", "secret")]).await;
    let (client, first) = ScramClient::new(SCRAM, "alice", "secret");
    let begun = Exchange::Begun(Mechanism::Scram(SCRAM));
    let (exchange, challenge) = next(fixture.sasl.turn(TENANT, begun, &first).await);
    fixture.delete("alice").await;
    let turn =
        fixture.sasl.turn(TENANT, exchange, &client.answer(&challenge).unwrap().message).await;
    assert_eq!(refused(turn), "the credential is gone");
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let fixture = Fixture::new(SaslConfig::default(), &[("alice", "secret")]).await;
    let (client, first) = ScramClient::new(SCRAM, "alice", "secret");
    let begun = || Exchange::Begun(Mechanism::Scram(SCRAM));
    let (_, overheard) = next(fixture.sasl.turn(TENANT, begun(), &first).await);
    let (exchange, challenge) = next(fixture.sasl.turn(TENANT, begun(), &first).await);
    assert_ne!(overheard, challenge, "our nonce is another each time");
    let turn =
        fixture.sasl.turn(TENANT, exchange, &client.answer(&overheard).unwrap().message).await;
    assert_eq!(refused(turn), "the nonce is not the one that was agreed on");
}

/// A listener that believes the issuers whose keys are in a file, and the file.
async fn oauth(issuers: &[&Issuer]) -> (Fixture, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks(issuers)).unwrap();
    let config = SaslConfig {
        mechanisms: vec![Mechanism::OauthBearer],
        oauth: Some(oauth_config(file.path().to_owned())),
        ..SaslConfig::default()
    };
    (Fixture::new(config, &[]).await, file)
}

async fn token(fixture: &Fixture, token: &str) -> Turn {
    let begun = Exchange::Begun(Mechanism::OauthBearer);
    fixture.sasl.turn(TENANT, begun, &bearer(token)).await
}

#[tokio::test]
async fn a_good_token_names_somebody_until_it_expires() {
    let issuer = Issuer::new("k1");
    let (fixture, _file) = oauth(&[&issuer]).await;
    let login = done(token(&fixture, &issuer.sign(&claims())).await);
    assert_eq!(login.user, "alice");
    assert_eq!(login.expires_ms, Some(NOW_MS + 65_000), "a minute, and the clocks' difference");
    assert_eq!(fixture.sasl.lifetime_ms(&login), Some(65_000));
}

#[tokio::test]
async fn a_bad_token_is_refused_in_the_mechanism_s_own_way() {
    let issuer = Issuer::new("k1");
    let (fixture, _file) = oauth(&[&issuer]).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        issuer.sign(&claims)
    };
    let now = NOW_MS / 1_000;
    let good = issuer.sign(&claims());
    let mut tampered = good.clone();
    // In the middle of the signature: its last character has bits that say nothing.
    let at = good.len() - 20;
    tampered.replace_range(at..=at, if &good[at..=at] == "A" { "B" } else { "A" });
    let impostor = Issuer::new("k1").sign(&claims());
    for bad in [
        with("exp", json!(now - 6)),
        with("exp", json!("soon")),
        with("exp", Value::Null),
        with("nbf", json!(now + 6)),
        with("iss", json!("https://other.example")),
        with("aud", json!("other")),
        with("aud", json!([])),
        with("sub", json!("")),
        with("sub", json!(7)),
        with("sub", json!("u".repeat(1_000))),
        tampered,
        impostor,
        "a.b.c".to_owned(),
        "e30.e30.e30".to_owned(),
    ] {
        let (exchange, challenge) = next(token(&fixture, &bad).await);
        assert_eq!(challenge, br#"{"status":"invalid_token"}"#, "{bad}");
        refused(fixture.sasl.turn(TENANT, exchange, b"\x01").await);
    }
    done(token(&fixture, &with("exp", json!(now - 4))).await);
    done(token(&fixture, &with("nbf", json!(now + 4))).await);
    done(token(&fixture, &with("aud", json!("kafka"))).await);
    done(token(&fixture, &with("exp", json!((now + 60) as f64 + 0.5))).await);
}

#[tokio::test]
async fn the_algorithm_is_ours_to_choose() {
    use jsonwebtoken::{EncodingKey, Header, encode};
    let issuer = Issuer::new("k1");
    let (fixture, _file) = oauth(&[&issuer]).await;
    // The public key as the secret of a symmetric signature, the oldest of tricks.
    let public = issuer.jwk()["x"].as_str().unwrap().to_owned();
    for algorithm in [Algorithm::HS256, Algorithm::HS512] {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(algorithm) };
        let forged =
            encode(&header, &claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap();
        next(token(&fixture, &forged).await);
    }
    // {"alg":"none"} and {"alg":"ES256"} without a signature.
    let good = issuer.sign(&claims());
    let (head, claims) = good.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    for forged in [format!("eyJhbGciOiJub25lIn0.{claims}."), format!("{head}.{claims}.")] {
        next(token(&fixture, &forged).await);
    }
}

#[tokio::test]
async fn rsa_signs_in_the_ways_that_are_configured() {
    let issuers = [Algorithm::RS256, Algorithm::PS256, Algorithm::RS512]
        .map(|algorithm| Issuer::with_rsa(&format!("{algorithm:?}"), algorithm));
    let (fixture, _file) = oauth(&issuers.each_ref()).await;
    let [rs256, ps256, rs512] = issuers.map(|issuer| issuer.sign(&claims()));
    done(token(&fixture, &rs256).await);
    done(token(&fixture, &ps256).await);
    next(token(&fixture, &rs512).await);
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_again_when_one_is_unknown_but_not_too_often() {
    let (old, new, newer) = (Issuer::new("old"), Issuer::new("new"), Issuer::new("newer"));
    let (fixture, file) = oauth(&[&old]).await;
    done(token(&fixture, &old.sign(&claims())).await);
    std::fs::write(file.path(), jwks(&[&old, &new])).unwrap();
    tokio::time::advance(crate::limits::JWKS_REFETCH_PAUSE).await;
    done(token(&fixture, &new.sign(&claims())).await);
    std::fs::write(file.path(), jwks(&[&newer])).unwrap();
    next(token(&fixture, &newer.sign(&claims())).await);
    tokio::time::advance(crate::limits::JWKS_REFETCH_PAUSE).await;
    done(token(&fixture, &newer.sign(&claims())).await);
    next(token(&fixture, &old.sign(&claims())).await);
    // A file that is none leaves the keys that were read.
    std::fs::write(file.path(), "?").unwrap();
    tokio::time::advance(crate::limits::JWKS_REFETCH_PAUSE).await;
    next(token(&fixture, &old.sign(&claims())).await);
    done(token(&fixture, &newer.sign(&claims())).await);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_token_and_operator_want() {
    let fixture = |max_reauth| {
        let config = SaslConfig {
            max_reauth: std::time::Duration::from_secs(max_reauth),
            ..Default::default()
        };
        Fixture::new(config, &[])
    };
    let login = |expires_ms| Login { user: "alice".to_owned(), ticket: None, expires_ms };
    let endless = fixture(0).await;
    assert_eq!(endless.sasl.lifetime_ms(&login(None)), None);
    assert_eq!(endless.sasl.lifetime_ms(&login(Some(NOW_MS + 7))), Some(7));
    assert_eq!(endless.sasl.lifetime_ms(&login(Some(NOW_MS))), Some(1), "0 would be for ever");
    let bounded = fixture(10).await;
    assert_eq!(bounded.sasl.lifetime_ms(&login(None)), Some(10_000));
    assert_eq!(bounded.sasl.lifetime_ms(&login(Some(NOW_MS + 7))), Some(7));
    assert_eq!(bounded.sasl.lifetime_ms(&login(Some(NOW_MS + 20_000))), Some(10_000));
}
