//! A vantage point's connection to a gateway: requests one at a time, each with its answer.

use bytes::{Bytes, BytesMut};
use metadata::settings::credential::ScramClient;
use process::net::{Net, Stream};
use protocol::messages::{ApiKey, RequestHeader, SaslAuthenticateRequest, SaslHandshakeRequest};
use protocol::{Decodable, Encodable, ErrorCode, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::access::{Access, Login};
use crate::limits::PROBE_ANSWER_BYTES_MAX;

const SASL_HANDSHAKE_VERSION: i16 = 1;
const SASL_AUTHENTICATE_VERSION: i16 = 2;
const CLIENT_ID: &str = "thermocline-vantage";

/// Why a set does not serve, for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{api}: {code}")]
    Code { api: &'static str, code: ErrorCode },
    #[error("{0} answers what is not Kafka's protocol")]
    Unreadable(&'static str),
    #[error("the user `{user}` is not let in: {reason}")]
    Login { user: String, reason: String },
    #[error("the record that was produced is not the one that is fetched")]
    Different,
}

/// A connection with its questions counted.
pub(super) struct Connection {
    stream: Stream,
    asked: i32,
}

// === impl Connection ===

impl Connection {
    /// Gets in as a client does.
    pub(super) async fn open(net: &Net, address: &str, access: &Access) -> Result<Self, Failed> {
        let stream = access.secure(net.connect(address).await?, address).await?;
        let mut connection = Self { stream, asked: 0 };
        if let Some(login) = &access.login {
            connection.log_in(login).await?;
        }
        Ok(connection)
    }

    /// Proves who we are, and has the gateway prove that it knows us (RFC 5802).
    async fn log_in(&mut self, login: &Login) -> Result<(), Failed> {
        let Login { mechanism, user, password } = login;
        let refused = |reason: String| Failed::Login { user: user.clone(), reason };
        let name = StrBytes::from_static_str(mechanism.name());
        let handshake = SaslHandshakeRequest::default().with_mechanism(name);
        let answer = self.ask("SaslHandshake", &handshake, SASL_HANDSHAKE_VERSION).await?;
        check("SaslHandshake", answer.error_code)?;
        let (client, first) = ScramClient::new(*mechanism, user, password);
        let challenge = self.authenticate(login, first).await?;
        let proof = client.answer(&challenge).map_err(|error| refused(error.to_string()))?;
        let answer = self.authenticate(login, proof.message.clone()).await?;
        match proof.is_of_server(&answer) {
            true => Ok(()),
            false => Err(refused("the gateway does not prove that it knows the user".to_owned())),
        }
    }

    async fn authenticate(&mut self, login: &Login, message: Vec<u8>) -> Result<Bytes, Failed> {
        const API: &str = "SaslAuthenticate";
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
        let answer = self.ask(API, &request, SASL_AUTHENTICATE_VERSION).await?;
        if answer.error_code == 0 {
            return Ok(answer.auth_bytes);
        }
        let told = answer.error_message.map(|text| text.to_string());
        let reason = told.unwrap_or_else(|| ErrorCode::from_code(answer.error_code).to_string());
        Err(Failed::Login { user: login.user.clone(), reason })
    }

    pub(super) async fn ask<R: Request>(
        &mut self,
        api: &'static str,
        message: &R,
        version: i16,
    ) -> Result<R::Response, Failed> {
        self.asked += 1;
        let frame = frame(message, version, self.asked).ok_or(Failed::Unreadable(api))?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(usize::MAX);
        if length > PROBE_ANSWER_BYTES_MAX {
            return Err(Failed::Unreadable(api));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        let mut answer = Bytes::from(answer);
        // The correlation id, and tagged fields that nobody uses.
        let flexible = <R::Response as HeaderVersion>::header_version(version) >= 1;
        let header = size_of::<i32>() + usize::from(flexible);
        if answer.len() < header || answer[..size_of::<i32>()] != self.asked.to_be_bytes() {
            return Err(Failed::Unreadable(api));
        }
        let mut body = answer.split_off(header);
        <R::Response as Decodable>::decode(&mut body, version).map_err(|_| Failed::Unreadable(api))
    }
}

/// A request as it travels. `None` never: the versions that are asked have every field that is set.
fn frame<R: Request>(message: &R, version: i16, correlation_id: i32) -> Option<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let mut frame = BytesMut::zeroed(size_of::<i32>());
    let api = ApiKey::try_from(R::KEY).ok()?;
    header.encode(&mut frame, api.request_header_version(version)).ok()?;
    message.encode(&mut frame, version).ok()?;
    let length = i32::try_from(frame.len() - size_of::<i32>()).ok()?;
    frame[..size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
    Some(frame)
}

pub(super) fn check(api: &'static str, code: i16) -> Result<(), Failed> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(Failed::Code { api, code }),
    }
}
