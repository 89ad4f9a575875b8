//! One missing rule at a time. Rule numbers are those of RELIABILITY §3.
//!
//! A mutation that the checker does not catch means that the rule is superfluous or that
//! the model does not contain what it protects from. Either way the model is to be corrected
//! before the rule is relied on.

/// Rules of a log whose every record is an object ([`crate::object_front`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFrontMutation {
    /// R1: an owner acknowledges because it believes to be one, before its PUT is answered.
    AckOnOwnership,
    /// R3 (and R2): a partition is claimed because its owner is suspected; nobody places END.
    NoEnd,
    /// R3: the old log is read before END is placed, and claimed after.
    ClaimFromStaleRead,
    /// R8: the collector deletes END together with the records before it.
    GcDeletesEnd,
    /// R13: a refused PUT counts as a repetition of one's own, without reading the slot.
    Treat412AsOk,
    /// R14: a slot that was not answered is tried again with other bytes, and whichever
    /// attempt of one's own is found there counts.
    RebatchSameSeq,
    /// R15: acknowledgements follow the answers of pipelined PUTs, not the order of slots.
    AckOutOfOrder,
    /// R16: the store does not hold a PUT to its condition, the last one wins.
    StoreNotAtomic,
    /// R20: END goes behind the highest slot listed instead of into the first hole.
    EndAfterListing,
    /// R22: a claim overwrites the manifest without comparing what it was read as.
    NoCas,
}

/// Rules of a front that is drained into the data log ([`crate::drain`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainMutation {
    /// R1: durable in the front is enough for an acknowledgement, the lease is not looked at.
    NoLeaseCheck,
    /// R4: the lease is looked at before the write instead of after it.
    CheckBeforeWrite,
    /// R4: the drainer does not wait for the lease to run out.
    DrainBeforeExpiry,
    /// R24: the uploader takes records that the front has not made durable.
    UploadUndurable,
    /// R25: the front is trimmed below an upload that is still under way.
    TrimBeforeCommit,
    /// R26: the log's end is taken from a drainer's snapshot of the front.
    LeoFromSnapshot,
}
