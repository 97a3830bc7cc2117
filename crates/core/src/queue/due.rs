//! When the records of a lane are due: to expire, or to be let go. Records in memory are known one
//! by one; of those on disk only the soonest are, the others by the earliest of their run.

use crate::{
    broker::Fetch,
    id::{Offset, Timestamp},
    storage::Run,
};
use std::collections::BTreeSet;

/// Most records of one run on disk whose times are kept in memory.
const SOON_MAX: usize = 8_192;

/// How long before the earliest record of a run is due the run is read, in milliseconds.
pub(crate) const LEAD_MS: u64 = 5_000;

/// The times that are known of the records of one lane.
#[derive(Debug, Default)]
pub(crate) struct Dues {
    soon: BTreeSet<(Timestamp, Offset)>,
    /// When the lane's timer is set to.
    pub(crate) timer: Option<Timestamp>,
    /// Due records whose bytes have to be read from disk.
    overdue: BTreeSet<Offset>,
    /// A read for this is under way.
    pub(crate) reading: bool,
    /// The run that is being read for the times of its records.
    pub(crate) scan: Option<Scan>,
    /// Records that are worth one offer to consumers and nothing more.
    fleeting: Vec<Offset>,
}

/// Finding out which records of a run are due soonest.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) run: Run,
    /// Where it goes on.
    pub(crate) next: Offset,
    found: BTreeSet<(Timestamp, Offset)>,
    /// The earliest time of a record that is not among `found`.
    rest: Option<Timestamp>,
}

impl Scan {
    pub(crate) fn of(run: Run) -> Self {
        Self {
            run,
            next: Offset(run.first),
            found: BTreeSet::new(),
            rest: None,
        }
    }

    /// A record of the run that is due later.
    pub(crate) fn add(&mut self, due: Timestamp, offset: Offset) {
        self.found.insert((due, offset));
        if self.found.len() > SOON_MAX
            && let Some((due, _)) = self.found.pop_last()
        {
            self.rest = Some(self.rest.map_or(due, |rest| rest.min(due)));
        }
    }
}

impl Dues {
    /// The record at `offset` is due then.
    pub(crate) fn watch(&mut self, due: Timestamp, offset: Offset) {
        self.soon.insert((due, offset));
    }

    /// The record at `offset` is not watched any more.
    pub(crate) fn forget(&mut self, due: Timestamp, offset: Offset) {
        self.soon.remove(&(due, offset));
    }

    /// When the next known record is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.soon.first().map(|(due, _)| *due)
    }

    /// Takes the next record that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Offset> {
        if self.next()? > now {
            return None;
        }
        self.soon.pop_first().map(|(_, offset)| offset)
    }

    /// A due record has to be read from disk.
    pub(crate) fn read_later(&mut self, offset: Offset) {
        self.overdue.insert(offset);
    }

    /// The first of the due records that have to be read from disk.
    pub(crate) fn first_to_read(&self) -> Option<Offset> {
        self.overdue.first().copied()
    }

    /// A due record has been read, or need not be any more.
    pub(crate) fn was_read(&mut self, offset: Offset) {
        self.overdue.remove(&offset);
    }

    /// A scan has come so far.
    pub(crate) fn scanned_to(&mut self, offset: u64) {
        if let Some(scan) = &mut self.scan {
            scan.next = Offset(offset).next();
        }
    }

    /// Whether a read was for the scan that is under way.
    pub(crate) fn is_scan(&self, fetch: &Fetch) -> bool {
        self.scan
            .as_ref()
            .is_some_and(|scan| scan.run.key() == fetch.run.key() && scan.next == fetch.from)
    }

    /// Ends a scan. Returns its run and the earliest time of the records that stay unknown.
    pub(crate) fn end_scan(&mut self) -> Option<(Run, Option<Timestamp>)> {
        let scan = self.scan.take()?;
        self.soon.extend(scan.found);
        Some((scan.run, scan.rest))
    }

    /// Forgets the times of records that went to disk. Returns the earliest.
    pub(crate) fn leave(&mut self, run: &Run) -> Option<Timestamp> {
        let mut earliest = None;
        self.soon.retain(|(due, offset)| {
            let gone = (run.first..=run.last).contains(&offset.0);
            if gone {
                earliest.get_or_insert(*due);
            }
            !gone
        });
        earliest
    }

    /// A record that expires as soon as it has been offered.
    pub(crate) fn offer_once(&mut self, offset: Offset) {
        self.fleeting.push(offset);
    }

    /// The records before `offered` that were worth one offer.
    pub(crate) fn take_offered(&mut self, offered: Offset) -> Vec<Offset> {
        let count = self.fleeting.partition_point(|offset| *offset < offered);
        self.fleeting.drain(..count).collect()
    }

    /// Forgets all records.
    pub(crate) fn clear(&mut self) {
        self.soon.clear();
        self.overdue.clear();
        self.fleeting.clear();
        self.scan = None;
    }

    /// How many records it knows.
    pub(crate) fn len(&self) -> usize {
        let found = self.scan.as_ref().map_or(0, |scan| scan.found.len());
        self.soon.len() + self.overdue.len() + self.fleeting.len() + found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{ExtentFile, Tier};

    #[test]
    fn a_scan_keeps_the_soonest_and_the_time_of_the_first_other() {
        let run = Run {
            file: ExtentFile {
                tier: Tier::Durable,
                number: 1,
            },
            log: 1,
            first: 0,
            last: 20_000,
            count: 20_001,
            bytes: 1,
            due_ms_min: Some(0),
            timestamp_ms_max: 0,
        };
        let mut dues = Dues::default();
        let mut scan = Scan::of(run);
        for offset in (0..20_000).rev() {
            scan.add(Timestamp(offset), Offset(offset));
        }
        dues.scan = Some(scan);
        let rest = dues.end_scan().map(|(_, rest)| rest);
        assert_eq!(rest, Some(Some(Timestamp(SOON_MAX as u64))));
        assert_eq!(dues.len(), SOON_MAX);
        assert_eq!(dues.pop(Timestamp(0)), Some(Offset(0)));
        assert_eq!(dues.pop(Timestamp(0)), None);
        assert_eq!(dues.leave(&run), Some(Timestamp(1)));
        assert_eq!(dues.len(), 0);
    }
}
