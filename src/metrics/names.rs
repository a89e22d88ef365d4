//! What each number is called, which tells in what it is counted, and what it says.

use std::time::Duration;

pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

const fn named(name: &'static str, help: &'static str) -> Named {
    Named { name, help }
}

/// From a millisecond to ten minutes: providers of images take their time.
pub(super) const BUCKETS: [Duration; 18] = [
    Duration::from_micros(1_000),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

pub(super) const REQUESTS: Named = named(
    "tollgate_requests_total",
    "Requests by route, method and status; by the fault and who raised it, where they failed.",
);
pub(super) const BROKEN: Named = named(
    "tollgate_answers_broken_off_total",
    "Answers that did not come to their end after their head was out: the client left, the provider broke off, or a drain was over.",
);
pub(super) const BYTES: Named =
    named("tollgate_answer_bytes_total", "Bytes of bodies that were sent to clients, by route.");
pub(super) const LIMITS: Named = named(
    "tollgate_limit_decisions_total",
    "Requests that a limit has admitted or refused, by the name of the limit.",
);
pub(super) const ATTEMPTS: Named =
    named("tollgate_attempts_total", "Tries at providers, by endpoint and what became of them.");
pub(super) const LEDGER: Named = named(
    "tollgate_ledger_operations_total",
    "What was written into the ledger: holds, and how they ended.",
);
pub(super) const HELD: Named = named(
    "tollgate_held_micros_total",
    "Money that was reserved for requests, in millionths of the unit.",
);
pub(super) const CALLBACKS: Named =
    named("tollgate_callbacks_total", "Callbacks that were delivered, tried again or given up.");
pub(super) const RELOADS: Named = named(
    "tollgate_config_reloads_total",
    "Configurations that were read again, by outcome: applied or refused.",
);
pub(super) const UNMATCHED: Named =
    named("tollgate_unmatched_total", "Failures of providers that no rule of a profile knows.");

pub(super) const BUILD_INFO: Named =
    named("tollgate_build_info", "Always 1; the version is in the label.");
pub(super) const RELOADED: Named = named(
    "tollgate_config_last_reload_successful",
    "Whether the configuration that was read last is the one in use.",
);
pub(super) const LOADED_AT: Named = named(
    "tollgate_config_loaded_timestamp_seconds",
    "When the configuration in use was taken up, in seconds since 1970.",
);
pub(super) const CERTIFICATE: Named = named(
    "tollgate_certificate_expiry_timestamp_seconds",
    "When the certificate that clients are shown ends, in seconds since 1970.",
);
pub(super) const CONNECTIONS: Named = named("tollgate_connections", "Connections from clients.");
pub(super) const ACTIVE: Named =
    named("http_server_active_requests", "Requests whose answers are not at their end.");
pub(super) const BUFFERED: Named =
    named("tollgate_buffered_bytes", "Memory that is reserved for request bodies.");
pub(super) const STORE_UP: Named = named(
    "tollgate_store_up",
    "Whether a store answers: of keys, of the ledger, of limits. 1 of one that is not used any more.",
);
pub(super) const ENDPOINT_STATE: Named = named(
    "tollgate_endpoint_state",
    "1 for the state that an endpoint is in: available, due, out or paused.",
);

pub(super) const DURATION: Named = named(
    "http_server_request_duration_seconds",
    "From the head of a request to the end of its answer.",
);
pub(super) const PROVIDER: Named = named(
    "tollgate_provider_duration_seconds",
    "Of that, how long providers were waited for until the head of the answer, all tries together.",
);
pub(super) const OWN: Named = named(
    "tollgate_own_duration_seconds",
    "How long the gateway itself took until the head of the answer: for limits, keys, checks and stores.",
);

/// All counters.
pub(super) fn all() -> impl Iterator<Item = &'static Named> {
    const ALL: &[Named] =
        &[REQUESTS, BROKEN, BYTES, LIMITS, ATTEMPTS, LEDGER, HELD, CALLBACKS, RELOADS, UNMATCHED];
    ALL.iter()
}

pub(super) const GAUGES: &[Named] = &[
    BUILD_INFO,
    RELOADED,
    LOADED_AT,
    CERTIFICATE,
    CONNECTIONS,
    ACTIVE,
    BUFFERED,
    STORE_UP,
    ENDPOINT_STATE,
];
