//! Hexadecimal digits.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The two digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

/// Writes the two digits of each byte, as far as there is room for them.
pub(crate) fn write(digits: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
}

/// The bytes that these digits are, all of them `0` to `9` and `a` to `f`, two for each.
#[cfg(feature = "standalone")]
pub(crate) fn read<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    // What is no digit has bits that no digit has.
    const VALUES: [u8; 256] = {
        let mut values = [0xf0; 256];
        let mut digit: u8 = 0;
        while digit < 16 {
            values[DIGITS[digit as usize] as usize] = digit;
            digit += 1;
        }
        values
    };
    let (mut bytes, mut seen) = ([0; N], 0);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen & 0xf0 == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte() {
        for byte in 0..=u8::MAX {
            let mut digits = [0; 2];
            write(&mut digits, &[byte]);
            assert_eq!(digits, *format!("{byte:02x}").as_bytes());
        }
    }
}
