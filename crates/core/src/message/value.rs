//! Typed values of headers and arguments.
