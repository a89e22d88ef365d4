use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end.
const V1_LONGEST: usize = 107;
/// Signature, version and command, family and protocol, length.
const V2_FIXED: usize = 16;
/// The longest header of version 2 that is taken: its own limit of 64 KiB is more than anybody needs.
const V2_LONGEST: usize = 4096;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// How many bytes it has.
    pub(super) length: usize,
    /// Who connected to whoever wrote it; none where it speaks of nobody else, or of nobody with an address.
    pub(super) source: Option<SocketAddr>,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Signature,
    TooLong,
    Line,
    Version,
    Command,
    Family,
    Addresses,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "the connection does not begin with one",
            Self::TooLong => "it is too long",
            Self::Line => "the line of version 1 is wrong",
            Self::Version => "it has neither version 1 nor version 2",
            Self::Command => "the command is unknown",
            Self::Family => "the family of addresses or the protocol is unknown",
            Self::Addresses => "it is too short for its addresses",
        })
    }
}

impl std::error::Error for Malformed {}

/// The header that these bytes begin with; `None` as long as they could become one.
///
/// # Errors
///
/// As soon as they cannot.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let begins = |signature: &[u8]| signature.iter().zip(bytes).all(|(want, got)| want == got);
    if begins(V2) {
        decode_v2(bytes)
    } else if begins(V1) {
        decode_v1(bytes)
    } else {
        Err(Malformed::Signature)
    }
}

fn decode_v1(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let longest = &bytes[..bytes.len().min(V1_LONGEST)];
    let Some(end) = longest.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < V1_LONGEST { Ok(None) } else { Err(Malformed::TooLong) };
    };
    let line = bytes[..end].strip_prefix(V1).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| str::from_utf8(line).ok()).ok_or(Malformed::Line)?;
    let mut words = line.split(' ');
    let source = match words.next() {
        // Whatever follows is to be passed over.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(v1_source::<Ipv4Addr>(words).ok_or(Malformed::Line)?),
        Some("TCP6") => Some(v1_source::<Ipv6Addr>(words).ok_or(Malformed::Line)?),
        _ => return Err(Malformed::Line),
    };
    Ok(Some(Header { length: end + 1, source }))
}

/// Out of the source's address, the destination's, the source's port, the destination's, and nothing else.
fn v1_source<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Option<SocketAddr> {
    let source: A = words.next()?.parse().ok()?;
    let _: A = words.next()?.parse().ok()?;
    let (port, _) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    words.next().is_none().then(|| SocketAddr::new(source.into(), port))
}

/// Digits alone, and no zero before them.
fn v1_port(word: &str) -> Option<u16> {
    let port: u16 = word.parse().ok()?;
    (word == "0" || !word.starts_with(['0', '+'])).then_some(port)
}

fn decode_v2(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 {
        return Err(Malformed::Version);
    }
    if V2_FIXED + length > V2_LONGEST {
        return Err(Malformed::TooLong);
    }
    // How many bytes the addresses have, and whether they are of TCP.
    let (addresses, is_tcp) = match (command & 0xf, family) {
        // Whoever wrote it speaks for itself, as in a health check: the rest has no meaning.
        (0, _) => (0, false),
        (1, 0x00) => (0, false),
        (1, 0x11 | 0x12) => (12, family == 0x11),
        (1, 0x21 | 0x22) => (36, family == 0x21),
        (1, 0x31 | 0x32) => (216, false),
        (1, _) => return Err(Malformed::Family),
        _ => return Err(Malformed::Command),
    };
    if length < addresses {
        return Err(Malformed::Addresses);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    let source = if is_tcp { v2_source(&block[..addresses]) } else { None };
    Ok(Some(Header { length: V2_FIXED + length, source }))
}

/// Out of the source's address, the destination's, and the two ports. What comes behind them (TLVs) is of no concern.
fn v2_source(addresses: &[u8]) -> Option<SocketAddr> {
    let (address, ports): (IpAddr, &[u8]) = match addresses.len() {
        12 => (addresses.first_chunk::<4>().copied()?.into(), &addresses[8..]),
        _ => (addresses.first_chunk::<16>().copied()?.into(), &addresses[32..]),
    };
    Some(SocketAddr::new(address, u16::from_be_bytes(*ports.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, block].concat()
    }

    const OF_V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0x01, 0xbb];

    fn of_v6() -> Vec<u8> {
        let address = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
        [&address[..], &address, &[0x1f, 0x90, 0x01, 0xbb]].concat()
    }

    /// All that is wrong is wrong from some byte on, and every header is one from its last byte on.
    #[track_caller]
    fn check(bytes: &[u8], want: Result<Option<&str>, Malformed>) {
        let name = String::from_utf8_lossy(bytes);
        let got = decode(bytes);
        let told = got.map(|header| header.unwrap_or_else(|| panic!("not whole: {name:?}")));
        let source = told.map(|header| header.source.map(|source| source.to_string()));
        assert_eq!(source.as_ref().map(Option::as_deref), want.as_ref().copied(), "{name:?}");
        let longer = decode(&[bytes, b"GET / HTTP/1.1\r\n\r\n"].concat());
        assert_eq!(longer, got, "{name:?} and more");
        for end in 0..bytes.len() {
            let begun = decode(&bytes[..end]);
            assert!(begun == Ok(None) || got.is_err() && begun == got, "{name:?} to {end}");
        }
        if let Ok(Some(header)) = got {
            assert_eq!(header.length, bytes.len(), "{name:?}");
        }
    }

    #[test]
    fn version_1() {
        let line = Err(Malformed::Line);
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_LONGEST - 16));
        assert_eq!(longest.len(), V1_LONGEST);
        let too_long = longest.replace("x\r\n", "xx\r\n");
        let table: &[(&str, Result<Option<&str>, Malformed>)] = &[
            ("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n", Ok(Some("192.0.2.7:8080"))),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n",
                Ok(Some("255.255.255.255:65535")),
            ),
            ("PROXY TCP6 2001:db8::7 ::1 8080 443\r\n", Ok(Some("[2001:db8::7]:8080"))),
            ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", Ok(Some("[::ffff:192.0.2.7]:1"))),
            ("PROXY UNKNOWN\r\n", Ok(None)),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Ok(None)),
            (&longest, Ok(None)),
            (&too_long, Err(Malformed::TooLong)),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\n", line),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n", line),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443 \r\n", line),
            ("PROXY TCP4  192.0.2.7 10.0.0.1 8080 443\r\n", line),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 08080 443\r\n", line),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 +8080 443\r\n", line),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n", line),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 8080 -1\r\n", line),
            ("PROXY TCP4 192.0.2.07 10.0.0.1 8080 443\r\n", line),
            ("PROXY TCP4 192.0.2.7 somebody 8080 443\r\n", line),
            ("PROXY TCP4 2001:db8::7 ::1 8080 443\r\n", line),
            ("PROXY TCP6 192.0.2.7 10.0.0.1 8080 443\r\n", line),
            ("PROXY TCP6 fe80::1%eth0 ::1 8080 443\r\n", line),
            ("PROXY UDP4 192.0.2.7 10.0.0.1 8080 443\r\n", line),
            ("PROXY UNKNOWNS\r\n", line),
            ("PROXY \r\n", line),
            ("PROXY\tTCP4", Err(Malformed::Signature)),
            ("proxy TCP4", Err(Malformed::Signature)),
            ("GET / HTTP/1.1\r\n", Err(Malformed::Signature)),
            ("PRI * HTTP/2.0\r\n", Err(Malformed::Signature)),
            ("\x16\x03\x01", Err(Malformed::Signature)),
        ];
        for (bytes, want) in table {
            check(bytes.as_bytes(), *want);
        }
        assert_eq!(decode(b"PROXY \xff\r\n"), line.map(|_: Option<&str>| None));
    }

    #[test]
    fn version_2() {
        let tlvs = [&OF_V4[..], &[4, 0, 3, 1, 2, 3], &[3, 0, 4, 0, 0, 0, 0]].concat();
        let room = V2_LONGEST - V2_FIXED;
        let table = [
            (v2(0x21, 0x11, &OF_V4), Ok(Some("192.0.2.7:8080"))),
            (v2(0x21, 0x11, &tlvs), Ok(Some("192.0.2.7:8080"))),
            (v2(0x21, 0x21, &of_v6()), Ok(Some("[2001:db8::7]:8080"))),
            // LOCAL, nobody, datagrams, Unix sockets: nothing that a connection over TCP can be said to come from.
            (v2(0x20, 0x00, &[]), Ok(None)),
            (v2(0x20, 0x11, &OF_V4), Ok(None)),
            (v2(0x20, 0xff, &[1]), Ok(None)),
            (v2(0x21, 0x00, &[]), Ok(None)),
            (v2(0x21, 0x00, &OF_V4), Ok(None)),
            (v2(0x21, 0x12, &OF_V4), Ok(None)),
            (v2(0x21, 0x22, &of_v6()), Ok(None)),
            (v2(0x21, 0x31, &[b'x'; 216]), Ok(None)),
            (
                v2(0x21, 0x11, &[&OF_V4[..], &vec![0; room - 12]].concat()),
                Ok(Some("192.0.2.7:8080")),
            ),
            (v2(0x21, 0x11, &vec![0; room + 1]), Err(Malformed::TooLong)),
            (v2(0x20, 0x00, &vec![0; 0xffff]), Err(Malformed::TooLong)),
            (v2(0x11, 0x11, &OF_V4), Err(Malformed::Version)),
            (v2(0x01, 0x11, &OF_V4), Err(Malformed::Version)),
            (v2(0x22, 0x11, &OF_V4), Err(Malformed::Command)),
            (v2(0x2f, 0x00, &[]), Err(Malformed::Command)),
            (v2(0x21, 0x13, &OF_V4), Err(Malformed::Family)),
            (v2(0x21, 0x41, &OF_V4), Err(Malformed::Family)),
            (v2(0x21, 0x11, &OF_V4[..11]), Err(Malformed::Addresses)),
            (v2(0x21, 0x21, &OF_V4), Err(Malformed::Addresses)),
            (v2(0x21, 0x31, &of_v6()), Err(Malformed::Addresses)),
            (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), Err(Malformed::Signature)),
        ];
        for (bytes, want) in table {
            check(&bytes, want);
        }
    }

    proptest! {
        /// Whatever is sent, in whatever pieces: it is decided once, within the limits, and stays decided.
        #[test]
        fn any_bytes(
            signature in prop::sample::select(vec![b"".as_slice(), V1, b"PROXY TCP4 1.1.1.1 ", V2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"]),
            rest in vec(any::<u8>(), 0..300),
        ) {
            let bytes = [signature, &rest].concat();
            let mut decided = None;
            for end in 0..=bytes.len() {
                let got = decode(&bytes[..end]);
                match decided {
                    Some(before) => prop_assert_eq!(got, before),
                    None if got == Ok(None) => prop_assert!(end < V2_LONGEST),
                    None => {
                        if let Ok(Some(header)) = got {
                            prop_assert_eq!(header.length, end);
                        }
                        decided = Some(got);
                    }
                }
            }
        }
    }
}
