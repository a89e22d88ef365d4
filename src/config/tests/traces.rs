//! `[traces]`.
use super::*;

fn traces(lines: &str) -> String {
    format!("[traces]\n{lines}{REST}")
}

#[test]
fn defaults() {
    let traces = accept(REST).config.traces;
    assert!(traces.propagate);
    assert_eq!(traces.from, TraceSource::Anybody);
    assert!(traces.endpoint.is_none());
}

#[test]
fn mistakes() {
    for (lines, wrong) in [
        ("from = \"me\"", ":2:8: traces.from: "),
        ("sample = 1.5", ":2:10: traces.sample: expected a number from 0 to 1, such as 0.1"),
        ("sample = -1", ":2:10: traces.sample: expected a number from 0 to 1, such as 0.1"),
        ("sample = \"${KEY}\"", ":2:10: traces.sample: expected a number from 0 to 1"),
        ("sample = true", ":2:10: traces.sample: "),
        ("endpoint = \"collector:4318\"", ":2:12: traces.endpoint: expected a URL"),
        ("service_name = \"\"", ":2:16: traces.service_name: "),
        ("headers = {}", ":2:1: traces.headers: unknown key"),
    ] {
        let found = reject(&traces(lines));
        assert!(found.len() == 1 && found[0].contains(wrong), "{lines}: {found:?}");
    }
}

#[test]
fn what_means_nothing() {
    let lines = "sample = 0.5\nservice_name = \"gate\"\ncredential = { bearer = \"${KEY}\" }\n";
    let warnings: Vec<_> =
        accept(&traces(lines)).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for warning in &warnings {
        assert!(warning.ends_with("means nothing without an `endpoint`"), "{warning}");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn without_the_feature() {
    let found = reject(&traces("endpoint = \"http://c:4318\""));
    assert_eq!(found.len(), 1, "{found:?}");
    let wrong = ":2:12: traces.endpoint: this program was built without the feature `otlp`";
    assert!(found[0].starts_with(wrong), "{found:?}");
    assert!(found[0].contains("--features otlp"), "{found:?}");
    // What is meant for everybody is not meant for this program.
    let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://c".to_owned());
    assert!(parse(REST, Path::new(FILE), env).unwrap().config.traces.endpoint.is_none());
}

#[cfg(feature = "otlp")]
#[test]
fn where_the_collector_is() {
    let everybodys = "http://everybodys:4318";
    let collector = |text: &str, variable: &str| {
        let env = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(variable.to_owned()),
            _ => env(name),
        };
        let loaded = parse(text, Path::new(FILE), env).unwrap();
        let collector = loaded.config.traces.collector().map(ToString::to_string);
        (collector, loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let at = |url: &str| Some(url.to_owned());
    assert_eq!(collector(REST, ""), (None, vec![]));
    assert_eq!(collector(REST, everybodys), (at(everybodys), vec![]));
    let ours = traces("endpoint = \"https://ours/otlp/\"\nsample = \"0.1\"");
    assert_eq!(collector(&ours, everybodys), (at("https://ours/otlp"), vec![]));
    for missing in [
        "endpoint = \"${NOWHERE}\"",
        "endpoint = \"http://ours\"\ncredential = { bearer = \"${NOWHERE}\" }",
    ] {
        let (collector, warnings) = collector(&traces(missing), everybodys);
        assert_eq!(collector, None, "{missing}");
        assert!(warnings[0].contains("NOWHERE is not set: until it is, no spans"), "{warnings:?}");
    }
    let env =
        |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| format!("http://{MARKER}:x"));
    let error = parse(REST, Path::new(FILE), env).unwrap_err().to_string();
    assert!(error.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && !error.contains(MARKER), "{error}");
}
