//! Class channel: opening, closing and flow of one channel.

class! {
    class 20 ['a];

    /// Opens the channel.
    10 Open<'a> {
        /// Reserved.
        out_of_band: &'a str,
    }

    /// The channel is open.
    11 OpenOk<'a> {
        /// Reserved.
        channel_id: &'a [u8],
    }

    /// Asks the peer to pause or go on sending contents.
    20 Flow {
        /// Whether contents may be sent.
        active: bool,
    }

    /// Answers `flow`.
    21 FlowOk {
        /// Whether contents may be sent.
        active: bool,
    }

    /// Either side ends the channel.
    40 Close<'a> {
        /// A reply code.
        reply_code: u16,
        /// Its explanation.
        reply_text: &'a str,
        /// Class of the method at fault, or 0.
        class_id: u16,
        /// The method at fault, or 0.
        method_id: u16,
    }

    /// Answers `close`; the number is free again.
    41 CloseOk {}
}
