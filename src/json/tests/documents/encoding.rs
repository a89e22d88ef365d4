use super::{Accepted, Refused};

pub(super) const ACCEPTED: Accepted = &[
    "\"\u{80}\"",
    "\"\u{7ff}\"",
    "\"\u{800}\"",
    "\"\u{fffd}\"",
    "\"\u{ffff}\"",
    "\"\u{10000}\"",
    "\"\u{10ffff}\"",
    "[\"\u{feff}\"]",
    "{\"\u{feff}\":1,\"\":2}",
    "[\"\u{65e5}\u{672c}\", \"\u{7f}\"]",
];

pub(super) const REFUSED: Refused = &[
    ("\u{feff}", "it begins with a byte order mark"),
    ("\u{feff}{}", "it begins with a byte order mark"),
    ("\u{feff} 1", "it begins with a byte order mark"),
    ("\u{feff}\u{feff}[]", "it begins with a byte order mark"),
    (" \u{feff}[]", "expected value"),
    ("[\u{feff}]", "expected value"),
    ("[]\u{feff}", "trailing characters"),
    ("{\u{feff}\"a\":1}", "key must be a string"),
    ("é", "expected value"),
    ("[é]", "expected value"),
    ("{é:1}", "key must be a string"),
    ("［］", "expected value"),
    ("｛｝", "expected value"),
    ("[1，2]", "expected `,` or `]`"),
    // UTF-16 and UTF-32 of plain ASCII are valid UTF-8, full of zeros.
    ("[\u{0}1\u{0}]\u{0}", "expected value"),
    ("\u{0}[\u{0}1\u{0}]", "expected value"),
    ("\u{0}\u{0}\u{0}1", "expected value"),
    ("1\u{0}\u{0}\u{0}", "trailing characters"),
];

const UTF8: &str = "it is not UTF-8";

/// Those that are no text.
pub(super) const BYTES: &[(&[u8], &str)] = &[
    (b"\xff", UTF8),
    (b"\xfe", UTF8),
    (b"\x80", UTF8),
    (b"[\xff]", UTF8),
    (b"[]\xff", UTF8),
    (b"\"\xff\"", UTF8),
    (b"\"\x80\"", UTF8),
    (b"\"\xbf\xbf\"", UTF8),
    (b"{\"\xe9\":1}", UTF8),
    (b"\"caf\xe9\"", UTF8),
    // Truncated.
    (b"\"\xc3", UTF8),
    (b"\"\xc3\"", UTF8),
    (b"\"\xe2\x82\"", UTF8),
    (b"\"\xe2\x82", UTF8),
    (b"\"\xf0\x9f\x98\"", UTF8),
    (b"\"\xf0\x9f\"", UTF8),
    (b"\"\xf0\"", UTF8),
    (b"1\xc2", UTF8),
    // Longer than need be.
    (b"\"\xc0\xaf\"", UTF8),
    (b"\"\xc0\x80\"", UTF8),
    (b"\"\xc1\xbf\"", UTF8),
    (b"\"\xe0\x80\xaf\"", UTF8),
    (b"\"\xe0\x9f\xbf\"", UTF8),
    (b"\"\xf0\x80\x80\xaf\"", UTF8),
    (b"\"\xf0\x8f\xbf\xbf\"", UTF8),
    (b"\xc0\xbb\"a\":1}", UTF8),
    (b"\xe0\x81\x9b]", UTF8),
    // Surrogates, and pairs of them.
    (b"\"\xed\xa0\x80\"", UTF8),
    (b"\"\xed\xbf\xbf\"", UTF8),
    (b"\"\xed\xa0\xbd\xed\xb8\x80\"", UTF8),
    (b"{\"\xed\xa0\x80\":1}", UTF8),
    // Beyond the last.
    (b"\"\xf4\x90\x80\x80\"", UTF8),
    (b"\"\xf5\x80\x80\x80\"", UTF8),
    (b"\"\xf8\x88\x80\x80\x80\"", UTF8),
    (b"\"\xfc\x84\x80\x80\x80\x80\"", UTF8),
    // Byte order marks of others, and half of our own.
    (b"\xff\xfe[\0]\0", UTF8),
    (b"\xfe\xff\0[\0]", UTF8),
    (b"\xff\xfe\0\0[\0\0\0", UTF8),
    (b"\0\0\xfe\xff\0\0\0[", UTF8),
    (b"\xef\xbb[]", UTF8),
    (b"\xef\xbb", UTF8),
    (b"\xef[]", UTF8),
    (b"\xef\xbb\xbf\xff", UTF8),
    (b"+/v8-[]", "expected value"),
    (b"\xdd\x73\x66\x73", UTF8),
    // Compressed, or not JSON at all.
    (b"\x1f\x8b\x08\0", UTF8),
    (b"\x28\xb5\x2f\xfd", UTF8),
    (b"PK\x03\x04", "expected value"),
    (b"\x89PNG\r\n", UTF8),
    (b"%PDF-1.7", "expected value"),
    (b"\x82\xa1a\x01", UTF8),
];
