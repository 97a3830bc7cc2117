//! Which crate may depend on which.

use super::Finding;
use crate::cargo::{Metadata, Package};

/// Most crates from elsewhere that the core may depend on.
const CORE_DEPENDENCIES_MAX: usize = 5;

/// Crates that may use `anyhow`: nobody matches on their errors.
const ANYHOW_ALLOWED: [&str; 2] = ["sabir", "xtask"];

/// The height of a crate in the design; a crate depends on lower ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Selector,
    Core,
    Engine,
    Edge,
    Simulation,
    Server,
    Tool,
}

/// Checks the manifests of all members.
pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    metadata
        .packages
        .iter()
        .flat_map(|package| check_package(package, metadata))
        .collect()
}

fn check_package(package: &Package, metadata: &Metadata) -> Vec<Finding> {
    let Some(rank) = rank(package) else {
        let problem = "the crate has no rank in the design (xtask/src/tidy/edges.rs)";
        return vec![finding(package, problem.to_owned())];
    };
    let mut findings = Vec::new();
    let mut foreign = 0;
    let usual = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    for dependency in usual {
        let member = metadata
            .packages
            .iter()
            .find(|member| member.name == dependency.name);
        match member {
            Some(member) => findings.extend(edge(package, rank, member)),
            None => foreign += 1,
        }
        if dependency.name == "anyhow" && !ANYHOW_ALLOWED.contains(&package.name.as_str()) {
            let problem = "depends on anyhow: callers match on the errors of a library";
            findings.push(finding(package, problem.to_owned()));
        }
    }
    if rank == Rank::Core && foreign > CORE_DEPENDENCIES_MAX {
        let problem =
            format!("has {foreign} dependencies; the core has at most {CORE_DEPENDENCIES_MAX}");
        findings.push(finding(package, problem));
    }
    findings
}

fn edge(package: &Package, upper: Rank, member: &Package) -> Option<Finding> {
    let lower = rank(member)?;
    let name = &member.name;
    if lower >= upper {
        let problem = format!("depends on {name}, which does not rank below it");
        return Some(finding(package, problem));
    }
    let is_protocol = folder(package) == "protocols";
    if is_protocol && !matches!(name.as_str(), "sabir-core" | "sabir-security") {
        let problem = format!("depends on {name}: a protocol knows the core and security only");
        return Some(finding(package, problem));
    }
    None
}

fn rank(package: &Package) -> Option<Rank> {
    Some(match package.name.as_str() {
        "sabir-selector" => Rank::Selector,
        "sabir-core" => Rank::Core,
        "sabir-storage" | "sabir-security" | "sabir-patterns" => Rank::Engine,
        "sabir-transport" | "sabir-admin" => Rank::Edge,
        "sabir-sim" => Rank::Simulation,
        "sabir" => Rank::Server,
        "xtask" => Rank::Tool,
        _ if matches!(folder(package), "protocols" | "bridges") => Rank::Edge,
        _ if matches!(folder(package), "fuzz" | "conformance") => Rank::Tool,
        _ => return None,
    })
}

/// The top folder that the crate is in, where that says what it is.
fn folder(package: &Package) -> &'static str {
    let path = package.manifest_path.to_string_lossy().replace('\\', "/");
    ["protocols", "bridges", "fuzz", "conformance"]
        .into_iter()
        .find(|folder| path.contains(&format!("/{folder}/")))
        .unwrap_or("crates")
}

fn finding(package: &Package, problem: String) -> Finding {
    Finding {
        place: format!("crate {}", package.name),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Dependency;

    fn package(name: &str, folder: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: format!("/repository/{folder}/Cargo.toml").into(),
            dependencies: dependencies
                .iter()
                .map(|name| Dependency {
                    name: (*name).to_owned(),
                    kind: None,
                })
                .collect(),
        }
    }

    fn problems(packages: Vec<Package>) -> Vec<String> {
        let target_directory = "/repository/target".into();
        let metadata = Metadata {
            packages,
            target_directory,
        };
        check(&metadata)
            .into_iter()
            .map(|finding| finding.problem)
            .collect()
    }

    #[test]
    fn the_design_itself_is_accepted() {
        let packages = vec![
            package("sabir-core", "crates/core", &["bytes"]),
            package("sabir-storage", "crates/storage", &["sabir-core", "fjall"]),
            package("sabir-security", "crates/security", &["sabir-core"]),
            package(
                "sabir-amqp091",
                "protocols/amqp091",
                &["sabir-core", "sabir-security"],
            ),
            package(
                "sabir",
                "server",
                &["sabir-amqp091", "sabir-storage", "anyhow"],
            ),
        ];
        assert_eq!(problems(packages), Vec::<String>::new());
    }

    #[test]
    fn a_crate_that_looks_up_or_sideways_is_found() {
        let packages = vec![
            package("sabir-core", "crates/core", &["sabir-storage"]),
            package("sabir-storage", "crates/storage", &[]),
            package("sabir-mqtt", "protocols/mqtt", &["sabir-amqp091"]),
            package("sabir-amqp091", "protocols/amqp091", &["sabir-storage"]),
        ];
        let problems = problems(packages);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("sabir-storage, which does not rank below"));
        assert!(problems[1].contains("sabir-amqp091, which does not rank below"));
        assert!(problems[2].contains("a protocol knows the core and security only"));
    }

    #[test]
    fn a_core_with_too_many_dependencies_and_an_unranked_crate_are_found() {
        let packages = vec![
            package("sabir-core", "crates/core", &["a", "b", "c", "d", "e", "f"]),
            package("sabir-surprise", "crates/surprise", &["anyhow"]),
        ];
        let problems = problems(packages);
        assert!(problems[0].contains("has 6 dependencies"), "{problems:?}");
        assert!(problems[1].contains("has no rank"), "{problems:?}");
    }
}
