//! The two passes, without objects: what stays of random logs, and of particular ones.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use protocol::batch::records::RecordSet;
use protocol::batch::{BatchBuilder, Compression, emptied};

use super::*;
use crate::limits::CLEANED_BATCH_BYTES_MAX;

const NOW: i64 = 1_000_000;
const RETENTION: i64 = 1_000;

/// A key and a value; 0 is a tombstone.
type Write = (u8, u8);

/// A step in the life of a partition.
#[derive(Debug, Clone)]
enum Step {
    Plain(Compression, Vec<Write>),
    /// Of a transaction of this producer, which it opens.
    InTransaction(i64, Compression, Vec<Write>),
    /// The end of its transaction, if it has one.
    End(i64, bool),
}

/// A record as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// A log, and what was in it once.
#[derive(Debug, Clone, Default)]
struct Log {
    batches: Vec<Bytes>,
    next: i64,
}

impl Log {
    fn push(&mut self, builder: BatchBuilder) {
        let count = i64::from(builder.count());
        self.batches.push(builder.at(self.next, 1).build());
        self.next += count;
    }

    fn write(&mut self, writes: &[Write]) {
        self.push(records(BatchBuilder::new(), writes));
    }

    fn in_transaction(&mut self, producer: i64, writes: &[Write]) {
        self.push(records(BatchBuilder::new().producer(producer, 0, 0).transactional(), writes));
    }

    fn end(&mut self, producer: i64, commit: bool) {
        let marker = BatchBuilder::new().producer(producer, 0, -1).transactional().control();
        self.push(marker.record(5, Some(&[0, 0, 0, u8::from(commit)]), Some(&[0; 6])));
    }

    fn of(steps: &[Step]) -> Self {
        let mut log = Self::default();
        let mut open = HashSet::new();
        for step in steps {
            match step {
                Step::Plain(codec, writes) => {
                    log.push(records(BatchBuilder::new().compressed(*codec), writes));
                }
                Step::InTransaction(producer, codec, writes) => {
                    open.insert(*producer);
                    let batch = BatchBuilder::new().producer(*producer, 0, 0).transactional();
                    log.push(records(batch.compressed(*codec), writes));
                }
                Step::End(producer, commit) if open.remove(producer) => log.end(*producer, *commit),
                Step::End(..) => {}
            }
        }
        log
    }

    fn view(&self, position: usize) -> BatchView<'_> {
        BatchView::whole(&self.batches[position]).unwrap()
    }

    /// One pass of the cleaner, with the clean point it came to.
    fn cleaned(&self, cleaned_upto: i64, keys_max: usize, now: i64) -> (Self, i64) {
        let mut survey = Survey::new(cleaned_upto, keys_max);
        for batch in &self.batches {
            let view = BatchView::whole(batch).unwrap();
            if view.last_offset() >= cleaned_upto {
                survey.add(&view).unwrap();
            }
        }
        let found = survey.finish();
        let upto = found.upto;
        let mut filter = Filter::new(found, now, RETENTION);
        let mut batches = Vec::new();
        let mut last = None;
        for batch in &self.batches {
            let view = BatchView::whole(batch).unwrap();
            let below = view.last_offset() < upto;
            let left = if below { filter.batch(batch).unwrap() } else { Some(batch.clone()) };
            if !below && let Some(last) = last.take() {
                batches.push(last);
            }
            last = if left.is_none() { Some(emptied(&view)) } else { None };
            batches.extend(left);
        }
        batches.extend(last);
        (Self { batches, next: self.next }, upto)
    }

    fn records(&self) -> Vec<Seen> {
        let views = self.batches.iter().map(|batch| BatchView::whole(batch).unwrap());
        views.filter(|view| !view.is_control()).flat_map(|view| seen(&view)).collect()
    }

    /// What a consumer that reads committed records makes of it: the value of each key, and the
    /// offset it is from.
    fn committed(&self) -> BTreeMap<Vec<u8>, (i64, Option<Vec<u8>>)> {
        let mut table = BTreeMap::new();
        let mut apply = |records: Vec<Seen>| {
            for record in records {
                let value = (record.offset, record.value);
                let known = table.entry(record.key.unwrap()).or_insert_with(|| value.clone());
                if known.0 < value.0 {
                    *known = value;
                }
            }
        };
        let mut open: HashMap<i64, Vec<Seen>> = HashMap::new();
        for batch in &self.batches {
            let view = BatchView::whole(batch).unwrap();
            if view.is_control() {
                let records = open.remove(&view.producer_id()).unwrap_or_default();
                if survey::Marker::of(&view).unwrap() == Some(survey::Marker::Commit) {
                    apply(records);
                }
            } else if view.is_transactional() {
                open.entry(view.producer_id()).or_default().extend(seen(&view));
            } else {
                apply(seen(&view));
            }
        }
        table
    }
}

fn records(mut builder: BatchBuilder, writes: &[Write]) -> BatchBuilder {
    for (timestamp, (key, value)) in (100..).zip(writes) {
        let value = (*value > 0).then_some([*value]);
        builder.push(timestamp, Some(&[*key]), value.as_ref().map(<[u8; 1]>::as_slice));
    }
    builder
}

fn seen(view: &BatchView<'_>) -> Vec<Seen> {
    let set = RecordSet::open(view, CLEANED_BATCH_BYTES_MAX).unwrap();
    let seen = set.iter().map(|record| {
        let record = record.unwrap();
        Seen {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        }
    });
    seen.collect()
}

fn codec() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Gzip),
        Just(Compression::Snappy),
        Just(Compression::Lz4),
        Just(Compression::Zstd),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let writes = || vec((0..6u8, 0..4u8), 1..5);
    prop_oneof![
        4 => (codec(), writes()).prop_map(|(codec, writes)| Step::Plain(codec, writes)),
        3 => (0..3i64, codec(), writes())
            .prop_map(|(producer, codec, writes)| Step::InTransaction(producer, codec, writes)),
        2 => (0..3i64, any::<bool>()).prop_map(|(producer, commit)| Step::End(producer, commit)),
    ]
}

proptest! {
    /// C14, whatever is written: consumers see the values they would have seen, no key has two values
    /// below the clean point, and nothing is changed but by leaving it out.
    #[test]
    fn the_last_value_of_each_key_stays(steps in vec(step(), 0..40), keys_max in 8..40usize) {
        let log = Log::of(&steps);
        let (cleaned, upto) = log.cleaned(0, keys_max, NOW);
        prop_assert_eq!(cleaned.committed(), log.committed());

        let before = log.records();
        let after = cleaned.records();
        let mut rest = before.iter();
        prop_assert!(after.iter().all(|record| rest.any(|it| it == record)), "same records, in order");
        let below: Vec<_> = after.iter().filter(|record| record.offset < upto).collect();
        let keys: HashSet<_> = below.iter().map(|record| &record.key).collect();
        prop_assert_eq!(keys.len(), below.len(), "one value per key below the clean point");
        let above = |records: &[Seen]| {
            records.iter().filter(|record| record.offset >= upto).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(above(&after), above(&before));

        let ends = |log: &Log| log.batches.last().map(|batch| BatchView::whole(batch).unwrap().last_offset());
        prop_assert_eq!(ends(&cleaned), ends(&log), "where the log ends is to be seen");
        let bases: Vec<_> = (0..cleaned.batches.len()).map(|at| cleaned.view(at).base_offset()).collect();
        prop_assert!(bases.is_sorted());
    }

    /// What is clean stays as it is, byte by byte, and later passes finish what the first had no
    /// memory for.
    #[test]
    fn cleaning_again_changes_nothing(steps in vec(step(), 0..40), keys_max in 8..40usize) {
        let log = Log::of(&steps);
        let (mut cleaned, mut upto) = log.cleaned(0, keys_max, NOW);
        loop {
            let (next, next_upto) = cleaned.cleaned(upto, keys_max, NOW);
            if next_upto == upto {
                break;
            }
            (cleaned, upto) = (next, next_upto);
        }
        let (at_once, at_once_upto) = log.cleaned(0, 1_000, NOW);
        prop_assert!(upto <= at_once_upto, "a transaction alone may have too many keys");
        prop_assert_eq!(cleaned.committed(), at_once.committed());
        let (again, _) = at_once.cleaned(at_once_upto, 1_000, NOW);
        let (once_more, _) = again.cleaned(at_once_upto, 1_000, NOW);
        prop_assert_eq!(once_more.batches, again.batches);
    }

    /// With tombstones and markers gone, too, consumers see the same values.
    #[test]
    fn what_may_go_at_its_horizon_is_not_missed(steps in vec(step(), 0..40)) {
        let log = Log::of(&steps);
        let values = |log: &Log| {
            let mut table = log.committed();
            table.retain(|_, (_, value)| value.is_some());
            table
        };
        let (first, upto) = log.cleaned(0, 1_000, NOW);
        let (second, _) = first.cleaned(upto, 1_000, NOW + RETENTION);
        let (third, _) = second.cleaned(upto, 1_000, NOW + 2 * RETENTION);
        prop_assert_eq!(values(&third), values(&log));
        let left = third.records();
        let tombstones = left.iter().filter(|record| record.offset < upto && record.value.is_none());
        prop_assert_eq!(tombstones.count(), 0);
    }
}

#[test]
fn a_tombstone_stays_for_its_time_and_then_goes() {
    let mut log = Log::default();
    log.write(&[(1, 1), (2, 1)]);
    log.write(&[(1, 0)]);
    let (first, upto) = log.cleaned(0, 100, NOW);
    assert_eq!(upto, 3);
    let offsets = |log: &Log| log.records().iter().map(|it| it.offset).collect::<Vec<_>>();
    assert_eq!(offsets(&first), [1, 2]);
    assert_eq!(first.view(1).delete_horizon_ms(), Some(NOW + RETENTION));
    assert_eq!(first.records()[1].timestamp, 100, "its time is what it was");
    let (early, _) = first.cleaned(upto, 100, NOW + RETENTION - 1);
    assert_eq!(early.batches, first.batches);
    let (late, _) = first.cleaned(upto, 100, NOW + RETENTION);
    assert_eq!(offsets(&late), [1]);
    assert_eq!((late.view(1).last_offset(), late.view(1).record_count()), (2, 0), "emptied");
}

#[test]
fn records_without_a_key_are_dropped() {
    let mut log = Log::default();
    log.push(BatchBuilder::new().record(1, None, Some(b"x")).record(2, Some(b"k"), Some(b"y")));
    let (cleaned, _) = log.cleaned(0, 100, NOW);
    assert_eq!(cleaned.records().len(), 1);
}

#[test]
fn an_open_transaction_holds_the_clean_point() {
    let mut log = Log::default();
    log.write(&[(1, 1)]);
    log.write(&[(1, 2)]);
    log.in_transaction(7, &[(2, 1)]);
    log.write(&[(1, 3), (2, 2)]);
    let (cleaned, upto) = log.cleaned(0, 100, NOW);
    assert_eq!(upto, 2);
    let offsets: Vec<_> = cleaned.records().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [2, 3, 4], "1 has a later value above the clean point");
    log.end(7, true);
    assert_eq!(log.cleaned(0, 100, NOW).1, 6);
}

#[test]
fn aborted_records_go_and_their_marker_stays() {
    let mut log = Log::default();
    log.write(&[(1, 1)]);
    log.in_transaction(7, &[(1, 2), (2, 2)]);
    log.end(7, false);
    log.in_transaction(7, &[(3, 3)]);
    log.end(7, true);
    let (mut cleaned, upto) = log.cleaned(0, 100, NOW);
    let offsets: Vec<_> = cleaned.records().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 4]);
    for pass in 1..4 {
        (cleaned, _) = cleaned.cleaned(upto, 100, NOW + pass * RETENTION);
        let markers: Vec<_> = cleaned
            .batches
            .iter()
            .filter_map(|batch| {
                let view = BatchView::whole(batch).unwrap();
                view.is_control().then(|| view.base_offset())
            })
            .collect();
        assert_eq!(markers, [3, 5], "the commit's records are there still");
    }
}

#[test]
fn a_commit_marker_goes_some_time_after_its_last_record() {
    let mut log = Log::default();
    log.in_transaction(7, &[(1, 1)]);
    log.end(7, true);
    log.write(&[(1, 2)]);
    let markers = |log: &Log| {
        let views = log.batches.iter().map(|batch| BatchView::whole(batch).unwrap());
        views
            .filter(|view| view.is_control())
            .map(|view| view.delete_horizon_ms())
            .collect::<Vec<_>>()
    };
    let (first, upto) = log.cleaned(0, 100, NOW);
    assert_eq!(markers(&first), [None], "its records were there");
    let (second, _) = first.cleaned(upto, 100, NOW + 5);
    assert_eq!(markers(&second), [Some(NOW + 5 + RETENTION)]);
    let (third, _) = second.cleaned(upto, 100, NOW + 5 + RETENTION);
    assert_eq!(markers(&third), []);
}

#[test]
fn with_more_keys_than_memory_the_clean_point_stops_early() {
    let mut log = Log::default();
    for round in 0..4 {
        log.write(&[(2 * round, 1), (2 * round + 1, 1)]);
        log.write(&[(2 * round, 2), (2 * round + 1, 2)]);
    }
    let (cleaned, upto) = log.cleaned(0, 7, NOW);
    assert_eq!(upto, 10, "the sixth batch may not fit");
    assert_eq!(cleaned.cleaned(upto, 7, NOW).1, 16);
    let mut survey = Survey::new(0, 1);
    survey.add(&log.view(0)).unwrap();
    let found = survey.finish();
    assert!(found.full && found.upto == 0, "not even one batch");
}

/// R63: a batch that claims more than it may inflate to is an error, not a full memory.
#[test]
fn a_bomb_is_refused() {
    let zeros = vec![0; CLEANED_BATCH_BYTES_MAX + 1];
    let bomb =
        BatchBuilder::new().compressed(Compression::Zstd).record(1, Some(b"k"), Some(&zeros));
    let bomb = bomb.build();
    assert!(bomb.len() < 1 << 20);
    let refused = Survey::new(0, 100).add(&BatchView::whole(&bomb).unwrap());
    assert_eq!(refused, Err(RecordsError::TooLarge { max: CLEANED_BATCH_BYTES_MAX }));
}
