//! What is written reads back, and nothing else does harm.

use super::*;
use crate::{
    id::Timestamp,
    message::{Format, Message, RecordView, record},
    name::Name,
    routing::Subject,
};
use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

#[test]
fn entries_read_back_as_they_were_written() {
    let mut body = Vec::new();
    let targets = [(LogId(256), Offset(7)), (LogId(513), Offset(0))];
    let (start, length) = write_publish(
        &mut body,
        |body| body.extend_from_slice(b"record"),
        &targets,
    );
    write_settle(&mut body, LogId(256), 99, &[(3, 5), (9, 9)]);
    write_attempts(&mut body, LogId(256), Offset(8), 2);
    write_catalog(&mut body, b"key", Some(b"value"));
    write_catalog(&mut body, b"key", None);
    write_truncate(&mut body, LogId(256), Offset(10));
    write_deduplicate(&mut body, LogId(256), b"id", 5);
    assert_eq!(body.get(start..start + length), Some(&b"record"[..]));
    let read: Vec<_> = Entries::of(&body).collect::<Result<_, _>>().unwrap();
    assert_eq!(
        read,
        [
            Entry::Publish {
                record: b"record",
                record_start: start,
                targets: targets.to_vec()
            },
            Entry::Settle {
                log: LogId(256),
                bytes: 99,
                ranges: vec![(3, 5), (9, 9)]
            },
            Entry::Attempts {
                log: LogId(256),
                offset: Offset(8),
                attempts: 2
            },
            Entry::Catalog {
                key: b"key",
                value: Some(b"value")
            },
            Entry::Catalog {
                key: b"key",
                value: None
            },
            Entry::Truncate {
                log: LogId(256),
                head: Offset(10)
            },
            Entry::Deduplicate {
                log: LogId(256),
                id: b"id",
                until_ms: 5
            },
        ]
    );
}

#[test]
fn a_cut_body_is_an_error_and_the_end() {
    let mut body = Vec::new();
    write_attempts(&mut body, LogId(1), Offset(1), 1);
    body.pop();
    let mut entries = Entries::of(&body);
    assert_eq!(entries.next(), Some(Err(Malformed)));
    assert_eq!(entries.next(), None);
}

/// Something that is written down, with what it must read back as.
#[derive(Clone, Debug)]
enum Written {
    Publish(Vec<(u64, u64)>, Box<Message>),
    Settle(u64, u64, Vec<(u64, u64)>),
    Attempts(u64, u64, u32),
    Catalog(Vec<u8>, Option<Vec<u8>>),
    Truncate(u64, u64),
    Deduplicate(u64, Vec<u8>, u64),
}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

fn messages() -> impl Strategy<Value = Message> {
    let waits = (option::of(any::<u64>()), option::of(any::<u64>()));
    let envelope = ("[a-z.]{0,255}", bytes(256), vec(bytes(20), 0..4));
    let flags = (any::<bool>(), any::<u8>(), any::<u8>());
    (envelope, flags, waits, bytes(100), bytes(300)).prop_map(
        |((exchange, key, extra_keys), (persistent, priority, format), waits, head, body)| {
            Message {
                exchange: Name::from(exchange.as_str()),
                routing_key: Subject::from_bytes(key.into()),
                extra_keys: extra_keys.into_iter().map(Bytes::from).collect(),
                persistent,
                priority,
                ttl_ms: waits.0,
                delay_ms: waits.1,
                deduplication_id: None,
                format: Format(format),
                head: head.into(),
                body: body.into(),
                deaths: Vec::new(),
            }
        },
    )
}

/// Ranges as a block has them: in order, apart from each other.
fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec((2..1_000_000_u64, 0..1_000_000_u64), 1..20).prop_map(|steps| {
        let mut end = 0;
        let range = |(gap, length)| {
            let first = end + gap;
            end = first + length;
            (first, end)
        };
        steps.into_iter().map(range).collect()
    })
}

fn entries() -> impl Strategy<Value = Written> {
    let targets = vec(any::<(u64, u64)>(), 1..9);
    prop_oneof![
        (targets, messages()).prop_map(|(to, message)| Written::Publish(to, Box::new(message))),
        (any::<u64>(), any::<u64>(), ranges())
            .prop_map(|(log, bytes, ranges)| { Written::Settle(log, bytes, ranges) }),
        any::<(u64, u64, u32)>()
            .prop_map(|(log, offset, attempts)| { Written::Attempts(log, offset, attempts) }),
        (bytes(40), option::of(bytes(200))).prop_map(|(key, value)| Written::Catalog(key, value)),
        any::<(u64, u64)>().prop_map(|(log, head)| Written::Truncate(log, head)),
        (any::<u64>(), bytes(40), any::<u64>())
            .prop_map(|(log, id, until)| Written::Deduplicate(log, id, until)),
    ]
}

impl Written {
    fn write(&self, body: &mut Vec<u8>) {
        match self {
            Self::Publish(to, message) => {
                let to: Vec<_> = to.iter().map(|to| (LogId(to.0), Offset(to.1))).collect();
                write_publish(body, |body| record::encode(body, message, NOW), &to);
            }
            Self::Settle(log, bytes, ranges) => write_settle(body, LogId(*log), *bytes, ranges),
            Self::Attempts(log, offset, attempts) => {
                write_attempts(body, LogId(*log), Offset(*offset), *attempts);
            }
            Self::Catalog(key, value) => write_catalog(body, key, value.as_deref()),
            Self::Truncate(log, head) => write_truncate(body, LogId(*log), Offset(*head)),
            Self::Deduplicate(log, id, until) => write_deduplicate(body, LogId(*log), id, *until),
        }
    }

    fn is_read_as(&self, entry: &Entry<'_>) -> bool {
        match (self, entry) {
            (
                Self::Publish(to, message),
                Entry::Publish {
                    record, targets, ..
                },
            ) => {
                let read = targets.iter().map(|(log, offset)| (log.0, offset.0));
                read.eq(to.iter().copied()) && is_stored_as(message, record)
            }
            (Self::Settle(log, bytes, ranges), entry) => {
                let (log, bytes, ranges) = (LogId(*log), *bytes, ranges.clone());
                *entry == Entry::Settle { log, bytes, ranges }
            }
            (Self::Attempts(log, offset, attempts), entry) => {
                let (log, offset, attempts) = (LogId(*log), Offset(*offset), *attempts);
                *entry
                    == Entry::Attempts {
                        log,
                        offset,
                        attempts,
                    }
            }
            (Self::Catalog(key, value), entry) => {
                let value = value.as_deref();
                *entry == Entry::Catalog { key, value }
            }
            (Self::Truncate(log, head), entry) => {
                let (log, head) = (LogId(*log), Offset(*head));
                *entry == Entry::Truncate { log, head }
            }
            (Self::Deduplicate(log, id, until_ms), entry) => {
                let (log, until_ms) = (LogId(*log), *until_ms);
                *entry == Entry::Deduplicate { log, id, until_ms }
            }
            _ => false,
        }
    }
}

fn is_stored_as(message: &Message, record: &[u8]) -> bool {
    let Ok(view) = RecordView::parse(record) else {
        return false;
    };
    let keys: Vec<&[u8]> = message.extra_keys.iter().map(AsRef::as_ref).collect();
    view.extra_keys() == Ok(keys)
        && view.exchange == &*message.exchange
        && view.routing_key == message.routing_key.as_bytes()
        && (view.persistent(), view.priority, view.format)
            == (message.persistent, message.priority, message.format)
        && (view.ttl_ms, view.delay_ms) == (message.ttl_ms, message.delay_ms)
        && (view.timestamp, view.head, view.body) == (NOW, &message.head, &message.body)
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(written in vec(entries(), 0..20)) {
        let mut body = Vec::new();
        for entry in &written {
            entry.write(&mut body);
        }
        let read: Vec<_> = Entries::of(&body).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), written.len());
        for (written, read) in written.iter().zip(&read) {
            prop_assert!(written.is_read_as(read), "{:?} is read as {:?}", written, read);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(body in bytes(200)) {
        let read = Entries::of(&body).count();
        prop_assert!(read <= body.len());
    }
}
