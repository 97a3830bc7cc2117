//! Instructions of one message's way from the client's bytes to the journal's block, and from there to the consumer's
//! bytes. `cargo xtask bench instructions` counts them.
//!
//! Each step is made a hundred times, so that what it allocates now and then is part of it.

#![allow(
    clippy::disallowed_types,
    missing_docs,
    reason = "what the macros expand to opens a file to talk to the profiler, and documents nothing"
)]

#[path = "instructions/line.rs"]
mod line;

use bytes::BytesMut;
use gungraun::{library_benchmark, library_benchmark_group, main};
use line::Line;
use sabir_core::event::Event;
use std::hint::black_box;

// Frames of publishes are parsed, the messages routed and written into the block, and the block is handed out.
#[library_benchmark]
#[bench::kib(Line::with_publishes(1024))]
#[bench::small(Line::with_publishes(12))]
fn parse_route_encode((mut line, input): (Line, BytesMut)) -> Line {
    line.receive(black_box(input));
    line.seal();
    line
}

// Deliveries become frames.
#[library_benchmark]
#[bench::kib(Line::with_deliveries(1024))]
#[bench::small(Line::with_deliveries(12))]
fn encode_deliveries((mut line, events): (Line, Vec<Event>)) -> Line {
    line.handle(black_box(events));
    line
}

// Acknowledgements are parsed, one by one, and settle what they name.
#[library_benchmark]
#[bench::one_by_one(Line::with_acknowledgements(1024))]
fn acknowledge((mut line, input): (Line, BytesMut)) -> Line {
    line.receive(black_box(input));
    line
}

library_benchmark_group!(
    name = amqp091,
    benchmarks = [parse_route_encode, encode_deliveries, acknowledge]
);

main!(library_benchmark_groups = amqp091);
