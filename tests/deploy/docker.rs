//! The image and the Compose file.

use super::{
    MARGIN, assert_patient, assert_pinned, check, drain, finish, memory, output, read, repository,
    seconds, secret, tool, variables, yaml,
};
use crate::support::gateway::Directory;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, process::Output};

const DOCKERFILE: &str = "deploy/docker/Dockerfile";
const COMPOSE: &str = "deploy/docker/compose.yaml";
const ENVIRONMENT: &str = "deploy/docker/.env.example";

/// The instructions, each in one line.
fn instructions() -> Vec<(String, String)> {
    let text = read(DOCKERFILE);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, rest)| {
            (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn all(name: &str) -> Vec<String> {
    instructions()
        .into_iter()
        .filter(|(instruction, _)| instruction == name)
        .map(|(_, rest)| rest)
        .collect()
}

#[test]
fn the_dockerfile_has_no_lint() {
    assert_eq!(output(tool("hadolint").args(["--no-color", DOCKERFILE]), ""), "");
}

#[test]
fn the_image_is_built_of_what_the_manifest_says() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(all("ARG").contains(&version), "{version}");
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    let stages = all("FROM");
    assert!(stages[0].starts_with(&format!("rust:{rust}.")), "{rust}: {stages:?}");
    // The same Debian in both: a binary does not run on an older glibc than it was linked to.
    assert!(stages[0].contains("-slim-trixie "), "{stages:?}");
    assert!(all("ARG").contains(&"RUNTIME=gcr.io/distroless/cc-debian13:nonroot".to_owned()));
}

/// The layer of the dependencies is made with the manifest's package and dependencies alone.
#[test]
fn the_manifest_is_stripped_of_what_is_not_copied() {
    let run = all("RUN").swap_remove(0);
    let (_, script) = run.split_once("sed -i '").unwrap();
    let (script, rest) = script.split_once('\'').unwrap();
    assert!(rest.starts_with(" Cargo.toml "), "{run}");
    let stripped = output(tool("sed").args([script, "Cargo.toml"]), "");
    let mut manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    for targets in ["bench", "example", "test"] {
        manifest.remove(targets).unwrap();
    }
    assert_eq!(toml::from_str::<toml::Table>(&stripped).unwrap(), manifest);
}

/// What is copied from the context is let through to it, and nothing that a build does not need.
#[test]
fn the_context_is_what_is_copied() {
    let ignore = read(".dockerignore");
    let mut lines = ignore.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"));
    let allowed: BTreeSet<_> = lines.map(|line| line.strip_prefix('!').unwrap()).collect();
    let covers = |pattern: &str, path: &str| {
        let prefix = pattern.split('*').next().unwrap();
        prefix.starts_with(path) || path.starts_with(prefix)
    };
    let copied: BTreeSet<String> = all("COPY")
        .iter()
        .filter(|copy| !copy.starts_with("--from"))
        .flat_map(|copy| {
            let words: Vec<_> = copy.split(' ').map(str::to_owned).collect();
            words[..words.len() - 1].to_vec()
        })
        .collect();
    for path in &copied {
        assert!(repository(path).exists(), "COPY {path}");
        assert!(
            allowed.iter().any(|pattern| covers(pattern, path)),
            "COPY {path}: not in the context"
        );
    }
    for pattern in allowed {
        assert!(
            copied.iter().any(|path| covers(pattern, path)),
            "{pattern}: in the context, and not copied"
        );
    }
}

#[test]
fn the_image_runs_unprivileged_and_drains() {
    let user = all("USER").pop().unwrap();
    let (user, group) = user.split_once(':').unwrap();
    assert!(
        [user, group].iter().all(|id| id.parse::<u32>().unwrap() > 0),
        "by number, and not root"
    );
    let exec = |name: &str| serde_json::from_str::<Value>(&all(name).pop().unwrap()).unwrap();
    // A shell between would keep the signal to itself.
    assert_eq!(
        (exec("ENTRYPOINT"), exec("CMD")),
        (json!(["/usr/local/bin/tollgate"]), json!(["serve"]))
    );
    assert_eq!(all("STOPSIGNAL"), ["SIGTERM"]);
    assert!(all("HEALTHCHECK")[0].ends_with(r#"CMD ["/usr/local/bin/tollgate", "health"]"#));
    // A variable would go before a configuration that says loopback.
    assert!(!all("ENV").concat().contains("TOLLGATE_LISTEN"));
    assert!(all("ENV").concat().contains("TOLLGATE_ADMIN=127.0.0.1:"));
}

/// Whether Docker Compose takes its file, with this file of variables.
fn compose(environment: &Path) -> Output {
    let text = read(COMPOSE);
    // The Compose of Debian 12 is from before this key.
    let name = "name: tollgate\n";
    assert!(text.contains(name));
    let file = environment.with_file_name("compose.yaml");
    std::fs::write(&file, text.replace(name, "")).unwrap();
    let mut command = tool("docker-compose");
    command.args(["--project-directory", "deploy/docker", "--env-file"]).arg(environment);
    finish(command.arg("--file").arg(file).args(["config", "--quiet"]), "")
}

/// The file's services, with what stands in the example of its variables.
fn services() -> Value {
    let mut text = read(COMPOSE);
    for (name, value) in variables(ENVIRONMENT) {
        text = text.replace(&format!("${{{name}:?set it in .env}}"), &secret(&value));
    }
    assert!(!text.contains("${"), "{text}");
    yaml(&text).remove(0)["services"].take()
}

#[test]
fn compose_takes_the_file() {
    let directory = Directory::default();
    let lines = variables(ENVIRONMENT).into_keys().map(|name| format!("{name}=x\n"));
    let done = compose(&directory.file("variables", lines.collect::<String>()));
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}

#[test]
fn compose_wants_every_variable_of_the_example() {
    let file = read(COMPOSE);
    let used: BTreeSet<_> =
        file.split("${").skip(1).map(|rest| rest.split(":?").next().unwrap().to_owned()).collect();
    let example = variables(ENVIRONMENT);
    assert_eq!(used, example.keys().cloned().collect());
    for left_out in example.keys() {
        let directory = Directory::default();
        let lines =
            example.keys().filter(|name| *name != left_out).map(|name| format!("{name}=x\n"));
        let done = compose(&directory.file("variables", lines.collect::<String>()));
        assert!(!done.status.success(), "without {left_out}");
    }
}

#[test]
fn compose_services_are_confined() {
    for (name, service) in services().as_object().unwrap() {
        for (key, want) in [
            ("read_only", json!(true)),
            ("cap_drop", json!(["ALL"])),
            ("security_opt", json!(["no-new-privileges:true"])),
            ("restart", json!("unless-stopped")),
        ] {
            assert_eq!(service[key], want, "{name}: {key}");
        }
        for key in ["mem_limit", "pids_limit"] {
            assert!(!service[key].is_null(), "{name}: {key}");
        }
        for key in ["privileged", "cap_add", "network_mode", "pid"] {
            assert!(service[key].is_null(), "{name}: {key}");
        }
        assert_pinned(service["image"].as_str().unwrap());
        if name == "tollgate" {
            assert_eq!(service["build"]["dockerfile"], DOCKERFILE);
            assert_eq!(service["image"], concat!("tollgate:", env!("CARGO_PKG_VERSION")));
            let published = service["ports"].as_array().unwrap();
            assert!(
                published.iter().all(|port| port.as_str().unwrap().starts_with("127.0.0.1:")),
                "{published:?}"
            );
        } else {
            assert!(service["user"].is_string() && service["healthcheck"].is_object(), "{name}");
            assert!(service["ports"].is_null(), "{name}");
            assert_eq!(service["networks"], json!(["back"]), "{name}");
        }
    }
}

#[test]
fn compose_runs_a_gateway_that_fits() {
    let services = services();
    let gateway = &services["tollgate"];
    let environment = gateway["environment"].as_object().unwrap().iter();
    let environment = environment
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let configuration = check(&repository("deploy/docker/tollgate.toml"), environment);
    assert_patient(&configuration);
    let grace = toml::Table::from_iter([(
        "stop".to_owned(),
        gateway["stop_grace_period"].as_str().unwrap().into(),
    )]);
    let needed = drain(&configuration) + MARGIN;
    assert!(seconds(&grace, "stop", 0) >= needed, "{grace}, and {needed} s needed");
    let limit = gateway["mem_limit"].as_str().unwrap();
    assert!(
        limit.strip_suffix('m').unwrap().parse::<u64>().unwrap() >= memory(&configuration),
        "{limit}"
    );
    let mount = gateway["volumes"][0].as_str().unwrap();
    assert_eq!(mount, "./tollgate.toml:/etc/tollgate/tollgate.toml:ro");
    let (_, port) = configuration["server"]["listen"].as_str().unwrap().rsplit_once(':').unwrap();
    assert!(gateway["ports"][0].as_str().unwrap().ends_with(&format!(":{port}")));
    for store in ["postgres", "redis"] {
        assert_eq!(gateway["depends_on"][store]["condition"], "service_healthy");
    }
}
