//! Names and records read back; what is refused is what Kafka refuses.

use proptest::prelude::*;

use super::*;

fn checked(parts: &[(&str, Option<&str>)]) -> Result<QuotaEntity, QuotaError> {
    QuotaEntity::checked(parts.iter().copied())
}

proptest! {
    #[test]
    fn every_entity_reads_back(
        user in proptest::option::of(".{1,20}"),
        client_id in proptest::option::of("[<>,=%a]{1,9}"),
    ) {
        let (user, client_id) = (user.as_deref(), client_id.as_deref());
        for entity in [
            QuotaEntity::of(EntityType::User, user),
            QuotaEntity::of(EntityType::ClientId, client_id),
            QuotaEntity::user_and_client(user, client_id),
            QuotaEntity::tenant(),
        ] {
            prop_assert_eq!(QuotaEntity::parse(&entity.to_string()), Some(entity));
        }
    }
}

#[test]
fn a_user_that_is_called_as_the_default_is_not_the_default() {
    let named = QuotaEntity::of(EntityType::User, Some(DEFAULT));
    assert_eq!(named.to_string(), "user=%3Cdefault%3E");
    assert_eq!(QuotaEntity::of(EntityType::User, None).to_string(), "user=<default>");
    let both = QuotaEntity::user_and_client(Some("a=b"), None);
    assert_eq!(both.to_string(), "user=a%3Db,client-id=<default>");
    for foreign in
        ["", "user", "user=a,user=a", "client-id=a,user=b", "host=a", "user=%3cdefault%3e"]
    {
        assert_eq!(QuotaEntity::parse(foreign), None, "{foreign}");
    }
}

#[test]
fn entities_are_checked_as_kafka_does() {
    for legal in [
        &[("user", Some("a"))][..],
        &[("client-id", None)],
        &[("client-id", None), ("user", Some("a"))],
        &[("ip", None)],
        &[("ip", Some("10.0.0.1"))],
        &[("ip", Some("::1"))],
    ] {
        assert!(checked(legal).is_ok(), "{legal:?}");
    }
    for (parts, text) in [
        (&[][..], "Invalid empty client quota entity"),
        (&[("user", Some(""))], "Empty user not supported"),
        (&[("User", None)], "Unhandled client quota entity type: User"),
        (
            &[("user", None), ("user", None)],
            "Invalid client quota entity, duplicate entity entry user",
        ),
        (&[("ip", Some("a.example"))], "a.example is not a valid IP address."),
    ] {
        assert_eq!(checked(parts).unwrap_err().to_string(), text);
    }
    assert_eq!(checked(&[("ip", None), ("user", None)]), Err(QuotaError::Combination));
}

#[test]
fn values_are_checked_as_kafka_does() {
    let user = QuotaEntity::of(EntityType::User, None);
    let (ip, tenant) = (QuotaEntity::of(EntityType::Ip, None), QuotaEntity::tenant());
    for (entity, key, value, text) in [
        (&user, "byte_rate", 1.0, "Invalid configuration key byte_rate"),
        (
            &user,
            "connection_creation_rate",
            1.0,
            "Invalid configuration key connection_creation_rate",
        ),
        (&user, "partitions", 1.0, "Invalid configuration key partitions"),
        (&ip, "producer_byte_rate", 1.0, "Invalid configuration key producer_byte_rate"),
        (&user, "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0"),
        (&user, "request_percentage", f64::NAN, "Quota request_percentage must be greater than 0"),
        (&user, "producer_byte_rate", 1.5, "producer_byte_rate cannot be a fractional value."),
        (
            &user,
            "consumer_byte_rate",
            1e19,
            "Proposed value for consumer_byte_rate is too large for a LONG.",
        ),
        (
            &ip,
            "connection_creation_rate",
            3e9,
            "Proposed value for connection_creation_rate is too large for an INT.",
        ),
    ] {
        assert_eq!(QuotaKey::checked(entity, key, value).unwrap_err().to_string(), text);
    }
    for (entity, key, value) in [
        (&user, "request_percentage", 0.5),
        (&user, "producer_byte_rate", 1_024.000_000_1),
        (&ip, "connection_creation_rate", 1.0),
        (&tenant, "cold_read_byte_rate", 1e9),
    ] {
        assert_eq!(QuotaKey::checked(entity, key, value).map(QuotaKey::name), Ok(key));
    }
}

#[test]
fn records_read_back_without_what_a_newer_version_added() {
    let values =
        BTreeMap::from([(QuotaKey::ProducerByteRate, 1024.0), (QuotaKey::RequestRate, 0.5)]);
    let record = QuotaRecord { values };
    assert_eq!(QuotaRecord::decode(&record.encode()), Ok(record));
    let newer = WireQuota { values: BTreeMap::from([("record_rate".to_owned(), 1.0)]) };
    assert_eq!(QuotaRecord::decode(&seal(&newer)), Ok(QuotaRecord::default()));
    assert!(QuotaRecord::decode(&[9]).is_err());
}
