//! The overlays, as `kubectl kustomize` renders them.

use super::{
    MARGIN, assert_patient, assert_pinned, check, drain, memory, output,
    pod_security::{containers, violations},
    repository, secret, tool, variables, yaml,
};
use crate::support::gateway::Directory;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How long the application beside the sidecar may take to stop, in seconds.
const APPLICATION: u64 = 30;
/// The oldest Kubernetes in which native sidecars need no feature gate, and the newest of which there are schemas.
const VERSIONS: [&str; 2] = ["1.29", "1.37"];

struct Overlay {
    name: String,
    text: String,
    objects: Vec<Value>,
}

fn overlays() -> Vec<Overlay> {
    let directory = repository("deploy/kubernetes/overlays");
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["sidecar", "standalone"]);
    names.into_iter().map(|name| overlay(&name)).collect()
}

fn overlay(name: &str) -> Overlay {
    let path = format!("deploy/kubernetes/overlays/{name}");
    let text = output(tool("kubectl").args(["kustomize", &path]), "");
    Overlay { name: name.to_owned(), objects: yaml(&text), text }
}

impl Overlay {
    fn all(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    #[track_caller]
    fn one(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{}: {kind}", self.name);
        all[0]
    }

    /// The specification of the only kind of pod that there is.
    fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    fn pod_labels(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    }

    fn gateway(&self) -> &Value {
        let found: Vec<_> = containers(self.pod())
            .filter(|(_, container)| container["name"] == "tollgate")
            .collect();
        assert_eq!(found.len(), 1, "{}", self.name);
        found[0].1
    }

    fn port(&self, name: &str) -> Option<&Value> {
        let ports = self.gateway()["ports"].as_array().unwrap();
        ports.iter().find(|port| port["name"] == name).map(|port| &port["containerPort"])
    }

    /// The gateway's environment, with what stands in the example of its Secret.
    fn environment(&self) -> BTreeMap<String, String> {
        let secrets =
            variables(&format!("deploy/kubernetes/overlays/{}/secrets.env.example", self.name));
        let value = |variable: &Value| match variable["value"].as_str() {
            Some(value) => value.to_owned(),
            None => {
                let key = variable["valueFrom"]["secretKeyRef"]["key"].as_str().unwrap();
                secret(&secrets[key])
            }
        };
        let variables = self.gateway()["env"].as_array().unwrap().iter();
        variables
            .map(|variable| (variable["name"].as_str().unwrap().to_owned(), value(variable)))
            .collect()
    }

    /// The gateway's configuration, checked.
    fn configuration(&self) -> toml::Table {
        // Where the image looks for it.
        let mounts = self.gateway()["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["mountPath"] == "/etc/tollgate").unwrap();
        assert_eq!(mount["readOnly"], true);
        let volumes = self.pod()["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let maps = self.all("ConfigMap");
        let map =
            maps.iter().find(|map| map["metadata"]["name"] == volume["configMap"]["name"]).unwrap();
        let directory = Directory::default();
        let file = directory.file("tollgate.toml", map["data"]["tollgate.toml"].as_str().unwrap());
        check(&file, self.environment())
    }
}

#[test]
fn every_object_keeps_the_schema() {
    for overlay in overlays() {
        let directory = Directory::default();
        let file = directory.file("rendered.yaml", &overlay.text);
        let mut command = tool("kubernetes-validate");
        command
            .arg("--strict")
            .args(VERSIONS.iter().flat_map(|version| ["-k", version]))
            .arg(&file);
        let said = output(&mut command, "");
        // One of which there is no schema is only warned of.
        let passed = said.lines().filter(|line| line.contains(" passed for resource ")).count();
        assert_eq!(passed, overlay.objects.len() * VERSIONS.len(), "{said}");
    }
}

#[test]
fn every_pod_is_restricted() {
    for overlay in overlays() {
        let pod = overlay.pod();
        assert_eq!(violations(pod), [""; 0], "{}", overlay.name);
        // And what the standard leaves open.
        assert_eq!(pod["automountServiceAccountToken"], false, "{}", overlay.name);
        assert_eq!(pod["enableServiceLinks"], false, "{}", overlay.name);
        let account = overlay.one("ServiceAccount");
        assert_eq!(account["metadata"]["name"], pod["serviceAccountName"]);
        assert_eq!(account["automountServiceAccountToken"], false);
        for (name, container) in containers(pod) {
            let name = format!("{}: {name}", overlay.name);
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
            for resource in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
                assert!(container["resources"].pointer(resource).is_some(), "{name}: {resource}");
            }
            assert_pinned(container["image"].as_str().unwrap());
        }
        let version = concat!(":", env!("CARGO_PKG_VERSION"));
        assert!(
            overlay.gateway()["image"].as_str().unwrap().ends_with(version),
            "{}",
            overlay.name
        );
        for namespace in overlay.all("Namespace") {
            assert_eq!(
                namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
                "restricted"
            );
        }
    }
}

#[test]
fn every_configuration_fits_its_pod() {
    for overlay in overlays() {
        let (name, pod, gateway) = (&overlay.name, overlay.pod(), overlay.gateway());
        let configuration = overlay.configuration();
        assert_patient(&configuration);
        // Endpoints are told later than the process.
        let has_delay = configuration["server"].get("drain_delay").is_some();
        assert_eq!(has_delay, name == "standalone", "{name}");
        // The sidecar's time begins when the application's has been used up.
        let others = if name == "sidecar" { APPLICATION } else { 0 };
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        let needed = others + drain(&configuration) + MARGIN;
        assert!(grace >= needed, "{name}: {grace} s of grace, and {needed} s needed");

        let limit = gateway["resources"]["limits"]["memory"].as_str().unwrap();
        let limit: u64 = limit.strip_suffix("Mi").unwrap().parse().unwrap();
        assert!(
            limit >= memory(&configuration),
            "{name}: {limit} MiB, and {} needed",
            memory(&configuration)
        );

        let (host, port) =
            configuration["server"]["listen"].as_str().unwrap().rsplit_once(':').unwrap();
        let declared = overlay.port("http").map(Value::to_string);
        match &**name {
            // Only the pod itself: whoever comes needs no key.
            "sidecar" => assert_eq!((host, declared), ("127.0.0.1", None)),
            _ => assert_eq!((host, declared.as_deref()), ("0.0.0.0", Some(port))),
        }
        let admin = &overlay.environment()["TOLLGATE_ADMIN"];
        assert_eq!(*admin, format!("0.0.0.0:{}", overlay.port("admin").unwrap()), "{name}");
    }
}

#[test]
fn secrets_reach_the_gateway_alone() {
    for overlay in overlays() {
        let (name, pod) = (&overlay.name, overlay.pod());
        assert!(
            overlay.all("Secret").is_empty(),
            "{name}: made by hand, not from a file of this repository"
        );
        assert!(
            pod["shareProcessNamespace"].is_null(),
            "{name}: one container could read the environment of another"
        );
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(
                volume["secret"].is_null() && volume["projected"].is_null(),
                "{name}: {volume}"
            );
        }
        let mut keys = BTreeSet::new();
        for (container, specification) in containers(pod) {
            assert!(specification["envFrom"].is_null(), "{name}: {container}");
            for variable in specification["env"].as_array().unwrap() {
                let secret = &variable["valueFrom"]["secretKeyRef"];
                if secret.is_object() {
                    assert_eq!(
                        (&specification["name"], &secret["name"]),
                        (&json!("tollgate"), &json!("tollgate"))
                    );
                    keys.insert(secret["key"].as_str().unwrap().to_owned());
                }
            }
        }
        let example = variables(&format!("deploy/kubernetes/overlays/{name}/secrets.env.example"));
        assert_eq!(keys, example.into_keys().collect(), "{name}");
    }
}

#[test]
fn the_sidecar_is_a_native_one() {
    let overlay = overlay("sidecar");
    let (pod, gateway) = (overlay.pod(), overlay.gateway());
    assert_eq!(&pod["initContainers"][0], gateway);
    assert_eq!(gateway["restartPolicy"], "Always");
    assert!(gateway["lifecycle"].is_null(), "it is stopped last, and drains by itself");
    let listen = overlay.configuration()["server"]["listen"].as_str().unwrap().to_owned();
    let (_, port) = listen.rsplit_once(':').unwrap();
    let url = &pod["containers"][0]["env"][0];
    assert_eq!(
        *url,
        json!({ "name": "API_BASE_URL", "value": format!("http://localhost:{port}") })
    );
    // The application is asked until everybody has heard that it goes; all that, and then the drain, has to fit.
    let hook = &pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
    let pause: u64 = match hook.as_array().unwrap().as_slice() {
        [sleep, seconds] if sleep == "sleep" => seconds.as_str().unwrap().parse().unwrap(),
        _ => panic!("{hook}"),
    };
    assert!((1..=APPLICATION).contains(&pause), "{pause}");
}

#[test]
fn gateways_are_run_alike() {
    let (one, other) = (overlay("sidecar"), overlay("standalone"));
    for key in [
        "image",
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "securityContext",
        "volumeMounts",
    ] {
        assert!(one.gateway()[key] != Value::Null, "{key}");
        assert_eq!(one.gateway()[key], other.gateway()[key], "{key}");
    }
    assert_eq!(one.pod()["securityContext"], other.pod()["securityContext"]);
    for (probe, path) in
        [("startupProbe", "/readyz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(one.gateway()[probe]["httpGet"], json!({ "path": path, "port": "admin" }));
    }
}

#[test]
fn what_selects_finds_the_pods() {
    let overlay = overlay("standalone");
    let deployment = overlay.one("Deployment");
    let selected = |selector: &Value| {
        let wanted = selector.as_object().unwrap();
        assert!(
            !wanted.is_empty()
                && wanted.iter().all(|(key, value)| overlay.pod_labels()[key] == *value),
            "{selector}"
        );
    };
    let namespace = &overlay.one("Namespace")["metadata"]["name"];
    for object in overlay.objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(object["metadata"]["namespace"], *namespace, "{}", object["kind"]);
    }
    selected(&deployment["spec"]["selector"]["matchLabels"]);
    selected(&overlay.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]);
    selected(&overlay.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]);
    for spread in overlay.pod()["topologySpreadConstraints"].as_array().unwrap() {
        selected(&spread["labelSelector"]["matchLabels"]);
    }
    let service = &overlay.one("Service")["spec"];
    selected(&service["selector"]);
    for port in service["ports"].as_array().unwrap() {
        assert_eq!(port["targetPort"], "http", "the admin port is nobody's service");
    }
    let scaled = &overlay.one("HorizontalPodAutoscaler")["spec"];
    assert_eq!(scaled["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    // A number of replicas in the manifest would undo, with each `apply`, what the autoscaler has done.
    assert!(deployment["spec"]["replicas"].is_null());
    // A disruption leaves somebody, and so does a rollout.
    let allowed = overlay.one("PodDisruptionBudget")["spec"]["maxUnavailable"].as_u64().unwrap();
    assert!(scaled["minReplicas"].as_u64().unwrap() > allowed);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
}

#[test]
fn the_network_policy_knows_the_ports() {
    let overlay = overlay("standalone");
    let policy = &overlay.one("NetworkPolicy")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let ports = |rule: &Value| {
        rule["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["port"].clone())
            .collect::<Vec<_>>()
    };
    let ingress = policy["ingress"].as_array().unwrap();
    let (api, admin) = (overlay.port("http").unwrap(), overlay.port("admin").unwrap());
    let admitted: Vec<_> = ingress.iter().flat_map(ports).collect();
    assert_eq!(admitted, [api.clone(), admin.clone()]);
    assert!(
        ingress.iter().all(|rule| !ports(rule).contains(admin) || rule["from"].is_array()),
        "the admin port is open to all"
    );
    let egress: BTreeSet<_> = policy["egress"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(ports)
        .map(|port| port.to_string())
        .collect();
    // DNS, providers, and where the examples of the URLs in the Secret lead.
    let mut wanted = BTreeSet::from(["53".to_owned(), "443".to_owned()]);
    let environment = overlay.environment();
    for variable in ["TOLLGATE_STORE", "REDIS_URL"] {
        let (_, after) = environment[variable].rsplit_once(':').unwrap();
        wanted.insert(after.split('/').next().unwrap().to_owned());
    }
    assert_eq!(egress, wanted);
    assert!(
        policy["egress"].as_array().unwrap().iter().all(|rule| rule["to"].is_array()),
        "{policy}"
    );
}
