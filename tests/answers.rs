//! What the presets make of captured and documented answers of providers; see `answers/README.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use tollgate::profile::Profile;

#[test]
fn every_answer_means_what_it_says() {
    let profiles: BTreeMap<&str, Profile> =
        Profile::presets().map(|name| (name, Profile::preset(name).unwrap())).collect();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers");
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "jsonl"));
    files.sort();
    let (mut read, mut missed) = (0, Vec::new());
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        for (i, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            let profile = &profiles[line["profile"].as_str().unwrap()];
            let headers: HeaderMap =
                line["headers"].as_object().unwrap().iter().map(field).collect();
            let status =
                StatusCode::try_from(u16::try_from(line["status"].as_u64().unwrap()).unwrap())
                    .unwrap();
            let body = Bytes::from(line["body"].as_str().unwrap().to_owned());
            let verdict = profile.classify_captured(status, &headers, &body);
            read += 1;
            if line["expect"] != verdict.word() {
                let rule = verdict.rule.as_deref().unwrap_or("no rule");
                let (found, want) = (verdict.word(), &line["expect"]);
                missed.push(format!("{name}:{}: {found} by {rule}, and not {want}", i + 1));
            }
        }
    }
    assert!(missed.is_empty(), "{} of {read} answers:\n{}", missed.len(), missed.join("\n"));
    assert!(files.len() > profiles.len() && read >= 750, "{read} answers in {} files", files.len());
}

fn field((name, value): (&String, &Value)) -> (HeaderName, HeaderValue) {
    (name.parse().unwrap(), value.as_str().unwrap().parse().unwrap())
}
