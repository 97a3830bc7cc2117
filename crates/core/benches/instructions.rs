//! Instructions of the steps that every message takes through the core. `cargo xtask bench instructions` counts them.
//!
//! Each step is made a hundred times, so that what it allocates now and then is part of it.

#![allow(
    clippy::disallowed_types,
    missing_docs,
    reason = "what the macros expand to opens a file to talk to the profiler, and documents nothing"
)]

#[path = "instructions/routes.rs"]
mod routes;
#[path = "instructions/shard.rs"]
mod shard;

use gungraun::{library_benchmark, library_benchmark_group, main};
use routes::Lookup;
use sabir_core::request::Command;
use shard::{MESSAGES, Shard};
use std::hint::black_box;

// A message is taken, routed and written as an entry.
#[library_benchmark]
#[bench::kib(Shard::with_publishes(1024))]
#[bench::small(Shard::with_publishes(12))]
fn publish((mut shard, commands): (Shard, Vec<Command>)) -> Shard {
    shard.carry_out(black_box(commands));
    shard
}

// The open block is completed and handed out.
#[library_benchmark]
#[bench::of_a_hundred(Shard::with_open_block(1024))]
fn seal(mut shard: Shard) -> Shard {
    shard.seal();
    shard
}

// A block is safe: its messages are confirmed, leased and handed to a consumer.
#[library_benchmark]
#[bench::kib(Shard::with_sealed_block(1024))]
fn confirm_and_deliver(mut shard: Shard) -> Shard {
    shard.commit();
    shard
}

// Deliveries are acknowledged one by one.
#[library_benchmark]
#[bench::one_by_one(Shard::with_deliveries(1024))]
fn acknowledge((mut shard, commands): (Shard, Vec<Command>)) -> Shard {
    shard.carry_out(black_box(commands));
    shard
}

// The targets of a message are looked up.
#[library_benchmark]
#[bench::default_exchange(Lookup::default_exchange())]
#[bench::direct(Lookup::direct())]
#[bench::topic(Lookup::topic())]
#[bench::headers(Lookup::headers())]
fn route(mut lookup: Lookup) -> Lookup {
    for _ in 0..MESSAGES {
        lookup.route();
    }
    lookup
}

library_benchmark_group!(
    name = core,
    benchmarks = [publish, seal, confirm_and_deliver, acknowledge, route]
);

main!(library_benchmark_groups = core);
