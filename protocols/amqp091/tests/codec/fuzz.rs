//! Any bytes, through every parser. Plain `cargo test` replays the committed corpus and runs briefly beyond it.

use bytes::BytesMut;
use sabir_amqp091::codec::{
    Assembly, ContentHeader, FieldTable, FrameKind, FrameReader, Frames, Greeting, Method,
    Properties, Table,
};

/// Frames larger than this are refused, so nothing larger can be taken.
const FRAME_BYTES_MAX: u32 = 4096;

/// Feeds `bytes` to every parser and checks that none takes more than it was given.
pub(crate) fn exercise(bytes: &[u8]) {
    let _: Option<Greeting> = Greeting::take(&mut BytesMut::from(bytes));
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    reader.batch();
    let mut input = BytesMut::from(bytes);
    while let Ok(Some(chunk)) = reader.take(&mut input) {
        assert!(chunk.len() + input.len() <= bytes.len());
        let mut assembly = Assembly::Header(());
        for frame in Frames::new(&chunk) {
            payload(frame.payload);
            if frame.kind != FrameKind::Method {
                let _: Result<_, _> = assembly.push(&chunk, frame, 1 << 20);
            }
        }
    }
    payload(bytes);
}

fn payload(bytes: &[u8]) {
    if let Ok(method) = Method::parse(bytes) {
        let mut again = BytesMut::new();
        method.put(&mut again, 0);
        let frame = again.get(7..again.len() - 1).unwrap_or_default();
        assert_eq!(Method::parse(frame), Ok(method));
    }
    if let Ok(header) = ContentHeader::parse(bytes) {
        properties(header.properties);
    }
    properties(bytes);
    if let Ok(table) = FieldTable::parse(bytes) {
        let owned = Table::from(table);
        assert!(FieldTable::parse(&owned.encode()).is_ok());
    }
}

fn properties(bytes: &[u8]) {
    if let Ok(properties) = Properties::parse(bytes) {
        let mut again = BytesMut::new();
        properties.put(&mut again);
        assert_eq!(&again[..], bytes);
    }
}

#[test]
fn decoders_survive_anything() {
    bolero::check!(name = "decode")
        .with_iterations(2_000)
        .for_each(exercise);
}
