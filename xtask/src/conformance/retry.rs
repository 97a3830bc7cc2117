//! What comes over a network is asked for again when it does not come.

use std::thread;
use std::time::Duration;

/// How often a download or an installation is tried.
pub(super) const DOWNLOAD_ATTEMPTS: u32 = 3;
/// How often a command is tried that builds, and may download while it does.
pub(super) const BUILD_ATTEMPTS: u32 = 2;
/// Wait before the second attempt; before each further one it is as long again.
const PAUSE: Duration = Duration::from_secs(5);

/// Tries `work` up to `attempts` times and gives its first success, or its last failure.
pub(super) fn retried<T>(
    attempts: u32,
    mut work: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    retried_after(PAUSE, attempts, &mut work)
}

fn retried_after<T>(
    pause: Duration,
    attempts: u32,
    work: &mut dyn FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut attempt = 1;
    loop {
        match work() {
            Err(error) if attempt < attempts => {
                println!("attempt {attempt} of {attempts}: {error:#}");
                thread::sleep(pause * attempt);
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries_until(good: u32, attempts: u32) -> (anyhow::Result<u32>, u32) {
        let mut tries = 0;
        let outcome = retried_after(Duration::ZERO, attempts, &mut || {
            tries += 1;
            anyhow::ensure!(tries >= good, "try {tries}");
            Ok(tries)
        });
        (outcome, tries)
    }

    #[test]
    fn a_failure_is_tried_again_until_it_is_good() {
        assert!(matches!(tries_until(2, 3), (Ok(2), 2)));
    }

    #[test]
    fn the_last_failure_is_told() {
        let (outcome, tries) = tries_until(9, 3);
        assert_eq!(tries, 3);
        assert!(outcome.is_err_and(|error| error.to_string() == "try 3"));
    }
}
