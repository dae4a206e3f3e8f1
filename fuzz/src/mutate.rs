//! Seeded mutations for the plain test: what a coverage-guided fuzzer does first, without its patience.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Numbers and words on which parsers trip.
const WORDS: [&[u8]; 18] = [
    b"0",
    b"-1",
    b"1e308",
    b"1e999",
    b"NaN",
    b"null",
    b"4294967295",
    b"9223372036854775808",
    b"18446744073709551615",
    b"\"",
    b"{",
    b"[",
    b"\n",
    b",",
    b"\x00",
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\x1b[31m",
];

/// A changed input: one to four changes, each a flipped bit, a byte, a word, a cut, or a piece of this or another seed.
pub fn mutate(rng: &mut ChaCha8Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..7) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            2 if at < bytes.len() => bytes[at] = rng.random(),
            3 => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                let end = bytes.len().min(at + rng.random_range(0..8));
                bytes.splice(at..end, word.iter().copied());
            }
            4 if rng.random_bool(0.2) => bytes.truncate(at),
            5 => {
                let end = bytes.len().min(at + rng.random_range(0..64));
                bytes.drain(at..end);
            }
            _ if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                let to = other.len().min(from + rng.random_range(1..64));
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {}
        }
    }
    bytes
}
