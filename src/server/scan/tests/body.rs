use super::{
    super::{Limits, body::Chunked},
    detail,
};

/// Ok: bytes of the body, and whether it is at its end. Err: good bytes, and what is wrong then.
fn follow(bytes: &[u8]) -> Result<(usize, bool), (usize, String)> {
    let limits = Limits::default();
    let mut whole = Chunked::default();
    let result = whole.follow(bytes, &limits).map(|len| (len, whole.is_done()));
    let result = result.map_err(|(len, fault)| (len, detail(&fault)));

    // The same, byte by byte.
    let mut single = Chunked::default();
    let mut len = 0;
    let piecemeal = loop {
        if single.is_done() || len == bytes.len() {
            break Ok((len, single.is_done()));
        }
        match single.follow(&bytes[len..=len], &limits) {
            Ok(one) => len += one,
            Err((_, fault)) => break Err((len, detail(&fault))),
        }
    };
    assert_eq!(result, piecemeal, "{:?}", String::from_utf8_lossy(bytes));
    result
}

#[test]
fn framing() {
    const SIZE: &str = "a chunk's size is not hexadecimal";
    const RANGE: &str = "a chunk's size is out of range";
    const NO_SIZE: &str = "a chunk without a size";
    const LF: &str = "LF without CR in chunked framing";
    const CR: &str = "CR without LF in chunked framing";
    const LONGER: &str = "a chunk is longer than its size says";
    const EXTENSION: &str = "a chunk extension is malformed";
    const TRAILER: &str = "a trailer field is malformed";
    for (bytes, expected) in [
        ("0\r\n\r\n", Ok((5, true))),
        ("0\r\n\r\nGET /", Ok((5, true))),
        ("5\r\nhello\r\n0\r\n\r\n", Ok((15, true))),
        ("00A\r\n0123456789\r\n000\r\n\r\n", Ok((24, true))),
        ("5\r\nhe", Ok((5, false))),
        ("", Ok((0, false))),
        ("7fffffffffffffff\r\nx", Ok((19, false))),
        ("8000000000000000\r\n", Err((15, RANGE))),
        ("10000000000000005\r\n", Err((16, RANGE))),
        ("\r\n", Err((0, NO_SIZE))),
        ("-5\r\n", Err((0, NO_SIZE))),
        ("+5\r\n", Err((0, NO_SIZE))),
        (" 5\r\n", Err((0, NO_SIZE))),
        (";a\r\n", Err((0, NO_SIZE))),
        ("0x5\r\n", Err((1, SIZE))),
        ("5_\r\n", Err((1, SIZE))),
        ("5 \r\n", Err((2, SIZE))),
        ("5 5\r\n", Err((2, SIZE))),
        ("5\0\r\n", Err((1, SIZE))),
        ("5\n", Err((1, LF))),
        ("5\rx", Err((2, CR))),
        ("5\r\r\n", Err((2, CR))),
        ("5\r\nhello0\r\n", Err((8, LONGER))),
        ("5\r\nhello\n", Err((8, LONGER))),
        ("5\r\nhello\rx", Err((9, LONGER))),
        // Extensions.
        ("5;a\r\nhello\r\n0;b=c;d=\"e ;\\\" f\"\r\n\r\n", Ok((33, true))),
        ("5 ;\ta = b\r\nhello", Ok((16, false))),
        ("5;a\nGET", Err((3, LF))),
        ("5;a\rx", Err((4, CR))),
        ("5;a=\"b\r\n", Err((6, EXTENSION))),
        ("5;a=\"b\n", Err((6, LF))),
        ("5;a=\"\\\r\n", Err((6, EXTENSION))),
        ("5;a\0\r\n", Err((3, EXTENSION))),
        ("5;{\r\n", Err((2, EXTENSION))),
        // Trailers.
        ("0\r\nA: b\r\nC:\r\n\r\n", Ok((15, true))),
        ("0\r\nA: b\r\n", Ok((9, false))),
        ("0\r\n: b\r\n\r\n", Err((3, TRAILER))),
        ("0\r\nA : b\r\n\r\n", Err((4, TRAILER))),
        ("0\r\nA\r\n\r\n", Err((4, TRAILER))),
        ("0\r\nA: b\r\n c\r\n\r\n", Err((9, TRAILER))),
        ("0\r\nA: b\n\r\n", Err((7, TRAILER))),
        ("0\r\nA: b\rC", Err((8, TRAILER))),
        ("0\r\nA: \0\r\n", Err((6, TRAILER))),
        ("0\r\n\n", Err((3, TRAILER))),
        ("0\r\n\rx", Err((4, CR))),
    ] {
        let expected = expected.map_err(|(len, detail): (_, &str)| (len, detail.to_owned()));
        assert_eq!(follow(bytes.as_bytes()), expected, "{bytes:?}");
    }
}

#[test]
fn limits() {
    let refused = |bytes: &str| follow(bytes.as_bytes()).unwrap_err().1;
    let line = format!("5;{}\r\n", "a".repeat(300));
    assert_eq!(refused(&line), "the line with a chunk's size is too long");
    let zeros = format!("{}5\r\n", "0".repeat(300));
    assert_eq!(refused(&zeros), "the line with a chunk's size is too long");
    let extensions = format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(30);
    assert_eq!(refused(&extensions), "chunk extensions are too long");
    assert_eq!(refused(&format!("0\r\n{}", "a: b\r\n".repeat(65))), "HeaderTooLarge");
    assert_eq!(refused(&format!("0\r\na: {}", "b".repeat(9000))), "HeaderTooLarge");
}
