//! First pass: every manifest, for itself, and the compacted objects it names.

use std::collections::HashSet;

use futures::StreamExt as _;

use super::finding::Defect;
use super::ledger::Ledger;
use super::report::{Note, Tally};
use super::segment::read_part;
use super::source::{Fault, Source};
use super::{PREFIXES, ScrubError};
use crate::keys::{self, Key, Parsed};
use crate::manifest::{CompactedObject, Link, Manifest, inspect};
use crate::object::BlockEntry;
use crate::producers;

/// Reads all manifests. What they say about logs is in the ledger afterwards.
pub(super) async fn scrub_manifests(
    source: &Source<'_>,
    ledger: &mut Ledger,
    tally: &mut Tally,
) -> Result<(), ScrubError> {
    let mut shared = list_shared(source).await?;
    for prefix in 0..PREFIXES {
        // In this order: an object is no orphan if a manifest read after the
        // listing names it (R30).
        let mut objects = list_objects(source, prefix, tally).await?;
        let listed = source.list(&format!("m/{prefix:02x}")).await?;
        let keys: Vec<Key> = listed.into_iter().map(|listed| listed.key).collect();
        let mut checks = futures::stream::iter(keys)
            .map(|key| check_manifest(source, key))
            .buffer_unordered(source.parallel);
        while let Some(checked) = checks.next().await {
            let Checked { key, manifest, tally: part } = checked?;
            let sound = part.report.findings.is_empty();
            tally.absorb(part);
            if let Some(manifest) = &manifest {
                for object in &manifest.objects {
                    objects.remove(&object.key);
                    shared.remove(&object.key);
                }
                if let Some(key) = producers_of(manifest) {
                    shared.remove(key);
                }
            }
            match (manifest, keys::parse(&key)) {
                (Some(manifest), _) if sound && !manifest.deleted => {
                    tally.counts().partitions += 1;
                    ledger.follow(&manifest);
                }
                (manifest, Some(Parsed::Manifest(topic, index))) => {
                    ledger.ignore(topic, index, manifest.map(|manifest| manifest.version));
                }
                _ => {}
            }
        }
        objects.into_iter().for_each(|key| tally.note(Note::Unreferenced(key)));
    }
    shared.into_iter().for_each(|key| tally.note(Note::Unreferenced(key)));
    Ok(())
}

/// Packs and producer snapshots: manifests of any prefix may name them.
async fn list_shared(source: &Source<'_>) -> Result<HashSet<Key>, ScrubError> {
    let mut shared = HashSet::new();
    for prefix in 0..PREFIXES {
        for folder in [format!("d/{prefix:02x}/packs"), format!("x/{prefix:02x}/producers")] {
            let listed = source.list(&folder).await?.into_iter().map(|listed| listed.key);
            let known = |key: &Key| {
                matches!(keys::parse(key), Some(Parsed::Pack(_) | Parsed::Producers(_)))
            };
            shared.extend(listed.filter(known));
        }
    }
    Ok(shared)
}

fn producers_of(manifest: &Manifest) -> Option<&Key> {
    manifest.producers.as_ref()?.key.as_ref()
}

/// The compacted objects that are there.
async fn list_objects(
    source: &Source<'_>,
    prefix: u16,
    tally: &mut Tally,
) -> Result<HashSet<Key>, ScrubError> {
    let mut objects = HashSet::new();
    for listed in source.list(&format!("d/{prefix:02x}")).await? {
        match keys::parse(&listed.key) {
            Some(Parsed::Compacted(..)) => _ = objects.insert(listed.key),
            Some(Parsed::Pack(_)) => {}
            _ => tally.note(Note::UnknownKey(listed.key)),
        }
    }
    Ok(objects)
}

struct Checked {
    key: Key,
    manifest: Option<Manifest>,
    tally: Tally,
}

async fn check_manifest(source: &Source<'_>, key: Key) -> Result<Checked, ScrubError> {
    let mut tally = Tally::new(source.findings_max);
    let Some(Parsed::Manifest(topic, index)) = keys::parse(&key) else {
        tally.note(Note::UnknownKey(key.clone()));
        return Ok(Checked { key, manifest: None, tally });
    };
    tally.counts().manifests += 1;
    let manifest = match read_manifest(source, &key).await {
        Ok(manifest) => manifest,
        Err(fault) => {
            match fault.defect()? {
                // Deleted after the listing.
                Defect::Missing => {}
                defect => tally.finding(key.clone(), None, defect),
            }
            return Ok(Checked { key, manifest: None, tally });
        }
    };
    let partition = manifest.partition;
    if (partition.topic, partition.index) != (topic, index) {
        let defect = Defect::ManifestDamaged(format!("belongs to partition {partition}"));
        tally.finding(key.clone(), None, defect);
        return Ok(Checked { key, manifest: None, tally });
    }
    for defect in contradictions(&manifest) {
        tally.finding(key.clone(), Some(partition), defect);
    }
    // A deleted partition promises nothing about its objects.
    if !manifest.deleted {
        for object in &manifest.objects {
            check_object(source, &manifest, object, &mut tally).await?;
        }
        check_producers(source, &manifest, &mut tally).await?;
    }
    Ok(Checked { key, manifest: Some(manifest), tally })
}

async fn read_manifest(source: &Source<'_>, key: &Key) -> Result<Manifest, Fault> {
    let object = source.reads().await.object(key).await?;
    Ok(inspect::decode_unchecked(&object).map_err(Defect::ManifestDamaged)?)
}

/// S2, as far as the manifest alone can break it.
fn contradictions(manifest: &Manifest) -> Vec<Defect> {
    let mut defects = Vec::new();
    for (before, link) in manifest.chain.iter().zip(manifest.chain.iter().skip(1)) {
        defects.extend(check_succession(before, link));
    }
    if defects.is_empty() {
        // The same again, and all the rest: owner, history, objects, log start.
        defects.extend(manifest.check().err().map(Defect::Manifest));
    }
    if defects.is_empty() {
        defects.extend(check_history(manifest));
        defects.extend(check_coverage(manifest));
    }
    defects
}

fn check_succession(before: &Link, link: &Link) -> Option<Defect> {
    let (epoch, found) = (link.epoch, link.start_offset);
    if epoch <= before.epoch {
        return Some(Defect::ChainEpoch { previous: before.epoch, found: epoch });
    }
    // An open link inside the chain is for `Manifest::check` to name.
    let expected = before.end_offset?;
    if found > expected {
        return Some(Defect::ChainGap { epoch, expected, found });
    }
    (found < expected).then_some(Defect::ChainOverlap { epoch, expected, found })
}

/// The history is never trimmed, so it knows every link.
fn check_history(manifest: &Manifest) -> Option<Defect> {
    let unknown = |link: &&Link| {
        let start = (link.epoch, link.start_offset);
        // Epochs without a record may have left the history.
        link.end_offset != Some(link.start_offset) && !manifest.epoch_history.contains(&start)
    };
    let link = manifest.chain.iter().find(unknown)?;
    Some(Defect::History { epoch: link.epoch, start: link.start_offset })
}

/// Every readable offset is in a compacted object or in a log of the chain.
fn check_coverage(manifest: &Manifest) -> Option<Defect> {
    let mut covered = manifest.log_start_offset;
    for object in &manifest.objects {
        if object.base_offset > covered {
            return Some(Defect::Uncovered { from: covered, to: object.base_offset });
        }
        covered = covered.max(object.last_offset + 1);
    }
    let chain_start = manifest.chain.first()?.start_offset;
    (chain_start > covered).then_some(Defect::Uncovered { from: covered, to: chain_start })
}

/// S3 of a producer snapshot: without it a retry could be appended twice (T1).
async fn check_producers(
    source: &Source<'_>,
    manifest: &Manifest,
    tally: &mut Tally,
) -> Result<(), ScrubError> {
    let Some(key) = producers_of(manifest) else { return Ok(()) };
    let partition = manifest.partition;
    let read = async {
        let object = source.reads().await.object(key).await?;
        let snapshot = producers::decode(&object).map_err(Defect::Damaged)?;
        let known = snapshot.partitions.contains_key(&partition);
        if known { Ok(()) } else { Err(Fault::from(Defect::NoProducers)) }
    };
    if let Err(fault) = read.await {
        tally.finding(key.clone(), Some(partition), fault.defect()?);
    }
    Ok(())
}

/// S3 of a compacted object. Compaction by key takes records out of blocks, and blocks cover what was
/// taken out: between them there is no gap.
async fn check_object(
    source: &Source<'_>,
    manifest: &Manifest,
    object: &CompactedObject,
    tally: &mut Tally,
) -> Result<(), ScrubError> {
    let partition = Some(manifest.partition);
    let reads = source.reads().await;
    let segment = match read_part(&reads, &object.key, manifest.partition, source.depth).await {
        Ok(segment) => segment,
        Err(fault) => {
            tally.finding(object.key.clone(), partition, fault.defect()?);
            return Ok(());
        }
    };
    let counts = tally.counts();
    counts.compacted_objects += 1;
    counts.blocks += segment.footer.entries.len() as u64;
    counts.batches += segment.batches();
    let found = segment.footer.entries.iter().map(|entry| u64::from(entry.byte_len)).sum();
    if found != object.size {
        let defect = Defect::PartSize { listed: object.size, found };
        tally.finding(object.key.clone(), partition, defect);
    }
    let mut next = object.base_offset;
    for (position, entry) in segment.footer.entries.iter().enumerate() {
        let defect = match segment.defects.get(&position) {
            Some(defect) => Some(defect.clone()),
            None => misplaced(manifest, object, entry, next),
        };
        let defect = defect.or_else(|| uncovered(next, entry.header.base_offset));
        next = next.max(entry.header.last_offset + 1);
        if let Some(defect) = defect {
            tally.finding(object.key.clone(), partition, defect);
        }
    }
    if let Some(defect) = uncovered(next, object.last_offset + 1) {
        tally.finding(object.key.clone(), partition, defect);
    }
    Ok(())
}

fn uncovered(from: i64, to: i64) -> Option<Defect> {
    (to > from).then_some(Defect::Uncovered { from, to })
}

fn misplaced(
    manifest: &Manifest,
    object: &CompactedObject,
    entry: &BlockEntry,
    next: i64,
) -> Option<Defect> {
    let header = &entry.header;
    let (base, last) = (header.base_offset, header.last_offset);
    let own = header.partition == manifest.partition;
    let in_place = next <= base && last <= object.last_offset;
    (!own || !in_place).then_some(Defect::ForeignBlock { partition: header.partition, base, last })
}
