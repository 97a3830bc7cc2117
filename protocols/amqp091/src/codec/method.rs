//! Methods of all classes, in both directions (section 1 of the specification's reference, RabbitMQ's extensions).
//!
//! Methods borrow from the frame that they came in: strings are slices, tables are checked views. Nothing allocates.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::frame::{FrameKind, put_frame_end, put_frame_header};
use super::wire::{Reader, Writer};
use crate::violation::Violation;

/// Declares the methods of one class: a structure for each with its fields in the order of the wire, and an enum of
/// all of them.
macro_rules! class {
    (
        class $class:literal $enum_lifetime:tt;
        $(
            $(#[$method_doc:meta])*
            $id:literal $name:ident $(<$lifetime:lifetime>)? {
                $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
            }
        )*
    ) => {
        $(
            $(#[$method_doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name $(<$lifetime>)? {
                $($(#[$field_doc])* pub $field: $kind,)*
            }

            impl $(<$lifetime>)? $name $(<$lifetime>)? {
                #[allow(unused_variables, reason = "methods without fields read nothing")]
                fn read(reader: &mut $crate::codec::wire::Reader<$($lifetime)?>) -> Result<Self, $crate::violation::Violation> {
                    Ok(Self { $($field: $crate::codec::wire::Argument::read(reader)?,)* })
                }
            }

            impl $(<$lifetime>)? $crate::codec::method::Arguments for $name $(<$lifetime>)? {
                const ID: $crate::codec::method::MethodId =
                    $crate::codec::method::MethodId { class: $class, method: $id };

                #[allow(unused_variables, reason = "methods without fields write nothing")]
                fn write(&self, writer: &mut $crate::codec::wire::Writer<'_>) {
                    $($crate::codec::wire::Argument::write(&self.$field, writer);)*
                }
            }
        )*

        class_enum! { $class $enum_lifetime; $($id $name $(<$lifetime>)?,)* }
    };
}

macro_rules! class_enum {
    ($class:literal [$($enum_lifetime:lifetime)?]; $($id:literal $name:ident $(<$lifetime:lifetime>)?,)*) => {
        /// A method of this class.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is the structure of its name")]
        pub enum Method $(<$enum_lifetime>)? {
            $($name($name $(<$lifetime>)?),)*
        }

        impl $(<$enum_lifetime>)? Method $(<$enum_lifetime>)? {
            pub(super) fn read(
                method: u16,
                reader: &mut $crate::codec::wire::Reader<$($enum_lifetime)?>,
            ) -> Result<Self, $crate::violation::Violation> {
                match method {
                    $($id => $name::read(reader).map(Self::$name),)*
                    _ => Err($crate::violation::Violation::UnknownMethod(
                        $crate::codec::method::MethodId { class: $class, method },
                    )),
                }
            }

            /// The class and method numbers.
            pub const fn id(&self) -> $crate::codec::method::MethodId {
                match self {
                    $(Self::$name(_) => <$name as $crate::codec::method::Arguments>::ID,)*
                }
            }

            pub(super) fn write(&self, writer: &mut $crate::codec::wire::Writer<'_>) {
                match self {
                    $(Self::$name(method) => $crate::codec::method::Arguments::write(method, writer),)*
                }
            }
        }
    };
}

pub mod access;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;
pub mod tx;

/// Class and method numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MethodId {
    /// The class.
    pub class: u16,
    /// The method within the class.
    pub method: u16,
}

impl MethodId {
    /// The numbers that a close names when no method was at fault.
    pub const NONE: Self = Self {
        class: 0,
        method: 0,
    };
}

impl fmt::Display for MethodId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.class, self.method)
    }
}

/// The arguments of one method: what can be written with [`put_method`].
pub trait Arguments {
    /// The method's numbers.
    const ID: MethodId;

    /// Appends the arguments, without the numbers.
    fn write(&self, writer: &mut Writer<'_>);
}

/// A method of any class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the class of its name")]
pub enum Method<'a> {
    Connection(connection::Method<'a>),
    Channel(channel::Method<'a>),
    Access(access::Method<'a>),
    Exchange(exchange::Method<'a>),
    Queue(queue::Method<'a>),
    Basic(basic::Method<'a>),
    Confirm(confirm::Method),
    Tx(tx::Method),
}

impl<'a> Method<'a> {
    /// Reads the payload of a method frame.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(payload);
        let class = u16::from_be_bytes(reader.array()?);
        let method = u16::from_be_bytes(reader.array()?);
        let parsed = match class {
            10 => Self::Connection(connection::Method::read(method, &mut reader)?),
            20 => Self::Channel(channel::Method::read(method, &mut reader)?),
            30 => Self::Access(access::Method::read(method, &mut reader)?),
            40 => Self::Exchange(exchange::Method::read(method, &mut reader)?),
            50 => Self::Queue(queue::Method::read(method, &mut reader)?),
            60 => Self::Basic(basic::Method::read(method, &mut reader)?),
            85 => Self::Confirm(confirm::Method::read(method, &mut reader)?),
            90 => Self::Tx(tx::Method::read(method, &mut reader)?),
            _ => return Err(Violation::UnknownMethod(MethodId { class, method })),
        };
        reader.finish()?;
        Ok(parsed)
    }

    /// The numbers at the start of a method frame's payload, readable even when its arguments are not.
    pub fn id_of(payload: &[u8]) -> Option<MethodId> {
        let &[class_high, class_low, method_high, method_low] = payload.first_chunk::<4>()?;
        Some(MethodId {
            class: u16::from_be_bytes([class_high, class_low]),
            method: u16::from_be_bytes([method_high, method_low]),
        })
    }

    /// The class and method numbers.
    pub const fn id(&self) -> MethodId {
        match self {
            Self::Connection(method) => method.id(),
            Self::Channel(method) => method.id(),
            Self::Access(method) => method.id(),
            Self::Exchange(method) => method.id(),
            Self::Queue(method) => method.id(),
            Self::Basic(method) => method.id(),
            Self::Confirm(method) => method.id(),
            Self::Tx(method) => method.id(),
        }
    }

    /// Appends the method as a frame.
    pub fn put(&self, out: &mut BytesMut, channel: u16) {
        put_with(out, channel, self.id(), |writer| match self {
            Self::Connection(method) => method.write(writer),
            Self::Channel(method) => method.write(writer),
            Self::Access(method) => method.write(writer),
            Self::Exchange(method) => method.write(writer),
            Self::Queue(method) => method.write(writer),
            Self::Basic(method) => method.write(writer),
            Self::Confirm(method) => method.write(writer),
            Self::Tx(method) => method.write(writer),
        });
    }
}

/// Appends a method as a frame on `channel`.
pub fn put_method<M: Arguments>(out: &mut BytesMut, channel: u16, method: &M) {
    put_with(out, channel, M::ID, |writer| method.write(writer));
}

fn put_with(out: &mut BytesMut, channel: u16, id: MethodId, write: impl FnOnce(&mut Writer<'_>)) {
    put_frame_header(out, FrameKind::Method, channel, 0);
    let start = out.len();
    out.put_u16(id.class);
    out.put_u16(id.method);
    write(&mut Writer::new(out));
    let size = u32::try_from(out.len() - start)
        .expect("arguments are bounded by the tables that were built for them");
    if let Some(length) = out.get_mut(start - SIZE_OCTETS..start) {
        length.copy_from_slice(&size.to_be_bytes());
    }
    put_frame_end(out);
}

/// Octets of a frame's size field.
const SIZE_OCTETS: usize = 4;
