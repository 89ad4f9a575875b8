//! A name server that takes updates: RFC 2136 over TCP, signed with TSIG (RFC 8945).
//!
//! ```text
//! prerequisite   _thermocline.NAME TXT is exactly what is expected, or there is none
//! update         delete A and AAAA of every name, add the new ones; delete the TXT, add the new one
//! ```
//!
//! The server applies all of it or none. The prerequisite names a *value* (R55): of two that decided
//! upon the same state one succeeds, and the other is told so. Reads are signed as well, so that
//! nobody else can say what DNS says. Each message has a connection of its own: there is one every
//! few seconds at most.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use async_trait::async_trait;
use base64::Engine;
use hickory_proto::op::{
    DnsResponse, Message, MessageType, OpCode, Query, ResponseCode, UpdateMessage,
};
use hickory_proto::rr::rdata::{A, AAAA, TXT, tsig::TsigAlgorithm};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};
use process::Clock;
use process::net::Net;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::config::Rfc2136Config;
use super::provider::{Content, DnsError, DnsProvider, Stamp, Swap};
use crate::limits::{DNS_TIMEOUT, TSIG_FUDGE};

/// The way to a server.
pub(super) struct Rfc2136 {
    server: String,
    zone: Name,
    /// Where the stamp is.
    owner: Name,
    signer: TSigner,
    net: Net,
    clock: Clock,
}

impl Rfc2136 {
    pub(super) fn new(
        config: &Rfc2136Config,
        owner: &str,
        net: Net,
        clock: Clock,
    ) -> Result<Self, DnsError> {
        let path = config.key_file.display();
        let refuse = |key: &str, problem: &dyn std::fmt::Display| {
            DnsError::Refused(format!("`control.gateway_sets.rfc2136.{key}`: {problem}"))
        };
        let key = std::fs::read_to_string(&config.key_file)
            .map_err(|error| refuse("key_file", &format!("{path}: {error}")))?;
        let key = base64::engine::general_purpose::STANDARD
            .decode(key.trim())
            .map_err(|error| refuse("key_file", &format!("{path} is not Base64: {error}")))?;
        let key_name = name(&config.key_name).map_err(|error| refuse("key_name", &error))?;
        let signer = TSigner::new(key, TsigAlgorithm::HmacSha256, key_name, TSIG_FUDGE)
            .map_err(|error| refuse("key_file", &error))?;
        Ok(Self {
            server: config.server.to_string(),
            zone: name(&config.zone).map_err(|error| refuse("zone", &error))?,
            owner: name(owner)?,
            signer,
            net,
            clock,
        })
    }

    /// Sends a message and waits for the answer to it, proven to be the server's.
    async fn ask(&self, mut message: Message) -> Result<DnsResponse, DnsError> {
        let refuse = |error: &dyn std::fmt::Display| DnsError::Refused(error.to_string());
        let now = self.clock.now_ms().unsigned_abs() / 1_000;
        let signed = message.finalize(&self.signer, now).map_err(|error| refuse(&error))?;
        let mut verifier = signed.ok_or_else(|| refuse(&"a message that nobody can prove"))?;
        let bytes = message.to_vec().map_err(|error| refuse(&error))?;
        let answer = self.exchange(&bytes).await?;
        // What is refused for its signature carries none itself: believed, for it changes nothing.
        let code = response_code(&answer);
        if matches!(code, ResponseCode::NotAuth | ResponseCode::Refused) {
            let key = self.signer.signer_name();
            let text = format!(
                "{} answers {code}: does it know the key `{key}`, may that key change the names, and \
                 do the clocks agree?",
                self.server
            );
            return Err(DnsError::Refused(text));
        }
        let answer = verifier.verify(&answer).map_err(|error| {
            DnsError::Unknown(format!("{} answers without proof: {error}", self.server))
        })?;
        match answer.metadata.id == message.metadata.id {
            true => Ok(answer),
            false => Err(DnsError::Unknown(format!("{} answers something else", self.server))),
        }
    }

    async fn exchange(&self, message: &[u8]) -> Result<Vec<u8>, DnsError> {
        let away =
            |error: std::io::Error| DnsError::Unavailable(format!("{}: {error}", self.server));
        let connecting = timeout(DNS_TIMEOUT, self.net.connect(&self.server)).await;
        let mut stream = connecting
            .map_err(|_| DnsError::Unavailable(format!("{} does not answer", self.server)))?
            .map_err(away)?;
        // From here on the server may have read it.
        let unknown =
            |error: std::io::Error| DnsError::Unknown(format!("{}: {error}", self.server));
        let length = u16::try_from(message.len())
            .map_err(|_| DnsError::Refused("more addresses than one update takes".to_owned()))?;
        let exchange = async {
            stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
            stream.flush().await?;
            let length = stream.read_u16().await?;
            let mut answer = vec![0; length.into()];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        match timeout(DNS_TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(unknown),
            Err(_) => Err(DnsError::Unknown(format!("{} does not answer", self.server))),
        }
    }

    /// An update of the zone that changes nothing yet.
    fn change(&self) -> Message {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.metadata.recursion_desired = false;
        let mut zone = Query::query(self.zone.clone(), RecordType::SOA);
        zone.set_query_class(DNSClass::IN);
        message.add_zone(zone);
        message
    }

    fn within_zone(&self, host: &str) -> Result<Name, DnsError> {
        let host = name(host)?;
        match self.zone.zone_of(&host) {
            true => Ok(host),
            false => {
                let text = format!("`{host}` is not in the zone `{}`", self.zone);
                Err(DnsError::Refused(text))
            }
        }
    }

    /// The update, with everything below the zone's name.
    fn update(&self, expected: Option<&Stamp>, next: &Content) -> Result<Message, DnsError> {
        let mut message = self.change();
        message.add_pre_requisite(match expected {
            Some(stamp) => Record::from_rdata(self.owner.clone(), 0, text(stamp)),
            None => of_class(&self.owner, RecordType::TXT, DNSClass::NONE),
        });
        let ttl = u32::try_from(next.ttl.as_secs()).unwrap_or(u32::MAX);
        for (host, addresses) in &next.names {
            let host = self.within_zone(host)?;
            message.add_update(of_class(&host, RecordType::A, DNSClass::ANY));
            message.add_update(of_class(&host, RecordType::AAAA, DNSClass::ANY));
            for address in addresses {
                let data = match address {
                    IpAddr::V4(address) => RData::A(A(*address)),
                    IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
                };
                message.add_update(Record::from_rdata(host.clone(), ttl, data));
            }
        }
        message.add_update(of_class(&self.owner, RecordType::TXT, DNSClass::ANY));
        message.add_update(Record::from_rdata(self.owner.clone(), ttl, text(&next.stamp)));
        Ok(message)
    }
}

#[async_trait]
impl DnsProvider for Rfc2136 {
    async fn read(&self) -> Result<Option<Stamp>, DnsError> {
        let mut message = Message::query();
        message.metadata.recursion_desired = false;
        message.metadata.message_type = MessageType::Query;
        message.add_query(Query::query(self.owner.clone(), RecordType::TXT));
        // A question changes nothing, whatever became of it.
        let answer = self.ask(message).await.map_err(|error| match error {
            DnsError::Unknown(text) => DnsError::Unavailable(text),
            other => other,
        })?;
        match answer.metadata.response_code {
            ResponseCode::NXDomain => return Ok(None),
            ResponseCode::NoError if answer.metadata.authoritative => {}
            ResponseCode::NoError => {
                let text = format!("{} is no authority for `{}`", self.server, self.owner);
                return Err(DnsError::Refused(text));
            }
            code => return Err(DnsError::Unavailable(format!("{} answers {code}", self.server))),
        }
        let texts = answer.answers.iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        match texts.collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [text] => String::from_utf8_lossy(text).parse().map(Some),
            _ => {
                Err(DnsError::Refused(format!("there are several TXT records at `{}`", self.owner)))
            }
        }
    }

    /// Takes away records that are not there: servers look at the key's rights first.
    async fn rehearse(&self, names: &[String]) -> Result<(), DnsError> {
        let mut message = self.change();
        let mut absent = |host: &Name, data| {
            let mut record = Record::from_rdata(host.clone(), 0, data);
            record.dns_class = DNSClass::NONE;
            message.add_update(record);
        };
        for host in names {
            let host = self.within_zone(host)?;
            absent(&host, RData::A(A(Ipv4Addr::UNSPECIFIED)));
            absent(&host, RData::AAAA(AAAA(Ipv6Addr::UNSPECIFIED)));
        }
        absent(&self.owner, RData::TXT(TXT::new(vec!["thermocline doctor".to_owned()])));
        let answer = self.ask(message).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError => Ok(()),
            code => Err(DnsError::Refused(format!("{} answers {code}", self.server))),
        }
    }

    async fn replace(&self, expected: Option<&Stamp>, next: &Content) -> Result<Swap, DnsError> {
        let answer = self.ask(self.update(expected, next)?).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError => Ok(Swap::Done),
            ResponseCode::NXRRSet
            | ResponseCode::YXRRSet
            | ResponseCode::NXDomain
            | ResponseCode::YXDomain => Ok(Swap::Conflict),
            ResponseCode::ServFail => Err(DnsError::Unknown(format!("{} failed", self.server))),
            code => Err(DnsError::Refused(format!("{} answers {code}", self.server))),
        }
    }
}

fn name(text: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_ascii(text)
        .map_err(|error| DnsError::Refused(format!("`{text}` is no name: {error}")))?;
    name.set_fqdn(true);
    Ok(name)
}

fn text(stamp: &Stamp) -> RData {
    RData::TXT(TXT::new(vec![stamp.to_string()]))
}

/// A record that stands for a whole set of records (RFC 2136, 2.4 and 2.5).
fn of_class(name: &Name, kind: RecordType, class: DNSClass) -> Record {
    let mut record = Record::update0(name.clone(), 0, kind).into_record_of_rdata();
    record.dns_class = class;
    record
}

/// The code in a message's header, before anything is known of the rest.
fn response_code(message: &[u8]) -> ResponseCode {
    message.get(3).map_or(ResponseCode::FormErr, |flags| ResponseCode::from(0, flags & 0xf))
}
