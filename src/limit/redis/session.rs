use super::{RedisConfig, Unavailable, dial::dial, script};
use crate::limit::{Demands, Levels};
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, RedisResult,
    ServerErrorKind, Value, aio::MultiplexedConnection,
};
use std::{future::Future, pin::Pin, sync::Arc};

/// A connection that is logged in, and known to be able to count.
#[derive(Clone)]
pub(super) struct Session {
    connection: MultiplexedConnection,
    /// Digest by which the server knows the script.
    hash: Arc<str>,
}

/// Moves the bytes of a session, until its connection ends.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Connects, logs in, and tries everything that a check needs.
pub(super) async fn open(config: &RedisConfig) -> Result<(Session, Driver), Unavailable> {
    let stream = dial(config).await?;
    // Nothing of the client's own preparations: the steps are ours, so that each one's failure has a meaning.
    let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
    let buffers = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(config.max_waiting.get());
    let (connection, driver) = MultiplexedConnection::new_with_config(&bare, stream, buffers)
        .await
        .map_err(|error| Unavailable::of(&error))?;
    let mut driver: Driver = Box::pin(driver);
    let mut session = std::pin::pin!(prepare(connection, config));
    let session = tokio::select! {
        session = &mut session => session,
        // It has left the reason behind.
        () = &mut driver => session.await,
    };
    Ok((session?, driver))
}

async fn prepare(
    mut connection: MultiplexedConnection,
    config: &RedisConfig,
) -> Result<Session, Unavailable> {
    if let Some(login) = &config.url.login {
        let mut command = redis::cmd("AUTH");
        if let Some(user) = &login.user {
            command.arg(user);
        }
        command.arg(login.password.as_str());
        let answer = run(&mut connection, &command).await;
        answer.map_err(|error| Unavailable::of(&error).or(Unavailable::PasswordRejected))?;
    }
    if config.url.database != 0 {
        let answer = run(&mut connection, redis::cmd("SELECT").arg(config.url.database)).await;
        answer.map_err(|error| Unavailable::of(&error).or(Unavailable::NoDatabase))?;
    }
    let hash = load(&mut connection).await.map_err(|error| Unavailable::of(&error))?;
    let mut session = Session { connection, hash: hash.into() };
    session.probe().await?;
    Ok(session)
}

impl Session {
    /// Tries what a check does, without a quota.
    pub(super) async fn probe(&mut self) -> Result<(), Unavailable> {
        let answer = run(&mut self.connection, &script::probe(&self.hash)).await;
        let answer = answer.map_err(|error| Unavailable::of(&error))?;
        matches!(answer, Value::Array(_)).then_some(()).ok_or(Unavailable::NotRedis)
    }

    /// Asks, in one round trip.
    ///
    /// A server that has forgotten the script is told it again (after `SCRIPT FLUSH`, or a failover).
    pub(super) async fn check(&mut self, demands: &Demands) -> Result<Levels, Unavailable> {
        let command = script::command(&self.hash, demands)?;
        let answer = match run(&mut self.connection, &command).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                load(&mut self.connection).await.map_err(|error| Unavailable::of(&error))?;
                run(&mut self.connection, &command).await
            }
            answer => answer,
        };
        script::levels(demands, &answer.map_err(|error| Unavailable::of(&error))?)
    }
}

async fn load(connection: &mut MultiplexedConnection) -> RedisResult<String> {
    let answer = run(connection, redis::cmd("SCRIPT").arg("LOAD").arg(script::TEXT)).await?;
    match answer {
        Value::BulkString(hash) => String::from_utf8(hash).ok(),
        _ => None,
    }
    .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "not a digest")))
}

async fn run(connection: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<Value> {
    connection.send_packed_command(command).await?.extract_error()
}
