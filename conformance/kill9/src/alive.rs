//! Waiting for a client library whose futures may never end once their connection has.
//!
//! An acknowledgement or a publish that is under way when the broker is killed is sometimes never answered by the
//! library, neither with success nor with an error. The broker has no part in that: its process is gone.

use std::time::Duration;

use lapin::Connection;

/// Time between two looks at the connection.
const LOOK: Duration = Duration::from_millis(200);
/// Time for a connection to be there and set up. A broker under load answers well within it.
const SET_UP: Duration = Duration::from_secs(20);

/// Waits for `work`, but no longer than `connection` lives.
pub async fn while_connected<Answer>(connection: &Connection, work: impl Future<Output = Answer>) -> Option<Answer> {
    let ended = async {
        while connection.status().connected() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        biased;
        answer = work => Some(answer),
        () = ended => None,
    }
}

/// Waits for a connection and what belongs to it.
pub async fn in_time<Answer>(work: impl Future<Output = Answer>) -> Option<Answer> {
    tokio::time::timeout(SET_UP, work).await.ok()
}
