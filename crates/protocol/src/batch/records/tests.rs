//! Every codec is read back, none inflates beyond its cap, and nothing panics.
