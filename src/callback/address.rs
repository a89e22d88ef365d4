//! Which addresses are the public internet's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the public internet: no private network's, not this machine's, of no special purpose.
///
/// It goes by the column "Globally Reachable" of IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890,
/// RFC 8190), with these differences, all of them on the strict side:
///
/// - multicast is refused (RFC 1112, RFC 4291), and so is what nobody uses any more (192.88.99.0/24, RFC 7526;
///   Teredo, RFC 4380; 6to4, RFC 3056);
/// - 192.0.0.0/24 and 2001::/23 are refused with all that has been taken out of them: no receiver lives there;
/// - of IPv6, only what is given out as global unicast can be public (2000::/3, RFC 4291).
///
/// An address that stands for one of IPv4 is as public as that one: mapped (::ffff:0:0/96, RFC 4291) or translated on
/// its way (64:ff9b::/96, RFC 6052).
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    match ip.octets() {
        // "This network", RFC 791.
        [0, ..] => false,
        // Private use, RFC 1918.
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => false,
        // Behind a carrier's NAT, RFC 6598.
        [100, 64..=127, ..] => false,
        // Loopback, RFC 1122.
        [127, ..] => false,
        // Link-local, RFC 3927; the metadata of clouds is here.
        [169, 254, ..] => false,
        // IETF protocol assignments, RFC 6890.
        [192, 0, 0, _] => false,
        // Documentation, RFC 5737.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => false,
        // Relays of 6to4, given up by RFC 7526.
        [192, 88, 99, _] => false,
        // Benchmarks, RFC 2544.
        [198, 18..=19, ..] => false,
        // Multicast, RFC 5771; reserved and broadcast, RFC 1112.
        [224..=255, ..] => false,
        _ => true,
    }
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // Mapped, RFC 4291; translated by NAT64, RFC 6052.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // IETF protocol assignments, RFC 2928, with Teredo, benchmarks and identifiers that nobody routes.
        [0x2001, 0..=0x01ff, ..] => false,
        // Documentation, RFC 3849 and RFC 9637.
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        // 6to4, RFC 3056: it stands for any address of IPv4.
        [0x2002, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::IpNet;

    /// Both sides of every border, the refused side second.
    const BORDERS_V4: &[(&str, &str)] = &[
        ("1.0.0.0", "0.255.255.255"),
        ("9.255.255.255", "10.0.0.0"),
        ("11.0.0.0", "10.255.255.255"),
        ("100.63.255.255", "100.64.0.0"),
        ("100.128.0.0", "100.127.255.255"),
        ("126.255.255.255", "127.0.0.0"),
        ("128.0.0.0", "127.255.255.255"),
        ("169.253.255.255", "169.254.0.0"),
        ("169.255.0.0", "169.254.255.255"),
        ("172.15.255.255", "172.16.0.0"),
        ("172.32.0.0", "172.31.255.255"),
        ("191.255.255.255", "192.0.0.0"),
        ("192.0.1.0", "192.0.0.255"),
        ("192.0.1.255", "192.0.2.0"),
        ("192.0.3.0", "192.0.2.255"),
        ("192.88.98.255", "192.88.99.0"),
        ("192.88.100.0", "192.88.99.255"),
        ("192.167.255.255", "192.168.0.0"),
        ("192.169.0.0", "192.168.255.255"),
        ("198.17.255.255", "198.18.0.0"),
        ("198.20.0.0", "198.19.255.255"),
        ("198.51.99.255", "198.51.100.0"),
        ("198.51.101.0", "198.51.100.255"),
        ("203.0.112.255", "203.0.113.0"),
        ("203.0.114.0", "203.0.113.255"),
        ("223.255.255.255", "224.0.0.0"),
    ];

    const BORDERS_V6: &[(&str, &str)] = &[
        ("2000::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::"),
        ("2001:200::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::"),
        ("2001:db9::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::"),
        ("2003::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::"),
        ("3fff:1000::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::"),
        // Just outside the two blocks that hold addresses of IPv4.
        ("::ffff:1.1.1.1", "::fffe:1.1.1.1"),
        ("::ffff:1.1.1.1", "::1:0:101:101"),
        ("::ffff:1.1.1.1", "::1:ffff:101:101"),
        ("64:ff9b::1.1.1.1", "64:ff9a::1.1.1.1"),
        ("64:ff9b::1.1.1.1", "64:ff9c::1.1.1.1"),
        ("64:ff9b::1.1.1.1", "64:ff9b::1:101:101"),
        ("64:ff9b::1.1.1.1", "64:ff9b:1::1.1.1.1"),
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn borders() {
        for (public, refused) in BORDERS_V4.iter().chain(BORDERS_V6) {
            assert!(is_public(ip(public)), "{public}");
            assert!(!is_public(ip(refused)), "{refused}");
        }
    }

    /// The refused blocks again, as the registries write them.
    const REFUSED: &[&str] = &[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ];

    fn is_in(ip: IpAddr, networks: &[&str]) -> bool {
        networks.iter().any(|network| network.parse::<IpNet>().unwrap().contains(&ip))
    }

    fn by_registry(ip: IpAddr) -> bool {
        let IpAddr::V6(v6) = ip else { return !is_in(ip, REFUSED) };
        if is_in(ip, &["::ffff:0:0/96", "64:ff9b::/96"]) {
            let [.., a, b, c, d] = v6.octets();
            return !is_in(Ipv4Addr::new(a, b, c, d).into(), REFUSED);
        }
        is_in(ip, &["2000::/3"]) && !is_in(ip, REFUSED)
    }

    /// Around each border, with any one byte a little other.
    #[test]
    fn neighbours() {
        for (public, refused) in BORDERS_V4.iter().chain(BORDERS_V6) {
            for text in [public, refused] {
                let near: Vec<IpAddr> = match ip(text) {
                    IpAddr::V4(ip) => changed(ip.octets()).map(IpAddr::from).collect(),
                    IpAddr::V6(ip) => changed(ip.octets()).map(IpAddr::from).collect(),
                };
                for ip in near {
                    assert_eq!(is_public(ip), by_registry(ip), "{ip}");
                }
            }
        }
    }

    fn changed<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = [u8; N]> {
        (0..N * 3).map(move |step| {
            let mut bytes = bytes;
            bytes[step / 3] = bytes[step / 3].wrapping_add([1, 0x80, 0xff][step % 3]);
            bytes
        })
    }

    #[test]
    fn addresses_of_ipv4_inside_ipv6() {
        for (public, refused) in BORDERS_V4 {
            for prefix in ["::ffff:", "64:ff9b::"] {
                assert!(is_public(ip(&format!("{prefix}{public}"))), "{prefix}{public}");
                assert!(!is_public(ip(&format!("{prefix}{refused}"))), "{prefix}{refused}");
            }
            // Compatible (given up), translated with another prefix, within 6to4.
            for prefix in ["::", "::ffff:0:", "64:ff9b:1::", "2002::"] {
                assert!(!is_public(ip(&format!("{prefix}{public}"))), "{prefix}{public}");
            }
        }
    }

    #[test]
    fn well_known_ones() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "169.254.169.254",
            "192.0.0.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:20::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            // The registry calls these reachable: AS112 and AMT.
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "2620:4f:8000::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(ip(text)), "{text}");
        }
    }
}
