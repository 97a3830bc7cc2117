//! Sessions by script: frames in, frames and commands out, with made-up time and the core's part played by the test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

#[path = "session/acknowledge.rs"]
mod acknowledge;
#[path = "session/channels.rs"]
mod channels;
#[path = "session/consume.rs"]
mod consume;
#[path = "session/declare.rs"]
mod declare;
#[path = "session/fuzz.rs"]
mod fuzz;
#[path = "session/handshake.rs"]
mod handshake;
#[path = "session/publish.rs"]
mod publish;
#[path = "session/script.rs"]
mod script;
#[path = "session/time.rs"]
mod time;
#[path = "session/transaction.rs"]
mod transaction;
