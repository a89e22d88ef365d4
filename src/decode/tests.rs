use super::*;
use compression_codecs::{
    BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
    flate::params::FlateEncoderParams,
    zstd::params::CParameter,
};
use http::HeaderValue;
use proptest::prelude::*;

/// Content codings, and `raw` for a deflate without its zlib wrapper.
pub(crate) const CODINGS: [&str; 5] = ["gzip", "deflate", "raw", "br", "zstd"];

/// The name that a coding of [`CODINGS`] has on the wire.
pub(crate) fn wire_name(coding: &str) -> &str {
    if coding == "raw" { "deflate" } else { coding }
}

pub(crate) fn encode(coding: &str, content: &[u8]) -> Vec<u8> {
    let flate = FlateEncoderParams::from(Level::Default);
    match coding {
        "gzip" => run(GzipEncoder::new(flate), content),
        "deflate" => run(ZlibEncoder::new(flate), content),
        "raw" => run(DeflateEncoder::new(flate), content),
        "br" => run(BrotliEncoder::new(EncoderParams::default()), content),
        "zstd" => run(ZstdEncoder::new(3), content),
        other => panic!("{other}"),
    }
}

fn run(mut encoder: impl EncodeV2, content: &[u8]) -> Vec<u8> {
    let (mut encoded, mut scratch) = (Vec::new(), vec![0; 64 * 1024]);
    let mut input = PartialBuffer::new(content);
    while !input.unwritten().is_empty() {
        let mut output = WriteBuffer::new_initialized(&mut scratch);
        encoder.encode(&mut input, &mut output).unwrap();
        encoded.extend_from_slice(output.written());
    }
    loop {
        let mut output = WriteBuffer::new_initialized(&mut scratch);
        let done = encoder.finish(&mut output).unwrap();
        encoded.extend_from_slice(output.written());
        if done {
            return encoded;
        }
    }
}

fn decoder(names: &str) -> Result<Option<Decoder>, Undecodable> {
    let mut headers = HeaderMap::new();
    for line in names.split('|') {
        headers.append(header::CONTENT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    Decoder::of(&headers)
}

/// What came of a content that arrived in chunks.
#[derive(Debug, Default)]
struct Decoded {
    content: Vec<u8>,
    largest: usize,
    busy: usize,
}

fn decode(names: &str, encoded: &[u8], chunk: usize) -> Result<Decoded, Undecodable> {
    let mut decoder = decoder(names).unwrap().unwrap();
    let mut chunks = encoded.chunks(chunk);
    let mut decoded = Decoded::default();
    loop {
        match decoder.pull()? {
            Pulled::Data(piece) => {
                assert!(!piece.is_empty());
                decoded.largest = decoded.largest.max(piece.len());
                decoded.content.extend_from_slice(&piece);
            }
            Pulled::NeedsInput => match chunks.next() {
                Some(chunk) => decoder.push(Bytes::copy_from_slice(chunk)),
                None => decoder.finish(),
            },
            Pulled::Busy => decoded.busy += 1,
            Pulled::End => {
                assert_eq!(chunks.next(), None, "ended early");
                return Ok(decoded);
            }
        }
    }
}

fn content(names: &str, encoded: &[u8]) -> Result<Vec<u8>, Undecodable> {
    decode(names, encoded, usize::MAX).map(|decoded| decoded.content)
}

#[test]
fn names() {
    let table: &[(&str, Result<usize, Undecodable>)] = &[
        ("", Ok(0)),
        ("identity", Ok(0)),
        (" , Identity,|", Ok(0)),
        ("gzip", Ok(1)),
        ("GZip", Ok(1)),
        ("x-gzip", Ok(1)),
        ("br", Ok(1)),
        ("deflate", Ok(1)),
        ("zstd", Ok(1)),
        ("gzip,identity , br", Ok(2)),
        ("gzip|br,zstd", Ok(3)),
        ("gzip,gzip,identity,gzip", Ok(3)),
        ("gzip,gzip,gzip,gzip", Err(Undecodable)),
        ("gzip|gzip,gzip|gzip", Err(Undecodable)),
        ("compress", Err(Undecodable)),
        ("gzip, aws-chunked", Err(Undecodable)),
        ("gzip;q=1", Err(Undecodable)),
        ("\u{e9}", Err(Undecodable)),
    ];
    for (names, want) in table {
        let stages = decoder(names).map(|decoder| decoder.map_or(0, |d| d.stages.len()));
        assert_eq!(stages, *want, "{names:?}");
    }
}

/// Made by other programs than the encoders of these tests.
#[test]
fn foreign_contents() {
    let table: &[(&str, &[u8])] = &[
        // The example of the brotli project's own tests.
        ("br", b"\x0b\x02\x80hello\x03"),
        // Python's zlib: with and without wrapper, stored, and one without a single compressed byte.
        ("deflate", b"x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15"),
        ("deflate", b"\xcbH\xcd\xc9\xc9\x07\x00"),
        ("deflate", b"\x01\x05\x00\xfa\xffhello"),
        // GNU gzip with a file name, and a header with a CRC of itself, an extra field and a comment.
        (
            "gzip",
            b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name\0\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\0\0\0",
        ),
    ];
    for (names, encoded) in table {
        for chunk in [1, 2, 3, usize::MAX] {
            let decoded = decode(names, encoded, chunk).map(|decoded| decoded.content);
            assert_eq!(decoded.as_deref(), Ok(&b"hello"[..]), "{names} in {chunk}s");
        }
    }
}

#[test]
fn no_byte_is_an_empty_content() {
    for coding in CODINGS {
        assert_eq!(content(wire_name(coding), b"").unwrap(), b"");
        let encoded = encode(coding, b"");
        assert!(!encoded.is_empty());
        assert_eq!(content(wire_name(coding), &encoded).unwrap(), b"", "{coding}");
    }
}

#[test]
fn codings_are_undone_in_reverse() {
    let encoded = encode("zstd", &encode("br", &encode("gzip", b"hello")));
    for chunk in [1, 7, usize::MAX] {
        let decoded = decode("gzip, br|zstd", &encoded, chunk).unwrap();
        assert_eq!(decoded.content, b"hello");
    }
    assert!(content("zstd, br, gzip", &encoded).is_err());
}

#[test]
fn every_cut_is_noticed() {
    let plain = "no two alike: 0123456789abcdefghijklmnopqrstuvwxyz ".repeat(20);
    for coding in CODINGS {
        let encoded = encode(coding, plain.as_bytes());
        for cut in 1..encoded.len() {
            for chunk in [1, usize::MAX] {
                assert!(
                    decode(wire_name(coding), &encoded[..cut], chunk).is_err(),
                    "{coding} cut at {cut} of {}",
                    encoded.len()
                );
            }
        }
    }
}

/// One piece that a codec cannot make smaller, and four that it can.
fn whole_pieces() -> [Vec<u8>; 2] {
    let mut random = fastrand::Rng::with_seed(7);
    let dense = std::iter::repeat_with(|| random.u8(..)).take(PIECE);
    [dense.collect(), vec![b'x'; 4 * PIECE]]
}

#[test]
fn a_cut_behind_a_full_piece_is_noticed() {
    // All that is missing is the codec's own end.
    for plain in whole_pieces() {
        for coding in CODINGS {
            let encoded = encode(coding, &plain);
            for chunk in [1, 1000, usize::MAX] {
                let cut = &encoded[..encoded.len() - 1];
                assert!(decode(wire_name(coding), cut, chunk).is_err(), "{coding}");
                let decoded = decode(wire_name(coding), &encoded, chunk).unwrap();
                assert!(decoded.content == plain, "{coding}");
            }
        }
    }
}

#[test]
fn a_full_piece_with_nothing_behind_it_is_no_error() {
    // A stored block of exactly a piece, in a chunk of its own, then an empty last block (RFC 1951, 3.2.4).
    let [plain, _] = whole_pieces();
    let reference = encode("gzip", &plain);
    let length = u16::try_from(PIECE).unwrap();
    let mut first = reference[..10].to_vec();
    first.push(0);
    first.extend(length.to_le_bytes());
    first.extend((!length).to_le_bytes());
    first.extend(&plain);
    let chunk = first.len();
    let last = [b"\x01\0\0\xff\xff", &reference[reference.len() - 8..]].concat();
    let gzip = [first, last].concat();
    assert!(decode("gzip", &gzip, chunk).unwrap().content == plain);
    let raw = &gzip[10..gzip.len() - 8];
    assert!(decode("deflate", raw, chunk - 10).unwrap().content == plain);
}

#[test]
fn a_cut_within_another_coding_is_noticed() {
    let inner = encode("gzip", b"hello");
    let encoded = encode("br", &inner[..inner.len() - 1]);
    assert!(content("gzip, br", &encoded).is_err());
}

#[test]
fn what_can_come_out_does_not_wait_for_more() {
    // Without what the format has after the content.
    let table = [("gzip", 8), ("deflate", 4), ("raw", 0), ("br", 0), ("zstd", 0)];
    for (coding, footer) in table {
        let plain = vec![b'x'; 4 * PIECE];
        let mut encoded = encode(coding, &plain);
        encoded.truncate(encoded.len() - footer);
        let mut decoder = decoder(wire_name(coding)).unwrap().unwrap();
        decoder.push(encoded.into());
        let mut all = 0;
        loop {
            match decoder.pull().unwrap() {
                Pulled::Data(piece) => all += piece.len(),
                Pulled::Busy => {}
                Pulled::NeedsInput => break,
                Pulled::End => panic!("nobody said that this is all"),
            }
        }
        assert_eq!(all, plain.len(), "{coding}");
    }
}

#[test]
fn what_follows_the_end() {
    for coding in CODINGS {
        let one = encode(coding, b"one");
        for chunk in [1, usize::MAX] {
            for garbage in [&b"\0"[..], b"}", b"\0\0\0\0\0\0\0\0"] {
                let encoded = [&one[..], garbage].concat();
                assert!(
                    decode(wire_name(coding), &encoded, chunk).is_err(),
                    "{coding} and {garbage:?}"
                );
            }
            let encoded = [&one[..], &encode(coding, b"two")].concat();
            let decoded = decode(wire_name(coding), &encoded, chunk).map(|d| d.content);
            match coding {
                "gzip" | "zstd" => assert_eq!(decoded.as_deref(), Ok(&b"onetwo"[..]), "{coding}"),
                _ => assert!(decoded.is_err(), "{coding}"),
            }
        }
    }
}

#[test]
fn a_changed_byte_is_noticed_where_there_is_a_checksum() {
    let plain = b"{\"id\":7,\"name\":\"a name, a name, a name\"}";
    for coding in ["gzip", "deflate"] {
        let encoded = encode(coding, plain);
        for at in 0..encoded.len() {
            for bit in 0..8 {
                let mut changed = encoded.clone();
                changed[at] ^= 1 << bit;
                // Some bits say nothing: time and system, what fills up the last byte.
                if let Ok(content) = content(coding, &changed) {
                    assert_eq!(content, plain, "{coding}, bit {bit} of byte {at}");
                }
            }
        }
    }
}

#[test]
fn windows_that_no_http_peer_may_ask_for() {
    let mut large = decoder("br").unwrap().unwrap();
    large.push(Bytes::from_static(&[0x11]));
    assert_eq!(large.pull(), Err(Undecodable));

    for (log, allowed) in [(23, true), (24, false)] {
        let encoder = ZstdEncoder::new_with_params(1, &[CParameter::window_log(log)]);
        let encoded = run(encoder, b"hello");
        assert_eq!(content("zstd", &encoded).is_ok(), allowed, "2^{log}");
    }
}

#[test]
fn a_bomb_comes_out_in_small_pieces() {
    const MIB: usize = 1 << 20;
    let member = encode("gzip", &vec![0; 20 * MIB]);
    let bomb = member.repeat(5);
    assert!(bomb.len() < MIB / 5, "{}", bomb.len());
    let decoded = decode("gzip", &bomb, usize::MAX).unwrap();
    assert_eq!(decoded.content.len(), 100 * MIB);
    assert_eq!(decoded.largest, PIECE);
}

#[test]
fn work_without_a_result_lets_others_work() {
    // 2 MiB of gzip members without content, in two kilobytes.
    let nothing = encode("gzip", b"").repeat(100_000);
    let encoded = encode("gzip", &nothing);
    assert!(encoded.len() < nothing.len() / 100);
    let decoded = decode("gzip, gzip", &encoded, usize::MAX).unwrap();
    assert!(decoded.content.is_empty());
    assert!(decoded.busy > 1000, "{}", decoded.busy);
}

proptest! {
    #[test]
    fn what_was_encoded_comes_out(
        coding in proptest::sample::select(CODINGS.to_vec()),
        seed in proptest::collection::vec(any::<u8>(), 1..300),
        repeat in 1usize..400,
        chunk in 1usize..5000,
    ) {
        let plain = seed.repeat(repeat);
        let encoded = encode(coding, &plain);
        let decoded = decode(wire_name(coding), &encoded, chunk).unwrap();
        prop_assert!(decoded.content == plain);
        prop_assert!(decoded.largest <= PIECE);
    }

    #[test]
    fn garbage_ends(
        names in proptest::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, br", "zstd, gzip"]),
        start in proptest::sample::select(CODINGS.to_vec()),
        kept in 0usize..40,
        garbage in proptest::collection::vec(any::<u8>(), 0..500),
        chunk in 1usize..100,
    ) {
        let mut encoded = encode(start, b"some content, some content");
        encoded.truncate(kept);
        encoded.extend(garbage);
        let _ = decode(names, &encoded, chunk);
    }
}
