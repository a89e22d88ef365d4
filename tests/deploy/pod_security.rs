//! The Pod Security Standard `restricted`, which includes `baseline`, as of Kubernetes 1.37.

use serde_json::{Value, json};

const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const SELINUX: [&str; 4] =
    ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// Every container of a pod, with a name for it.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |kind| {
        let list = pod[kind].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(move |container| {
            (format!("{kind}/{}", container["name"].as_str().unwrap()), container)
        })
    })
}

/// What the standard forbids in the specification of a pod.
pub(crate) fn violations(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[key] == true {
            found.push(key.to_owned());
        }
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        found.extend(
            kinds
                .filter(|kind| !VOLUMES.contains(&kind.as_str()))
                .map(|kind| format!("volume {kind}")),
        );
    }
    let shared = &pod["securityContext"];
    if shared["sysctls"].as_array().is_some_and(|sysctls| !sysctls.is_empty()) {
        found.push("sysctls".to_owned());
    }
    found.extend(context(shared).map(|what| format!("pod: {what}")));
    for (name, container) in containers(pod) {
        let own = &container["securityContext"];
        // What a container does not say the pod says for it.
        let effective = |key: &str| if own[key].is_null() { &shared[key] } else { &own[key] };
        let mut forbid = |what: &str| found.push(format!("{name}: {what}"));
        context(own).for_each(&mut forbid);
        if effective("runAsNonRoot") != true {
            forbid("runAsNonRoot");
        }
        let seccomp = &effective("seccompProfile")["type"];
        if seccomp != "RuntimeDefault" && seccomp != "Localhost" {
            forbid("seccompProfile");
        }
        if own["allowPrivilegeEscalation"] != false {
            forbid("allowPrivilegeEscalation");
        }
        if own["privileged"] == true {
            forbid("privileged");
        }
        if !(own["procMount"].is_null() || own["procMount"] == "Default") {
            forbid("procMount");
        }
        let capabilities = &own["capabilities"];
        if !capabilities["drop"].as_array().is_some_and(|drop| drop.contains(&json!("ALL"))) {
            forbid("capabilities.drop");
        }
        if capabilities["add"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|added| added != "NET_BIND_SERVICE")
        {
            forbid("capabilities.add");
        }
        if container["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|port| !port["hostPort"].is_null())
        {
            forbid("hostPort");
        }
        let probes = [
            "/startupProbe",
            "/livenessProbe",
            "/readinessProbe",
            "/lifecycle/preStop",
            "/lifecycle/postStart",
        ];
        for probe in probes.iter().filter_map(|probe| container.pointer(probe)) {
            if ["httpGet", "tcpSocket"].iter().any(|kind| !probe[kind]["host"].is_null()) {
                forbid("a probe of another host");
            }
        }
    }
    found
}

/// What is the same for a pod and for a container.
fn context(context: &Value) -> impl Iterator<Item = &'static str> {
    let selinux = &context["seLinuxOptions"];
    let labelled =
        selinux["type"].as_str().is_some_and(|kind| !kind.is_empty() && !SELINUX.contains(&kind));
    [
        ("runAsUser", context["runAsUser"] == 0),
        ("runAsNonRoot is false", context["runAsNonRoot"] == false),
        ("seccompProfile is unconfined", context["seccompProfile"]["type"] == "Unconfined"),
        ("appArmorProfile", context["appArmorProfile"]["type"] == "Unconfined"),
        ("seLinuxOptions", labelled || !selinux["user"].is_null() || !selinux["role"].is_null()),
        ("hostProcess", context["windowsOptions"]["hostProcess"] == true),
    ]
    .into_iter()
    .filter_map(|(what, forbidden)| forbidden.then_some(what))
}

#[test]
fn what_the_standard_forbids_is_found() {
    let pod = json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "a",
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            "ports": [{ "containerPort": 1 }],
            "livenessProbe": { "httpGet": { "port": 1 } },
        }],
        "volumes": [{ "name": "v", "configMap": {} }],
    });
    assert_eq!(violations(&pod), [""; 0]);
    let container = "/containers/0";
    for (at, key, value, want) in [
        ("", "hostNetwork", json!(true), "hostNetwork"),
        ("", "hostPID", json!(true), "hostPID"),
        ("", "hostIPC", json!(true), "hostIPC"),
        ("/volumes/0", "hostPath", json!({}), "volume hostPath"),
        ("/securityContext", "sysctls", json!([{}]), "sysctls"),
        ("/securityContext", "runAsUser", json!(0), "pod: runAsUser"),
        ("/securityContext", "runAsNonRoot", Value::Null, "containers/a: runAsNonRoot"),
        ("/securityContext", "seccompProfile", Value::Null, "containers/a: seccompProfile"),
        ("/securityContext", "seLinuxOptions", json!({ "type": "spc_t" }), "pod: seLinuxOptions"),
        ("/securityContext", "windowsOptions", json!({ "hostProcess": true }), "pod: hostProcess"),
        (
            container,
            "securityContext",
            json!({ "capabilities": { "drop": ["ALL"] } }),
            "containers/a: allowPrivilegeEscalation",
        ),
        (
            container,
            "securityContext",
            json!({ "allowPrivilegeEscalation": false }),
            "containers/a: capabilities.drop",
        ),
        (container, "ports", json!([{ "hostPort": 1 }]), "containers/a: hostPort"),
        (
            "/containers/0/livenessProbe/httpGet",
            "host",
            json!("h"),
            "containers/a: a probe of another host",
        ),
        ("/containers/0/securityContext", "privileged", json!(true), "containers/a: privileged"),
        (
            "/containers/0/securityContext",
            "procMount",
            json!("Unmasked"),
            "containers/a: procMount",
        ),
        (
            "/containers/0/securityContext",
            "appArmorProfile",
            json!({ "type": "Unconfined" }),
            "containers/a: appArmorProfile",
        ),
        (
            "/containers/0/securityContext/capabilities",
            "add",
            json!(["NET_RAW"]),
            "containers/a: capabilities.add",
        ),
    ] {
        let mut pod = pod.clone();
        pod.pointer_mut(at).unwrap()[key] = value;
        assert_eq!(violations(&pod), [want], "{at} {key}");
    }
}
