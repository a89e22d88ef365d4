use super::Undecodable;
use compression_codecs::{
    BrotliDecoder, DecodeV2, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
    core::util::{PartialBuffer, WriteBuffer},
    zstd::params::DParameter,
};
use std::io;

/// The largest window that a sender may ask for (RFC 9659, section 3): 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The seven bits with which "large window brotli" begins; RFC 7932, section 9.1 has no such window.
const BROTLI_LARGE_WINDOW: u8 = 0b001_0001;

pub(super) type Codec = Box<dyn DecodeV2 + Send + Sync>;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Deflate,
    Gzip,
    Zstd,
}

impl Coding {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Coding); 5] = [
            (b"br", Coding::Brotli),
            (b"deflate", Coding::Deflate),
            (b"gzip", Coding::Gzip),
            (b"x-gzip", Coding::Gzip),
            (b"zstd", Coding::Zstd),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, coding)| *coding)
    }

    /// How many bytes have to be there before [`codec`](Self::codec) can tell what they are.
    pub(super) const fn lookahead(self) -> usize {
        match self {
            Self::Deflate => 2,
            Self::Brotli | Self::Gzip | Self::Zstd => 1,
        }
    }

    /// The most that a codec keeps of what it has decoded, where that is not next to nothing.
    #[cfg(feature = "validate")]
    pub(super) const fn window(self) -> usize {
        match self {
            Self::Deflate | Self::Gzip => 32 << 10,
            Self::Brotli => super::LARGEST_WINDOW,
            Self::Zstd => 1 << ZSTD_WINDOW_LOG_MAX,
        }
    }

    /// Whether a complete content may be followed by another.
    pub(super) const fn has_members(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd)
    }

    /// The codec for a content that begins like this.
    pub(super) fn codec(self, start: &[u8]) -> Result<Codec, Undecodable> {
        Ok(match self {
            Self::Brotli if start.first().map(|byte| byte & 0x7f) == Some(BROTLI_LARGE_WINDOW) => {
                return Err(Undecodable);
            }
            Self::Brotli => Box::new(BrotliDecoder::new()),
            Self::Deflate if is_zlib(start) => Box::new(ZlibDecoder::new()),
            Self::Deflate => Box::new(DeflateDecoder::new()),
            Self::Gzip => Box::new(GzipDecoder::new()),
            Self::Zstd => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(
                ZSTD_WINDOW_LOG_MAX,
            )])),
        })
    }

    /// Gets out what the codec still holds, without new input. True: the content is complete.
    pub(super) fn drain(self, codec: &mut Codec, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        match self {
            // Without input their `decode` takes "nothing left" for an error. The end shows later.
            Self::Deflate | Self::Gzip => codec.flush(output).map(|_| false),
            // Brotli's `flush` does not report the end.
            Self::Brotli | Self::Zstd => codec.decode(&mut PartialBuffer::new(&[]), output),
        }
    }
}

/// RFC 9110, section 8.4.1.2: `deflate` is the zlib format, "some non-conformant implementations send the
/// deflate data without the zlib wrapper". RFC 1950, section 2.2 has the two bytes that tell.
fn is_zlib(start: &[u8]) -> bool {
    match *start {
        [cmf, flg, ..] => {
            cmf & 0x0f == 8
                && cmf >> 4 <= 7
                && (u16::from(cmf) << 8 | u16::from(flg)).is_multiple_of(31)
        }
        _ => false,
    }
}
