//! Decoding undoes encoding, and where the bytes are split makes no difference.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use sabir_amqp091::codec::method::basic;
use sabir_amqp091::codec::{
    Assembly, Content, FieldTable, FrameKind, FrameReader, Frames, Method, Properties, Table,
    put_content, put_method,
};

use super::strategies::{Owned, properties, table};

const FRAME_BYTES_MAX: u32 = 4096;

/// A reader as after `tune-ok`.
fn reader() -> FrameReader {
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    reader.batch();
    reader
}

/// Reads all contents out of `input`, which arrives in pieces of the given sizes.
fn contents(stream: &[u8], pieces: &[usize]) -> Vec<Content<String>> {
    let mut input = BytesMut::new();
    let mut assembly = Assembly::Idle;
    let mut contents = Vec::new();
    let mut rest = stream;
    for &size in pieces.iter().cycle() {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        input.extend_from_slice(piece);
        while let Some(chunk) = reader().take(&mut input).unwrap() {
            push_chunk(&chunk, &mut assembly, &mut contents);
        }
        if rest.is_empty() {
            break;
        }
    }
    assert!(input.is_empty() && assembly.is_idle());
    contents
}

fn push_chunk(chunk: &Bytes, assembly: &mut Assembly<String>, contents: &mut Vec<Content<String>>) {
    for frame in Frames::new(chunk) {
        if frame.kind == FrameKind::Method {
            let Ok(Method::Basic(basic::Method::Deliver(deliver))) = Method::parse(frame.payload)
            else {
                panic!("a deliver was sent");
            };
            assert!(assembly.is_idle());
            *assembly = Assembly::Header(deliver.routing_key.to_owned());
        } else {
            contents.extend(assembly.push(chunk, frame, u64::MAX).unwrap());
        }
    }
}

fn deliver(routing_key: &str) -> basic::Deliver<'_> {
    basic::Deliver {
        consumer_tag: "tag",
        delivery_tag: 7,
        redelivered: false,
        exchange: "",
        routing_key,
    }
}

fn view<'a>(owned: &'a Owned, headers: Option<&'a BytesMut>) -> Properties<'a> {
    let string = |index: usize| owned.strings[index].as_deref();
    Properties {
        content_type: string(0),
        content_encoding: string(1),
        headers: headers.map(|bytes| FieldTable::parse(bytes).unwrap()),
        delivery_mode: owned.octets[0],
        priority: owned.octets[1],
        correlation_id: string(2),
        reply_to: string(3),
        expiration: string(4),
        message_id: string(5),
        timestamp: owned.timestamp,
        kind: string(6),
        user_id: string(7),
        app_id: string(8),
        cluster_id: string(9),
    }
}

proptest! {
    #[test]
    fn a_table_survives_the_round_trip(table in table()) {
        let encoded = table.encode();
        let decoded = FieldTable::parse(&encoded).unwrap();
        prop_assert_eq!(Table::from(decoded), table);
    }

    #[test]
    fn properties_survive_the_round_trip(owned in properties()) {
        let headers = owned.headers.as_ref().map(Table::encode);
        let properties = view(&owned, headers.as_ref());
        let mut encoded = BytesMut::new();
        properties.put(&mut encoded);
        prop_assert_eq!(Properties::parse(&encoded), Ok(properties));
    }

    #[test]
    fn a_method_survives_the_round_trip(
        queue in "[ -~]{0,255}",
        tag in "\\PC{0,60}",
        flags in any::<[bool; 4]>(),
        arguments in table(),
    ) {
        let arguments = arguments.encode();
        let [no_local, no_ack, exclusive, nowait] = flags;
        let consume = basic::Consume {
            ticket: 0,
            queue: &queue,
            consumer_tag: &tag,
            no_local,
            no_ack,
            exclusive,
            nowait,
            arguments: FieldTable::parse(&arguments).unwrap(),
        };
        let mut out = BytesMut::new();
        put_method(&mut out, 3, &consume);
        let mut reader = FrameReader::new(1 << 20);
        reader.batch();
        let chunk = reader.take(&mut out).unwrap().unwrap();
        let frame = Frames::new(&chunk).next().unwrap();
        prop_assert_eq!((frame.kind, frame.channel), (FrameKind::Method, 3));
        prop_assert_eq!(Method::parse(frame.payload), Ok(Method::Basic(basic::Method::Consume(consume))));
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_contents(
        bodies in vec(vec(any::<u8>(), 0..10_000), 1..6),
        pieces in vec(1usize..5000, 1..20),
    ) {
        let mut stream = BytesMut::new();
        for (index, body) in bodies.iter().enumerate() {
            put_content(&mut stream, 1, &deliver(&index.to_string()), &[0x10, 0, 2], body, FRAME_BYTES_MAX);
        }
        let whole = contents(&stream, &[usize::MAX]);
        prop_assert_eq!(&contents(&stream, &pieces), &whole);
        prop_assert_eq!(whole.len(), bodies.len());
        for (index, (content, body)) in whole.iter().zip(&bodies).enumerate() {
            prop_assert_eq!(&content.method, &index.to_string());
            prop_assert_eq!(&content.properties[..], &[0x10, 0, 2]);
            prop_assert_eq!(&content.body[..], &body[..]);
        }
    }

    #[test]
    fn no_frame_is_larger_than_the_peer_asked_for(body in vec(any::<u8>(), 0..20_000), max in 4096u32..9000) {
        let mut out = BytesMut::new();
        put_content(&mut out, 1, &deliver("key"), &[0, 0], &body, max);
        let mut reader = FrameReader::new(max - 8);
        reader.batch();
        let chunk = reader.take(&mut out).unwrap().unwrap();
        prop_assert!(out.is_empty());
        let pieces = Frames::new(&chunk).filter(|frame| frame.kind == FrameKind::Body).count();
        prop_assert_eq!(pieces, body.len().div_ceil(max as usize - 8));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..300)) {
        super::fuzz::exercise(&bytes);
    }
}

#[test]
fn a_body_in_one_frame_is_not_copied() {
    let mut stream = BytesMut::new();
    put_content(
        &mut stream,
        1,
        &deliver("key"),
        &[0, 0],
        b"payload",
        FRAME_BYTES_MAX,
    );
    let chunk = reader().take(&mut stream).unwrap().unwrap();
    let mut contents = Vec::new();
    push_chunk(&chunk, &mut Assembly::Idle, &mut contents);
    let body = &contents[0].body;
    assert!(chunk.as_ptr_range().contains(&body.as_ptr()));
}
