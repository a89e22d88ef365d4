//! The URL as it may be shown: whole enough to be compared with what was meant, and without what is secret.
use super::url::{Host, Parts, PostgresUrl, SslMode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

/// What needs percent-encoding; there a `/` does, and in a parameter it does not.
const IN_PLACE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
const IN_PARAMETER: &AsciiSet = &IN_PLACE.remove(b'/');
const REDACTED: &str = "[redacted]";

impl PostgresUrl {
    /// None if it is no text.
    pub(in crate::store) fn password(&self) -> Option<&str> {
        std::str::from_utf8(self.0.password.as_ref()?).ok()
    }

    /// With the parameters that are not as they are by default. A password and `options`, in which anything can be, are redacted.
    pub(in crate::store) fn redacted(&self) -> String {
        let Parts { user, password, hosts, database, ssl_mode, roots, options, .. } = &*self.0;
        let place = |text: &str| utf8_percent_encode(text, IN_PLACE).to_string();
        let mut url = "postgres://".to_owned();
        if user.is_some() || password.is_some() {
            url += &place(user.as_deref().unwrap_or_default());
            url += if password.is_some() { ":[redacted]@" } else { "@" };
        }
        let hosts: Vec<String> = hosts
            .iter()
            .map(|Host { name, port }| match name.contains(':') {
                true => format!("[{name}]:{port}"),
                false => format!("{}:{port}", place(name)),
            })
            .collect();
        url += &format!("{}/{}?sslmode={}", hosts.join(","), place(database), ssl_mode.as_str());
        let roots = roots.as_ref().map(|file| file.to_string_lossy());
        let parameters = [
            ("sslrootcert", roots.as_deref()),
            ("target_session_attrs", self.target()),
            ("channel_binding", self.channel_binding()),
            ("options", options.as_ref().map(|_| REDACTED)),
        ];
        for (name, value) in parameters {
            let Some(value) = value else { continue };
            let value = match value {
                REDACTED => value.to_owned(),
                value => utf8_percent_encode(value, IN_PARAMETER).to_string(),
            };
            url += &format!("&{name}={value}");
        }
        if self.0.connect_timeout != Duration::from_secs(5) {
            url += &format!("&connect_timeout={}", self.0.connect_timeout.as_secs());
        }
        if self.0.application_name != "tollgate" {
            url += &format!("&application_name={}", place(&self.0.application_name));
        }
        url
    }

    fn target(&self) -> Option<&'static str> {
        match self.0.target {
            TargetSessionAttrs::ReadWrite => Some("read-write"),
            TargetSessionAttrs::ReadOnly => Some("read-only"),
            _ => None,
        }
    }

    fn channel_binding(&self) -> Option<&'static str> {
        match self.0.channel_binding {
            ChannelBinding::Disable => Some("disable"),
            ChannelBinding::Require => Some("require"),
            _ => None,
        }
    }
}

impl SslMode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_and_read_again() {
        let table = [
            ("u:s3cret@h/d", "u:[redacted]@h:5432/d?sslmode=prefer"),
            (":s3cret@h/d", ":[redacted]@h:5432/d?sslmode=prefer"),
            ("u@a,[::1]:7/d", "u@a:5432,[::1]:7/d?sslmode=prefer"),
            ("a%20b@%2Frun%2Fpg:7/d%20e", "a%20b@%2Frun%2Fpg:7/d%20e?sslmode=prefer"),
            ("/d?host=/run/pg", "%2Frun%2Fpg:5432/d?sslmode=prefer"),
            ("h/d?sslmode=verify-full&sslrootcert=system", "h:5432/d?sslmode=verify-full"),
            (
                "h/d?sslmode=require&sslrootcert=/a%20b.pem&options=-c%20s3cret&connect_timeout=7",
                "h:5432/d?sslmode=require&sslrootcert=/a%20b.pem&options=[redacted]&connect_timeout=7",
            ),
            (
                "h/d?channel_binding=require&target_session_attrs=read-write&application_name=a%26b",
                "h:5432/d?sslmode=prefer&target_session_attrs=read-write&channel_binding=require&application_name=a%26b",
            ),
        ];
        for (text, want) in table {
            let shown = PostgresUrl::parse(text).unwrap().redacted();
            assert_eq!(shown.strip_prefix("postgres://"), Some(want), "{text}");
            assert_eq!(PostgresUrl::parse(want).unwrap().redacted(), shown, "{text}");
        }
    }
}
