//! What is said of an answer.

use super::{Captured, Catalog, Context, Fault, Profile, Verdict};
use crate::{
    cli::table::{Table, or_dash},
    fault::{Disposition, EndpointHealth, NextEndpoint, Retry},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};

/// What an answer means, and what follows from it.
#[derive(Debug)]
pub(super) struct Report {
    profile: String,
    captured: Captured,
    verdict: Verdict,
    /// Of a failure.
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    said: String,
    disposition: Disposition,
    status: u16,
    envelope: String,
    code: Option<String>,
    message: Option<String>,
}

/// The report for programs.
#[derive(Serialize)]
struct View<'a> {
    line: usize,
    profile: &'a str,
    fault: &'a str,
    rule: Option<&'a str>,
    /// What the provider said.
    provider_status: u16,
    /// What the caller is told.
    status: u16,
    code: Option<&'a str>,
    message: Option<&'a str>,
    retryable: Option<bool>,
    retry_after_ms: Option<u64>,
    next_endpoint: Option<&'static str>,
    health: Option<&'static str>,
    request_id: Option<&'a str>,
    expect: Option<&'static str>,
    #[serde(rename = "match")]
    is_match: Option<bool>,
}

impl Report {
    pub(super) fn new(profile: &Profile, catalog: &Catalog, captured: Captured) -> Self {
        let verdict = profile.classify_captured(captured.status, &captured.headers, &captured.body);
        let failure = verdict.fault.clone().map(|fault| {
            let fault = Fault::from(fault);
            let answer = catalog.respond(&fault, Context::default());
            let envelope = String::from_utf8_lossy(answer.body()).into_owned();
            let json: serde_json::Value = serde_json::from_str(&envelope).unwrap_or_default();
            let text = |name: &str| json["error"][name].as_str().map(str::to_owned);
            Failure {
                said: fault.to_string(),
                disposition: fault.disposition(),
                status: answer.status().as_u16(),
                code: text("code"),
                message: text("message"),
                envelope,
            }
        });
        Self { profile: profile.name().to_owned(), captured, verdict, failure }
    }

    /// Whether it means what was expected, if anything was.
    pub(super) fn is_match(&self) -> Option<bool> {
        self.captured.expect.map(|expect| expect == self.verdict.word())
    }

    fn view(&self) -> View<'_> {
        let failure = self.failure.as_ref();
        let disposition = failure.map(|failure| failure.disposition);
        let provider_status = self.captured.status.as_u16();
        View {
            line: self.captured.line,
            profile: &self.profile,
            fault: self.verdict.word(),
            rule: self.verdict.rule.as_deref(),
            provider_status,
            status: failure.map_or(provider_status, |failure| failure.status),
            code: failure.and_then(|failure| failure.code.as_deref()),
            message: failure.and_then(|failure| failure.message.as_deref()),
            retryable: disposition.map(|d| d.retry.is_retryable()),
            retry_after_ms: disposition.and_then(|d| match d.retry {
                Retry::After(wait) => u64::try_from(wait.as_millis()).ok(),
                _ => None,
            }),
            next_endpoint: disposition.map(|d| match d.next_endpoint {
                NextEndpoint::Never => "never",
                NextEndpoint::Always => "always",
                NextEndpoint::IfUnsent => "if_unsent",
            }),
            health: disposition.map(|d| match d.health {
                EndpointHealth::Unaffected => "unaffected",
                EndpointHealth::CoolDown => "cool_down",
                EndpointHealth::Failure => "failure",
                EndpointHealth::Eject => "eject",
            }),
            request_id: self.verdict.fault.as_ref().and_then(|fault| fault.request_id()),
            expect: self.captured.expect,
            is_match: self.is_match(),
        }
    }

    /// Everything, for people.
    fn describe(&self) -> String {
        let view = self.view();
        let mut text =
            format!("{} · {} · HTTP {}\n", view.fault, self.profile, view.provider_status);
        let mut say = |label: &str, value: &str| {
            let _ = writeln!(text, "  {label:<14} {value}");
        };
        say(
            "rule",
            self.verdict.rule.as_deref().unwrap_or(match &self.failure {
                Some(_) => "none: by the status, or the body is not what it claims to be",
                None => "none: nothing speaks against it",
            }),
        );
        if let Some(failure) = &self.failure {
            say("meaning", &failure.said);
            say(
                "next endpoint",
                match failure.disposition.next_endpoint {
                    NextEndpoint::Never => "no",
                    NextEndpoint::Always => "yes",
                    NextEndpoint::IfUnsent => {
                        "only if nothing was sent, or the route says that the work may be repeated"
                    }
                },
            );
            say(
                "counts",
                match failure.disposition.health {
                    EndpointHealth::Unaffected => "not against this endpoint",
                    EndpointHealth::CoolDown => "as a wish for a pause",
                    EndpointHealth::Failure => "against this endpoint",
                    EndpointHealth::Eject => {
                        "against this endpoint: out at once, until somebody mends it"
                    }
                },
            );
            say(
                "caller retries",
                &match failure.disposition.retry {
                    Retry::Never => "no, not as it is".to_owned(),
                    Retry::Backoff => "yes, with backoff".to_owned(),
                    Retry::After(wait) => format!("yes, after {} ms", wait.as_millis()),
                },
            );
        }
        if let Some(id) = view.request_id {
            say("request id", id);
        }
        match (view.expect, view.is_match) {
            (Some(expect), Some(false)) => say("expected", &format!("{expect}: missed")),
            (Some(expect), _) => say("expected", expect),
            (None, _) => {}
        }
        match &self.failure {
            Some(failure) => {
                let _ = writeln!(text, "\nHTTP {}\n{}", failure.status, failure.envelope);
            }
            None => text.push_str("\nThe caller gets it as it is.\n"),
        }
        text
    }
}

/// All of them: one in full, several as a line each and a summary.
pub(super) fn all(reports: &[Report], json: bool) -> String {
    if json {
        let line = |report: &Report| serde_json::to_string(&report.view()).unwrap_or_default();
        return reports.iter().map(line).collect::<Vec<_>>().join("\n");
    }
    if let [report] = reports {
        return report.describe();
    }
    let mut text = Vec::new();
    let mut answers = Table::new(["LINE", "PROFILE", "STATUS", "FAULT", "RULE", "EXPECTED"]);
    let rows: Vec<_> = reports.iter().map(row).collect();
    let written = answers.write(&mut text, &rows);
    text.push(b'\n');
    let mut summary = Table::new(["PROFILE", "ANSWERS", "MATCHED", "MISSED"]);
    // Into memory, where nothing fails.
    let _ = written.and_then(|()| summary.write(&mut text, &sums(reports)));
    String::from_utf8_lossy(&text).into_owned()
}

fn row(report: &Report) -> [String; 6] {
    let view = report.view();
    let expected = match (view.expect, view.is_match) {
        (Some(expect), Some(false)) => format!("{expect}: MISSED"),
        (expect, _) => or_dash(expect),
    };
    [
        view.line.to_string(),
        report.profile.clone(),
        view.provider_status.to_string(),
        view.fault.to_owned(),
        or_dash(view.rule),
        expected,
    ]
}

fn sums(reports: &[Report]) -> Vec<[String; 4]> {
    let mut by_profile: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut total = [0; 3];
    for report in reports {
        let sum = by_profile.entry(&report.profile).or_default();
        let found = report.is_match();
        let counts = [1, usize::from(found == Some(true)), usize::from(found == Some(false))];
        for (i, count) in counts.into_iter().enumerate() {
            sum[i] += count;
            total[i] += count;
        }
    }
    let row = |name: &str, [answers, matched, missed]: [usize; 3]| {
        [name.to_owned(), answers.to_string(), matched.to_string(), missed.to_string()]
    };
    let mut rows: Vec<_> = by_profile.iter().map(|(name, sum)| row(name, *sum)).collect();
    if rows.len() > 1 {
        rows.push(row("all", total));
    }
    rows
}
