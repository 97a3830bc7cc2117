//! Where a listener listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::section::{Value, quoted};

/// The address of a listener, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    /// The listener is not opened.
    Off,
    /// The listener is bound here; port 0 takes a free one.
    At(SocketAddr),
}

/// A text that is neither an address with a port nor `off`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither \"off\" nor an IP address with a port such as \"127.0.0.1:5672\" or \"[::1]:5672\""
)]
pub(crate) struct NotAnAddress(String);

impl Listen {
    /// This port on the loopback interface.
    pub(crate) const fn loopback(port: u16) -> Self {
        Self::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The address to bind, if the listener is on.
    pub(crate) const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

impl FromStr for Listen {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| NotAnAddress(text.to_owned()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::At(address) => address.fmt(formatter),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Value for Listen {
    const FORM: &'static str = "\"address:port\" or \"off\"";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_and_addresses_of_both_families_are_read() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!("127.0.0.1:5672".parse(), Ok(Listen::loopback(5672)));
        assert!("[::1]:0".parse::<Listen>().is_ok());
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        assert!("127.0.0.1".parse::<Listen>().is_err());
        assert!("5672".parse::<Listen>().is_err());
        assert!("".parse::<Listen>().is_err());
    }
}
