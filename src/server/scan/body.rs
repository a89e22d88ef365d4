use super::{Limits, head::is_tchar};
use crate::Fault;

/// Bytes of a line with a chunk's size, extensions included.
const MAX_LINE: usize = 256;

/// Bytes of all chunk extensions of a message. hyper stops at 16 KiB.
const MAX_EXTENSIONS: usize = 4 * 1024;

/// Bytes of all trailers of a message. hyper stops at 16 KiB.
const MAX_TRAILERS: usize = 8 * 1024;

/// Trailer fields of a message, at most.
const MAX_TRAILER_FIELDS: usize = 64;

/// Follows a chunked body (RFC 9112, section 7.1), stricter than hyper does.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunked {
    at: At,
    /// The chunk's size, then what is left of it.
    left: u64,
    /// Bytes of the size line.
    line: usize,
    /// Bytes of extensions so far.
    extensions: usize,
    /// Bytes of trailers so far.
    trailers: usize,
    /// Trailer fields so far.
    fields: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// The first digit of a size.
    #[default]
    Start,
    Size,
    /// White space that must lead to an extension.
    Space,
    Extension,
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The beginning of a trailer, or of the end.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunked {
    /// Follows the body through `bytes`: how many of them are its own.
    ///
    /// # Errors
    ///
    /// How many were good, and what is wrong with the next one.
    pub(super) fn follow(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<usize, (usize, Fault)> {
        let mut i = 0;
        while i < bytes.len() && self.at != At::Done {
            if self.at == At::Data {
                let rest = bytes.len() - i;
                let skip = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest);
                i += skip;
                self.left -= skip as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            self.at = self.step(bytes[i], limits).map_err(|fault| (i, fault))?;
            i += 1;
        }
        Ok(i)
    }

    /// Whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    fn step(&mut self, byte: u8, limits: &Limits) -> Result<At, Fault> {
        match self.at {
            At::Start | At::Size | At::Space | At::Extension | At::Quoted | At::Escaped => {
                self.size_line(byte)
            }
            At::SizeLf if byte == b'\n' => {
                self.line = 0;
                Ok(if self.left == 0 { At::Trailer } else { At::Data })
            }
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => Ok(At::Start),
            At::DataCr | At::DataLf => {
                Err(Fault::bad_request("a chunk is longer than its size says"))
            }
            At::EndLf if byte == b'\n' => Ok(At::Done),
            At::Trailer | At::TrailerName | At::TrailerValue | At::TrailerLf => {
                self.trailer(byte, limits)
            }
            At::SizeLf | At::EndLf => Err(Fault::bad_request("CR without LF in chunked framing")),
            // `follow` does not come here with these.
            At::Data | At::Done => Err(Fault::Internal),
        }
    }

    fn size_line(&mut self, byte: u8) -> Result<At, Fault> {
        self.line += 1;
        if self.line > MAX_LINE {
            return Err(Fault::bad_request("the line with a chunk's size is too long"));
        }
        match (self.at, byte) {
            (At::Start | At::Size, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                if self.left >> 59 != 0 {
                    return Err(Fault::bad_request("a chunk's size is out of range"));
                }
                self.left = self.left << 4 | u64::from(digit);
                return Ok(At::Size);
            }
            (At::Start, _) => return Err(Fault::bad_request("a chunk without a size")),
            (At::Size | At::Extension, b'\r') => return Ok(At::SizeLf),
            (_, b'\n') => {
                return Err(Fault::bad_request("LF without CR in chunked framing"));
            }
            _ => {}
        }
        // Section 7.1.1: unknown extensions are to be ignored, and their length to be limited.
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Fault::bad_request("chunk extensions are too long"));
        }
        Ok(match (self.at, byte) {
            (At::Size | At::Space, b' ' | b'\t') => At::Space,
            (At::Size | At::Space, b';') => At::Extension,
            (At::Size | At::Space, _) => {
                return Err(Fault::bad_request("a chunk's size is not hexadecimal"));
            }
            (At::Extension, b'"') => At::Quoted,
            (At::Extension, b' ' | b'\t' | b';' | b'=') => At::Extension,
            (At::Extension, _) if is_tchar(byte) => At::Extension,
            (At::Quoted, b'"') => At::Extension,
            (At::Quoted, b'\\') => At::Escaped,
            (At::Quoted | At::Escaped, _) if is_text(byte) => At::Quoted,
            _ => return Err(Fault::bad_request("a chunk extension is malformed")),
        })
    }

    fn trailer(&mut self, byte: u8, limits: &Limits) -> Result<At, Fault> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS {
            return Err(Fault::HeaderTooLarge);
        }
        Ok(match (self.at, byte) {
            (At::Trailer, b'\r') => At::EndLf,
            (At::Trailer, _) if is_tchar(byte) => {
                self.fields += 1;
                if self.fields > limits.fields.min(MAX_TRAILER_FIELDS) {
                    return Err(Fault::HeaderTooLarge);
                }
                At::TrailerName
            }
            (At::TrailerName, _) if is_tchar(byte) => At::TrailerName,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, _) if is_text(byte) => At::TrailerValue,
            (At::TrailerLf, b'\n') => At::Trailer,
            _ => return Err(Fault::bad_request("a trailer field is malformed")),
        })
    }
}

/// What a field value may contain (RFC 9110, section 5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
