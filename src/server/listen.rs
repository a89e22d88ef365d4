use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 4096;

/// One listener for each worker, all on the same address.
#[derive(Debug)]
pub(crate) struct Listeners {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Listeners {
    /// Binds the address; with port 0, a free one.
    ///
    /// # Errors
    ///
    /// When the address is in use, even by a process that would share it, not ours, or not allowed.
    pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        // Alone first: with SO_REUSEPORT a second gateway by mistake would silently take half of the requests.
        let alone = bind(address, false)?;
        let address = alone.local_addr()?;
        if workers == 1 {
            return Ok(Self { address, sockets: vec![alone] });
        }
        drop(alone);
        let sockets = (0..workers).map(|_| bind(address, true)).collect::<io::Result<_>>()?;
        Ok(Self { address, sockets })
    }

    /// The address, with the port that it really is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl IntoIterator for Listeners {
    type Item = TcpListener;
    type IntoIter = std::vec::IntoIter<TcpListener>;

    fn into_iter(self) -> Self::IntoIter {
        self.sockets.into_iter()
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a former process that linger do not keep us from starting.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_second_gateway_is_told() {
        for workers in [1, 3] {
            let first = Listeners::bind((Ipv4Addr::LOCALHOST, 0).into(), workers).unwrap();
            let address = first.address();
            let second = Listeners::bind(address, workers).unwrap_err();
            assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
            assert_eq!(first.into_iter().count(), workers);
        }
    }
}
