//! Class confirm: RabbitMQ's publisher confirms.

class! {
    class 85 [];

    /// Puts the channel into confirm mode.
    10 Select {
        /// No answer is wanted.
        nowait: bool,
    }

    /// The channel confirms publishes.
    11 SelectOk {}
}
