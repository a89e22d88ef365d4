use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers for digests, which are spread evenly already: one multiplication is enough.
///
/// The seed is drawn for each table. A multiplication that is folded carries it into every bit, so that nobody can
/// choose digests that meet in one place.
#[derive(Clone, Copy)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn random() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl BuildHasher for Seed {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher(self.0)
    }
}

/// Takes a word at a time.
pub(super) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write_u64(&mut self, word: u64) {
        /// Odd, with as many ones as zeros, in no pattern: the fraction of the golden ratio.
        const MULTIPLIER: u128 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.0 ^ word) * MULTIPLIER;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    /// Not what a digest asks for, and right all the same.
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
