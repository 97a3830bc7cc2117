//! Administration over HTTP: JSON below `/api/v1/`, for the `sabir` command and for people's
//! scripts.
//!
//! - [`api`] is what travels: one file per noun, used by both ends.
//! - [`backend`] is what the broker must be able to do for it.
//! - [`failure`] is how it says no.
//! - [`http`] is the server: authentication, routes, limits.
//! - [`route`] spells the addresses, for both ends.
//!
//! It knows no protocol and holds no state of the broker: everything is asked of a
//! [`backend::AdminBackend`], under the name of whoever asks.

pub mod api;
pub mod backend;
pub mod failure;
pub mod http;
pub mod route;
