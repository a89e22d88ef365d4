use super::{
    PostgresError,
    url::{Host, Parts, PostgresUrl, SslMode},
};
use crate::store::StoreError;
use std::{io, time::Duration};
use tokio_postgres::{Client, Config, Connection, Socket, config, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

/// After so much silence the server is asked whether it is still there, and then this often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long what was sent may be on its way.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);

/// What does the work of a connection, for as long as it is polled.
pub(crate) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl PostgresUrl {
    /// Connects to the first host that will do. Each of them has the URL's time to come to an end of it.
    ///
    /// # Errors
    ///
    /// With what the last one of them has said.
    pub(crate) async fn connect(&self) -> Result<(Client, Driver), StoreError> {
        self.connect_each_within(self.0.connect_timeout).await
    }

    /// The same within this time altogether, of which each host has its share.
    pub(super) async fn connect_within(
        &self,
        time: Duration,
    ) -> Result<(Client, Driver), StoreError> {
        let hosts = u32::try_from(self.0.hosts.len()).unwrap_or(u32::MAX).max(1);
        self.connect_each_within(self.0.connect_timeout.min(time / hosts)).await
    }

    async fn connect_each_within(
        &self,
        patience: Duration,
    ) -> Result<(Client, Driver), StoreError> {
        let tls = self.tls()?;
        let mut failure = PostgresError::Unreachable(io::ErrorKind::NotFound.into()).into();
        for config in self.configs() {
            match tokio::time::timeout(patience, config.connect(tls.clone())).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => failure = PostgresError::connecting(error),
                Err(_) => failure = PostgresError::Silent(patience).into(),
            }
        }
        Err(failure)
    }

    /// What the client is told, for one host after the other.
    pub(crate) fn configs(&self) -> impl Iterator<Item = Config> {
        self.0.hosts.iter().map(|host| config(&self.0, host))
    }
}

fn config(url: &Parts, host: &Host) -> Config {
    let mut config = Config::new();
    config
        .host(&host.name)
        .port(host.port)
        .dbname(&url.database)
        .ssl_mode(match url.ssl_mode {
            // A socket of this machine has no TLS, whatever the mode: so it is in libpq.
            _ if host.is_socket() => config::SslMode::Disable,
            SslMode::Disable => config::SslMode::Disable,
            SslMode::Prefer => config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => config::SslMode::Require,
        })
        .target_session_attrs(url.target)
        .channel_binding(url.channel_binding)
        .application_name(&url.application_name)
        .connect_timeout(url.connect_timeout)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(TCP_USER_TIMEOUT);
    if let Some(user) = &url.user {
        config.user(user);
    }
    if let Some(password) = &url.password {
        config.password(&**password);
    }
    if let Some(options) = &url.options {
        config.options(options);
    }
    config
}
