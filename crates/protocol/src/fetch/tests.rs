//! Our bytes are those of the generated encoder, and read back as what was written.
