//! Deterministic simulation of core and storage by seed.
//!
//! One driver, no threads, no clock: [`run`] lets random clients work on a broker whose disk loses
//! power, fails, fills up and rots, restarts it, and checks after every step what must never
//! break. The same seed gives the same trace.
//!
//! - `node`: a broker with journal, extents and index on a simulated disk, one step at a time;
//! - `keeper`: moving records to extents, checkpoints, rewriting of sparse files;
//! - `setting`: which queues and exchanges there are, and how often what happens;
//! - `clients`: what sessions do, and what they were told;
//! - `payload`: bodies that say what they are;
//! - `witness`: what was published, confirmed, delivered and settled, and what follows from it;
//! - `snapshot`: what a restart must bring back;
//! - `trace`: what happened, as a number and as text;
//! - `world`: the loop.

#![allow(clippy::panic, reason = "a check that fails ends the run")]

mod clients;
mod keeper;
mod node;
mod payload;
mod setting;
mod snapshot;
mod trace;
mod witness;
mod world;

pub use setting::{Faults, Setting};
pub use world::{Report, run};
