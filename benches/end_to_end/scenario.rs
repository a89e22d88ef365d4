use std::{fmt, str::FromStr};

/// What is asked of a proxy, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    Get,
    Post,
}

/// The body of every answer.
pub(super) const ANSWER: &str = {
    const BYTES: [u8; 600] = {
        let mut bytes = [b'a'; 600];
        let frame = br#"{"data":""#;
        let mut i = 0;
        while i < frame.len() {
            bytes[i] = frame[i];
            i += 1;
        }
        bytes[598] = b'"';
        bytes[599] = b'}';
        bytes
    };
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => panic!(),
    }
};

const UPLOAD_LEN: usize = 300;

/// Callers with a key of their own.
pub(super) const KEYS: usize = 1_000;

/// The key of this caller.
pub(super) fn key(caller: usize) -> String {
    format!("bench-{:034}", caller % KEYS)
}

impl Scenario {
    pub(super) const ALL: [Self; 2] = [Self::Get, Self::Post];

    /// The request of this caller, byte by byte, for this `Host`. It has a key whether the proxy asks for one or not.
    pub(super) fn request(self, host: &str, caller: usize) -> Vec<u8> {
        let head = format!(
            "/v1/generate HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\nauthorization: Bearer {}\r\n",
            key(caller)
        );
        match self {
            Self::Get => format!("GET {head}\r\n"),
            Self::Post => format!(
                "POST {head}content-type: application/json\r\ncontent-length: {UPLOAD_LEN}\r\n\r\n{{\"model\":\"img-basic\",\"prompt\":\"{}\"}}",
                "b".repeat(UPLOAD_LEN - r#"{"model":"img-basic","prompt":""}"#.len()),
            ),
        }
        .into_bytes()
    }

    /// For people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Get => "GET → 200, 600 bytes",
            Self::Post => "POST 300 bytes → 200, 600 bytes",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Post => "post",
        })
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|s| s.to_string() == name);
        found.ok_or_else(|| format!("there is no scenario {name}"))
    }
}
