//! Results as they are kept: raw numbers of every run, with what they were measured on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::machine::Environment;
use super::noise::{self, Noise};
use super::{metric, statistics};

/// Which broker a run was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    /// Sabir.
    Ours,
    /// The broker that it is compared with.
    Peer,
}

/// The numbers of one run, by the keys of [`metric::METRICS`].
pub(super) type Numbers = BTreeMap<String, f64>;

/// One run of one broker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Run {
    /// What was measured.
    pub(super) numbers: Numbers,
    /// What else the machine did.
    pub(super) noise: Noise,
    /// Why the run does not count, if it does not: messages are missing, or too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) void: Option<String>,
}

/// Two runs, one after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pair {
    /// Which came first.
    pub(super) first: Side,
    /// The run of Sabir.
    pub(super) ours: Run,
    /// The run of the peer; absent where only Sabir's own growth is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peer: Option<Run>,
    /// Why the pair is not compared, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) discarded: Option<String>,
}

impl Pair {
    /// The run of one side.
    pub(super) fn run(&self, side: Side) -> Option<&Run> {
        match side {
            Side::Ours => Some(&self.ours),
            Side::Peer => self.peer.as_ref(),
        }
    }

    fn runs(&self) -> impl Iterator<Item = &Run> + Clone {
        [Some(&self.ours), self.peer.as_ref()].into_iter().flatten()
    }

    /// Why one of the runs does not count, if so.
    pub(super) fn void(&self) -> Option<&str> {
        self.runs().find_map(|run| run.void.as_deref())
    }

    /// Marks the pair as discarded when a run is void or, unless noise is accepted, was disturbed.
    pub(super) fn judge(&mut self, accept_noise: bool) {
        let void = self.void().map(ToOwned::to_owned);
        let disturbed = || noise::objection(self.runs().map(|run| &run.noise));
        self.discarded = match void {
            None if accept_noise => None,
            None => disturbed(),
            Some(reason) => Some(reason),
        };
    }

    /// Ours divided by the peer's.
    fn ratio(&self, key: &str) -> Option<f64> {
        let ours = self.ours.numbers.get(key)?;
        let peer = self.peer.as_ref()?.numbers.get(key)?;
        (*peer > 0.0).then(|| ours / peer)
    }
}

/// Pairs under one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Phase {
    /// Messages per second that were offered; absent when as many as go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<u64>,
    /// The pairs, the discarded ones too.
    pub(super) pairs: Vec<Pair>,
}

/// What the pairs of a phase say about one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    /// Median of our runs.
    pub(super) ours: f64,
    /// Median of the peer's runs.
    pub(super) peer: Option<f64>,
    /// Median of the ratios of the pairs, and the ratio that is worst for us.
    pub(super) ratio: Option<(f64, f64)>,
}

impl Phase {
    /// Whether the peer was measured too.
    pub(super) fn is_paired(&self) -> bool {
        self.pairs.iter().any(|pair| pair.peer.is_some())
    }

    /// The pairs that count.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| pair.discarded.is_none())
    }

    /// The pairs that do not, with the reason.
    pub(super) fn discarded(&self) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter_map(|pair| pair.discarded.as_deref())
    }

    /// The largest part of the machine that others took during a run that counts.
    pub(super) fn foreign_share(&self) -> f64 {
        self.kept()
            .flat_map(Pair::runs)
            .map(|run| run.noise.foreign_share)
            .fold(0.0, f64::max)
    }

    /// What the kept pairs say about a quantity; `None` when no run of ours measured it.
    pub(super) fn summary(&self, key: &str) -> Option<Summary> {
        let ratios: Vec<f64> = self.kept().filter_map(|pair| pair.ratio(key)).collect();
        let more_is_better = metric::of_key(key).is_some_and(|metric| metric.more_is_better);
        let worst = if more_is_better {
            ratios.iter().copied().reduce(f64::min)
        } else {
            ratios.iter().copied().reduce(f64::max)
        };
        Some(Summary {
            ours: self.median(Side::Ours, key)?,
            peer: self.median(Side::Peer, key),
            ratio: statistics::median(&ratios).zip(worst),
        })
    }

    fn median(&self, side: Side, key: &str) -> Option<f64> {
        let values: Vec<f64> = self
            .kept()
            .filter_map(|pair| pair.run(side)?.numbers.get(key).copied())
            .collect();
        statistics::median(&values)
    }
}

/// All runs of one scenario against one configuration of the peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Comparison {
    /// Which scenario.
    pub(super) scenario: String,
    /// How the peer was configured.
    pub(super) peer_configuration: String,
    /// How much of what was done, in words.
    pub(super) sizes: String,
    /// Whether pairs count although others disturbed them.
    #[serde(default)]
    pub(super) noise_accepted: bool,
    /// What it was measured on.
    pub(super) environment: Environment,
    /// The loads.
    pub(super) phases: Vec<Phase>,
}

impl Comparison {
    /// Whether the peer was measured too.
    pub(super) fn is_paired(&self) -> bool {
        self.phases.iter().any(Phase::is_paired)
    }

    /// Writes the results to a file of their own in `folder`.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!(
            "{}.{}.json",
            self.scenario, self.peer_configuration
        ));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Reads every result of `folder`, in the order of their file names.
    pub(super) fn read_all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let mut paths: Vec<_> = fs::read_dir(folder)
            .with_context(|| format!("no results in {}", folder.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(key: &str, value: f64) -> Run {
        Run {
            numbers: Numbers::from([(key.to_owned(), value)]),
            noise: Noise::default(),
            void: None,
        }
    }

    fn phase(key: &str, values: &[(f64, f64)]) -> Phase {
        let pairs = values
            .iter()
            .map(|(ours, peer)| Pair {
                first: Side::Ours,
                ours: run(key, *ours),
                peer: Some(run(key, *peer)),
                discarded: None,
            })
            .collect();
        Phase { rate: None, pairs }
    }

    #[test]
    fn the_worst_ratio_of_a_throughput_is_the_lowest() {
        let phase = phase(
            metric::THROUGHPUT,
            &[(20.0, 10.0), (30.0, 10.0), (15.0, 10.0)],
        );
        let summary = phase.summary(metric::THROUGHPUT).expect("measured");
        assert_eq!(summary.ratio, Some((2.0, 1.5)));
        assert_eq!((summary.ours, summary.peer), (20.0, Some(10.0)));
    }

    #[test]
    fn the_worst_ratio_of_a_cost_is_the_highest() {
        let phase = phase(metric::PROCESSOR, &[(1.0, 10.0), (2.0, 10.0), (1.0, 10.0)]);
        let summary = phase.summary(metric::PROCESSOR).expect("measured");
        assert_eq!(summary.ratio, Some((0.1, 0.2)));
    }

    #[test]
    fn a_void_pair_does_not_count_even_when_noise_is_accepted() {
        let mut phase = phase(metric::THROUGHPUT, &[(20.0, 10.0), (90.0, 10.0)]);
        if let Some(pair) = phase.pairs.last_mut() {
            pair.ours.void = Some("3 messages are missing".to_owned());
            pair.judge(true);
        }
        assert_eq!(phase.kept().count(), 1);
        assert_eq!(
            phase.discarded().collect::<Vec<_>>(),
            ["3 messages are missing"]
        );
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let comparison = Comparison {
            scenario: "s1".to_owned(),
            peer_configuration: "default".to_owned(),
            sizes: "few".to_owned(),
            noise_accepted: false,
            environment: Environment::default(),
            phases: vec![phase(metric::THROUGHPUT, &[(2.0, 1.0)])],
        };
        comparison.write(folder.path()).expect("written");
        let read = Comparison::read_all(folder.path()).expect("read");
        assert_eq!(read.len(), 1);
        let summary = read[0].phases[0].summary(metric::THROUGHPUT);
        assert_eq!(summary.and_then(|summary| summary.ratio), Some((2.0, 2.0)));
    }
}
