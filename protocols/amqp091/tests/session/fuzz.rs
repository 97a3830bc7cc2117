//! Any bytes, to a session at any point of the handshake.

use bytes::BytesMut;
use sabir_core::session::Session;

use super::script::Script;

fn exercise(bytes: &[u8]) {
    let mut fresh = Script::new();
    let mut input = BytesMut::from(bytes);
    fresh.session.receive(fresh.now, &mut input);
    let mut running = Script::with_channel();
    let mut input = BytesMut::from(bytes);
    running.session.receive(running.now, &mut input);
    let output = running.session.output();
    assert!(output.bytes.len() < 64 * 1024 && output.commands.len() <= bytes.len());
    running.session.end_of_input(running.now);
}

#[test]
fn sessions_survive_anything() {
    bolero::check!(name = "session")
        .with_iterations(200)
        .for_each(exercise);
}
