//! Addresses.
use super::{Invalid, shown_as, text_value};
use ipnet::IpNet;
use serde::Deserializer;
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// Addresses that share a prefix, such as `10.0.0.0/8`; a single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// The network, without the bits after the prefix.
    pub const fn get(self) -> IpNet {
        self.0
    }
}

impl FromStr for Network {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        match network {
            Ok(network) => Ok(Self(network.trunc())),
            Err(_) => Err(format!("expected {NETWORK}").into()),
        }
    }
}

const NETWORK: &str =
    "an address or a network, such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"";

shown_as!(Network, |network| network.0);
text_value!(Network, "Network", NETWORK, {
    "type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", "examples": ["10.0.0.0/8", "192.0.2.1", "fd00::/8"]
});

/// An address to listen at. The configuration holds a plain [`SocketAddr`]; this says how one is written.
pub(in crate::config) struct SocketAddress(SocketAddr);

const SOCKET: &str = "an address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";

impl FromStr for SocketAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_socket_address(text).map(Self)
    }
}

text_value!(SocketAddress, "SocketAddress", SOCKET, {
    "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$", "examples": ["127.0.0.1:8080", "[::]:8080"]
});

pub(in crate::config) fn parse_socket_address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse().map_err(|_| Invalid::from(format!("expected {SOCKET}")))
}

pub(in crate::config) fn socket_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    super::from_text(deserializer, SOCKET).map(|SocketAddress(address)| address)
}

pub(in crate::config) fn some_socket_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    socket_address(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("::1", "::1/128"),
            ("fd00::/8", "fd00::/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(
                text.parse::<Network>().map(|network| network.get().to_string()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/",
            "10.0.0.1:80",
            "[::1]",
            "fd00::/129",
            " 10.0.0.1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn socket_addresses() {
        for text in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535"] {
            assert_eq!(
                parse_socket_address(text).map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in
            ["", ":8080", "8080", "localhost:8080", "127.0.0.1", "127.0.0.1:65536", "::1:8080"]
        {
            assert!(parse_socket_address(text).is_err(), "{text}");
        }
    }
}
