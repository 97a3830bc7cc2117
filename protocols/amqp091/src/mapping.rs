//! AMQP's words and the core's words, translated both ways. Only these modules spell both vocabularies.

pub mod consumer;
pub mod exchange;
pub mod filter;
pub mod message;
pub mod place;
pub mod queue;
pub mod refusal;
pub mod table;
pub mod translate;

pub use place::Place;
