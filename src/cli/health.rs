use super::{complain, env, print};
use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// As much of it is read.
const MOST: u64 = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The admin listener of the gateway. Default: what TOLLGATE_ADMIN says.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
}

/// Asks a gateway on this machine whether it is ready: exit code 0 if it is.
pub(super) fn run(args: &Args) -> u8 {
    let from_env = || match env("TOLLGATE_ADMIN").filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map(Some),
        None => Ok(None),
    };
    let Ok(given) = args.admin.map_or_else(from_env, |admin| Ok(Some(admin))) else {
        complain("error: TOLLGATE_ADMIN must be an address and a port, such as 127.0.0.1:9901");
        return 2;
    };
    let Some(admin) = given else {
        complain("error: which gateway? Give --admin ADDR or set TOLLGATE_ADMIN");
        return 2;
    };
    match ask(reachable(admin)) {
        Ok((200, _)) => print("ready"),
        Ok((status, body)) => {
            complain(&format!("error: {admin} answers {status}: {body}"));
            1
        }
        Err(error) => {
            complain(&format!("error: {admin} cannot be asked: {error}"));
            1
        }
    }
}

/// Where something that listens everywhere can be reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Status and body of `/readyz`.
fn ask(admin: SocketAddr) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("that is no gateway"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is() {
        for (listens, want) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(reachable(listens.parse().unwrap()), want.parse().unwrap());
        }
    }
}
