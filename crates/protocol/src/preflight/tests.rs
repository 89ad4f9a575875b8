//! The walker accepts what Kafka encodes and refuses what would hurt the decoder.
