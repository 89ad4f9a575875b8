//! The table agrees with the messages, the shapes and the documentation.
