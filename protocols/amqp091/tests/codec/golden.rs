//! Octets worked out by hand from the grammar of the specification, chapter 4, and its method reference.

use bytes::BytesMut;
use sabir_amqp091::codec::method::{basic, channel, connection, exchange, queue, tx};
use sabir_amqp091::codec::{
    Arguments, FieldTable, Properties, Table, Value, put_content, put_method,
};

fn encode(number: u16, method: &impl Arguments) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_method(&mut out, number, method);
    out.to_vec()
}

#[test]
fn a_method_without_arguments() {
    assert_eq!(
        encode(0x0102, &tx::Select {}),
        b"\x01\x01\x02\x00\x00\x00\x04\x00\x5a\x00\x0a\xce"
    );
}

#[test]
fn integers_are_in_network_order() {
    let tune = connection::TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 60,
    };
    assert_eq!(
        encode(0, &tune),
        b"\x01\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x1f\x07\xff\x00\x02\x00\x00\x00\x3c\xce"
    );
}

#[test]
fn bits_share_an_octet_from_the_lowest_up() {
    let declare = queue::Declare {
        ticket: 0,
        queue: "q",
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: true,
        nowait: true,
        arguments: FieldTable::default(),
    };
    assert_eq!(
        encode(1, &declare),
        b"\x01\x00\x01\x00\x00\x00\x0d\x00\x32\x00\x0a\x00\x00\x01q\x1a\x00\x00\x00\x00\xce"
    );
}

#[test]
fn a_long_string_has_four_octets_of_length() {
    assert_eq!(
        encode(1, &channel::OpenOk { channel_id: b"" }),
        b"\x01\x00\x01\x00\x00\x00\x08\x00\x14\x00\x0b\x00\x00\x00\x00\xce"
    );
}

#[test]
fn the_errata_number_of_exchange_unbind_ok_is_51() {
    assert_eq!(encode(1, &exchange::UnbindOk {})[7..11], [0, 40, 0, 51]);
}

#[test]
fn a_content_is_a_method_a_header_and_a_body() {
    let publish = basic::Publish {
        ticket: 0,
        exchange: "x",
        routing_key: "k",
        mandatory: true,
        immediate: false,
    };
    let mut out = BytesMut::new();
    put_content(&mut out, 1, &publish, &[0x10, 0x00, 0x02], b"hi", 4096);
    let expected: &[&[u8]] = &[
        b"\x01\x00\x01\x00\x00\x00\x0b\x00\x3c\x00\x28\x00\x00\x01x\x01k\x01\xce",
        b"\x02\x00\x01\x00\x00\x00\x0f\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x10\x00\x02\xce",
        b"\x03\x00\x01\x00\x00\x00\x02hi\xce",
    ];
    assert_eq!(&out[..], &expected.concat()[..]);
}

#[test]
fn property_flags_run_from_the_highest_bit_down() {
    let properties = Properties {
        content_type: Some(b"a"),
        priority: Some(3),
        cluster_id: Some(b""),
        ..Properties::default()
    };
    let mut out = BytesMut::new();
    properties.put(&mut out);
    assert_eq!(&out[..], b"\x88\x04\x01a\x03\x00");
}

#[test]
fn every_field_type_has_its_letter() {
    let cases: [(Value, &[u8]); 15] = [
        (Value::Bool(true), b"t\x01"),
        (Value::I8(-1), b"b\xff"),
        (Value::U8(1), b"B\x01"),
        (Value::I16(-2), b"s\xff\xfe"),
        (Value::U16(2), b"u\x00\x02"),
        (Value::I32(-3), b"I\xff\xff\xff\xfd"),
        (Value::U32(3), b"i\x00\x00\x00\x03"),
        (Value::I64(-4), b"l\xff\xff\xff\xff\xff\xff\xff\xfc"),
        (Value::F32(1.5), b"f\x3f\xc0\x00\x00"),
        (Value::F64(1.5), b"d\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        (
            Value::Decimal { scale: 2, value: 5 },
            b"D\x02\x00\x00\x00\x05",
        ),
        (Value::from("ab"), b"S\x00\x00\x00\x02ab"),
        (Value::Timestamp(1), b"T\x00\x00\x00\x00\x00\x00\x00\x01"),
        (Value::Bytes(vec![9]), b"x\x00\x00\x00\x01\x09"),
        (Value::Void, b"V"),
    ];
    for (value, bytes) in cases {
        let mut out = BytesMut::new();
        value.put(&mut out);
        assert_eq!(&out[..], bytes, "{value:?}");
    }
}

#[test]
fn tables_and_arrays_are_nested_with_their_length_in_octets() {
    let table = Table::new()
        .with("a", vec![Value::U8(1), Value::Void])
        .with("t", Table::new().with("v", Value::Void));
    assert_eq!(
        &table.encode()[..],
        b"\x01aA\x00\x00\x00\x03B\x01V\x01tF\x00\x00\x00\x03\x01vV"
    );
}
