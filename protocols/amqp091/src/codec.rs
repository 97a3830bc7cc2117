//! Bytes to frames, methods and properties, and back. No state beyond limits, no policy, no session.
//!
//! Reading copies nothing: [`FrameReader::take`] cuts all complete frames off the input as one [`bytes::Bytes`], and
//! frames, methods, tables and properties borrow from it. What a caller keeps it slices out of that chunk.

pub mod assembly;
pub mod content;
pub mod frame;
pub mod greeting;
pub mod method;
pub mod properties;
pub mod table;
pub mod wire;

pub use assembly::{Assembly, Content};
pub use content::{ContentHeader, put_content};
pub use frame::{Frame, FrameKind, FrameReader, Frames, put_heartbeat};
pub use greeting::Greeting;
pub use method::{Arguments, Method, MethodId, put_method};
pub use properties::Properties;
pub use table::{FieldTable, FieldValue, Table, Value};
