//! Class tx: transactions of one channel.

class! {
    class 90 [];

    /// Makes the channel transactional.
    10 Select {}

    /// The channel is transactional.
    11 SelectOk {}

    /// Commits publishes and acknowledgements.
    20 Commit {}

    /// The transaction is committed.
    21 CommitOk {}

    /// Forgets publishes and acknowledgements.
    30 Rollback {}

    /// The transaction is rolled back.
    31 RollbackOk {}
}
