//! SCRAM-SHA-256 as a client does it (RFC 5802, RFC 7677), in Kafka's SaslAuthenticate frames. What
//! PBKDF2 makes of the password is kept, as client libraries do: ten thousand connections of one user
//! would measure it and nothing else.

use std::io::{Read, Write};
use std::num::NonZeroU32;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;

use crate::frames::{authenticate, authenticated, sasl_handshake};
use crate::wire::read_frame;

const MECHANISM: &str = "SCRAM-SHA-256";
/// Bytes of SHA-256.
const DIGEST: usize = 32;

/// A user who logs in, over and over.
#[derive(Debug)]
pub(crate) struct Login {
    user: String,
    password: String,
    salted: Mutex<Option<Salted>>,
}

/// A password, salted and iterated.
#[derive(Debug, Clone)]
struct Salted {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    key: [u8; DIGEST],
}

impl Login {
    pub(crate) fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), salted: Mutex::new(None) }
    }

    /// Logs in on a connection that did nothing yet.
    pub(crate) fn run(&self, stream: &mut (impl Read + Write)) -> Result<()> {
        let mut answer = Vec::new();
        stream.write_all(&sasl_handshake(MECHANISM))?;
        read_frame(stream, &mut answer)?;
        ensure!(answer.get(4..6) == Some(&[0, 0]), "{MECHANISM} is not offered");

        let mut nonce = [0; 18];
        rand::fill(&mut nonce).ok().context("random bytes")?;
        let first = format!("n={},r={}", self.user, STANDARD.encode(nonce));
        let server_first = exchange(stream, format!("n,,{first}").as_bytes(), &mut answer)?;
        let field = |name: &str| {
            let found = server_first.split(',').find_map(|part| part.strip_prefix(name));
            found.with_context(|| format!("no {name} in the server's first message"))
        };
        let salt = STANDARD.decode(field("s=")?)?;
        let iterations: NonZeroU32 = field("i=")?.parse()?;
        let last = format!("c=biws,r={}", field("r=")?);

        let key = self.salted(&salt, iterations);
        let client_key = sign(&key, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let said = format!("{first},{server_first},{last}");
        let signature = sign(stored_key.as_ref(), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let last = format!("{last},p={}", STANDARD.encode(proof));
        exchange(stream, last.as_bytes(), &mut answer).map(drop)
    }

    fn salted(&self, salt: &[u8], iterations: NonZeroU32) -> [u8; DIGEST] {
        let mut kept = self.salted.lock();
        if let Some(kept) = &*kept
            && kept.salt == salt
            && kept.iterations == iterations
        {
            return kept.key;
        }
        let mut key = [0; DIGEST];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, salt, self.password.as_bytes(), &mut key);
        *kept = Some(Salted { salt: salt.to_vec(), iterations, key });
        key
    }
}

fn exchange(stream: &mut (impl Read + Write), said: &[u8], answer: &mut Vec<u8>) -> Result<String> {
    stream.write_all(&authenticate(said))?;
    read_frame(stream, answer)?;
    let (error, told) = authenticated(answer).context("a SaslAuthenticate answer")?;
    ensure!(error == 0, "authentication failed with error {error}");
    Ok(String::from_utf8(told.to_vec())?)
}

fn sign(key: &[u8], text: &[u8]) -> [u8; DIGEST] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    tag.as_ref().try_into().expect("SHA-256 is 32 bytes")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write};

    use super::*;

    /// A server that says what it was told to, whatever it hears.
    struct Scripted {
        says: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Scripted {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.says.read(into)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.heard.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short");
        [&length.to_be_bytes()[..], body].concat()
    }

    fn told(error: i16, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).expect("short");
        let null = (-1_i16).to_be_bytes();
        frame(&[&[0; 4], &error.to_be_bytes()[..], &null, &length.to_be_bytes(), bytes].concat())
    }

    #[test]
    fn a_refusal_is_an_error() {
        let handshake = frame(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let says = [handshake, told(58, b"")].concat();
        let mut server = Scripted { says: Cursor::new(says), heard: Vec::new() };
        let error = Login::new("bench", "wrong").run(&mut server).expect_err("it is refused");
        assert!(error.to_string().contains("58"), "{error}");
    }

    #[test]
    fn a_password_is_salted_as_the_rfc_has_it() {
        // RFC 7677, section 3: of `pencil` and this salt, the client's proof.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let iterations = NonZeroU32::new(4096).expect("some");
        let key = Login::new("user", "pencil").salted(&salt, iterations);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said = format!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
        );
        let client_key = sign(&key, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &client_key);
        let signature = sign(stored.as_ref(), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(STANDARD.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    }
}
