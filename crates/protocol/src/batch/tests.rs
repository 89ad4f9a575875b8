//! Views, validation, patches and the builder agree with each other and with Kafka.
