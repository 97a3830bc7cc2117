//! Class access of 0-8, which some clients still use.

class! {
    class 30 ['a];

    /// Asks for a ticket of the 0-8 security model; answered and otherwise ignored.
    10 Request<'a> {
        /// Reserved.
        realm: &'a str,
        /// Reserved.
        exclusive: bool,
        /// Reserved.
        passive: bool,
        /// Reserved.
        active: bool,
        /// Reserved.
        write: bool,
        /// Reserved.
        read: bool,
    }

    /// Grants a ticket.
    11 RequestOk {
        /// The ticket.
        ticket: u16,
    }
}
