//! Which connections are let in: counts per broker and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections against their limits.
pub(crate) struct Admission {
    connections_max: usize,
    per_address_max: Option<usize>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("the limit of {0} connections is reached")]
    Broker(usize),
    #[error("the limit of {0} connections from one address is reached")]
    Address(usize),
}

/// One connection's place; given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn new(connections_max: usize, per_address_max: Option<usize>) -> Self {
        Self {
            connections_max,
            per_address_max,
            open: Mutex::default(),
        }
    }

    /// Takes a place for a connection from this address.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        let address = address.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.connections_max {
            return Err(Full::Broker(self.connections_max));
        }
        if let Some(per_address_max) = self.per_address_max {
            let from_address = open.by_address.entry(address).or_default();
            if *from_address >= per_address_max {
                return Err(Full::Address(per_address_max));
            }
            *from_address += 1;
        }
        open.total += 1;
        Ok(Permit {
            admission: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let open = &self.admission.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_full_broker_lets_in_one_for_each_that_leaves() {
        let admission = Arc::new(Admission::new(1, None));
        let first = admission.admit(HOME);
        assert!(first.is_ok());
        assert_eq!(admission.admit(HOME).err(), Some(Full::Broker(1)));
        drop(first);
        assert!(admission.admit(HOME).is_ok());
    }

    #[test]
    fn an_address_is_counted_apart_in_either_notation() {
        let admission = Arc::new(Admission::new(9, Some(1)));
        let _home = admission.admit(HOME);
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(admission.admit(mapped).err(), Some(Full::Address(1)));
        assert!(admission.admit("192.0.2.1".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_refusal_leaves_nothing_counted() {
        let admission = Arc::new(Admission::new(9, Some(1)));
        let home = admission.admit(HOME);
        let _refused = admission.admit(HOME);
        drop(home);
        let open = admission.open.lock().unwrap();
        assert_eq!((open.total, open.by_address.len()), (0, 0));
    }
}
