//! The recovery phrase: twelve words from which everything else is made.
//!
//! In: 16 random bytes, or what a person typed. Out: a [`Phrase`] whose checksum holds, and the keys made from it. Twelve
//! words are given out; twelve or twenty-four are read, as BIP39 wrote them. Reading does not mind case, spaces, line
//! breaks or compatibility forms of letters (NFKD), and says of every word it does not know which one was likely meant.
//!
//! Nothing here prints a phrase by itself: `Debug` is silent, `Display` does not exist, [`Phrase::words`] is asked for
//! on purpose. It is wiped from memory when dropped.
//!
//! Not here: a passphrase of BIP39 (the 25th word). It would make every typing error another, empty identity; who wants a
//! passphrase seals the identity file with one ([`super::keystore`]). Spec: `docs/protocol/identity.md` §1.

use super::keys::IdentityKeys;
use bip39::{Language, Mnemonic};
use std::{borrow::Cow, fmt, str::FromStr};
use zeroize::{Zeroize as _, Zeroizing};

/// Random bytes behind a new phrase: 128 bits, twelve words.
pub const ENTROPY_BYTES: usize = 16;

/// How many words a phrase may have.
const WORD_COUNTS: [usize; 2] = [12, 24];

/// Longest input that is looked at, in bytes. 24 words of at most 8 letters with a space are 215; the rest is room for spaces
/// and wide letters.
const MAX_TEXT_BYTES: usize = 2_048;

/// A recovery phrase whose words are known and whose checksum holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Phrase(Mnemonic);

/// A word of a typed phrase that the list does not have. `Debug` leaves the words out: they are all but the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// Its place, counted from 1.
    pub position: usize,
    /// What was typed.
    pub typed: String,
    /// The word of the list that is nearest to it.
    pub nearest: &'static str,
}

/// Why a text is no recovery phrase. Worded for the person who typed it, and for their eyes only: never to be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Longer than any phrase; not looked at.
    #[error("this text of {got} bytes is longer than any recovery phrase")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Too few or too many words.
    #[error("a recovery phrase has 12 or 24 words; this one has {got}")]
    WordCount {
        /// Words given.
        got: usize,
    },
    /// Words that are not in the list, all of them.
    #[error("not in the list of words: {}", Listed(.words))]
    UnknownWords {
        /// Which, in order.
        words: Vec<UnknownWord>,
    },
    /// All words are known, but they were not given out together.
    #[error(
        "each word is known, but together they fail the checksum: is one of them swapped or mistaken for another?"
    )]
    Checksum,
}

impl Phrase {
    /// Makes the twelve-word phrase of 16 random bytes, which the caller draws from the system and wipes.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; ENTROPY_BYTES]) -> Self {
        Self(Mnemonic::from_entropy(entropy).expect("BIP39 defines 128 bits"))
    }

    /// The words in order, to be shown to their owner once.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// All keys of the identity that this phrase restores.
    #[must_use]
    pub fn keys(&self) -> IdentityKeys {
        IdentityKeys::from_seed(Zeroizing::new(self.0.to_seed_normalized("")))
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase")
    }
}

impl FromStr for Phrase {
    type Err = PhraseError;

    fn from_str(text: &str) -> Result<Self, PhraseError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(PhraseError::TooLong { got: text.len() });
        }
        let mut normal = Cow::Borrowed(text);
        Mnemonic::normalize_utf8_cow(&mut normal);
        let lower = Zeroizing::new(normal.to_lowercase());
        if let Cow::Owned(mut copy) = normal {
            copy.zeroize();
        }
        let got = lower.split_whitespace().count();
        if !WORD_COUNTS.contains(&got) {
            return Err(PhraseError::WordCount { got });
        }
        let words: Vec<UnknownWord> = unknown(&lower).collect();
        if !words.is_empty() {
            return Err(PhraseError::UnknownWords { words });
        }
        // Count and words were checked above, so what is left to fail is the checksum.
        Mnemonic::parse_in_normalized(Language::English, &lower).map(Self).map_err(|_| PhraseError::Checksum)
    }
}

/// The words that are not in the list, each with the nearest that is.
fn unknown(phrase: &str) -> impl Iterator<Item = UnknownWord> + '_ {
    phrase.split_whitespace().enumerate().filter(|(_, word)| Language::English.find_word(word).is_none()).map(
        |(index, word)| UnknownWord { position: index + 1, typed: word.to_owned(), nearest: nearest(word) },
    )
}

/// The word of the list that takes the fewest slips of the pen; among equals the one that begins most alike, because
/// the first four letters tell all words of the list apart.
fn nearest(typed: &str) -> &'static str {
    let alike = |word: &str| word.chars().zip(typed.chars()).take_while(|(one, other)| one == other).count();
    Language::English
        .word_list()
        .iter()
        .min_by_key(|word| (strsim::damerau_levenshtein(word, typed), usize::MAX - alike(word)))
        .expect("the list of words is not empty")
}

impl fmt::Debug for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnknownWord {{ position: {} }}", self.position)
    }
}

/// Unknown words as a person reads them.
struct Listed<'a>(&'a [UnknownWord]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, UnknownWord { position, typed, nearest }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}word {position}, \"{typed}\" (did you mean \"{nearest}\"?)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors;
    use proptest::prelude::*;

    const TWELVE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

    fn typed(text: &str) -> Result<Phrase, PhraseError> {
        text.parse()
    }

    fn message(text: &str) -> String {
        typed(text).expect_err("no phrase").to_string()
    }

    #[test]
    fn the_vectors_of_the_standard_hold() {
        let vectors = vectors::read(include_str!("../../testdata/identity/bip39.txt"));
        assert_eq!(vectors.len(), 16);
        for vector in vectors {
            let phrase = typed(vector.text("phrase")).expect("a valid phrase");
            assert_eq!(phrase.0.to_entropy(), vector.bytes("entropy"));
            assert_eq!(phrase.0.to_seed_normalized("TREZOR"), vector.array("seed_trezor"));
            if let Ok(entropy) = vector.bytes("entropy").try_into() {
                assert_eq!(Phrase::from_entropy(&entropy), phrase);
            }
        }
    }

    #[test]
    fn a_new_phrase_reads_back_to_the_same_keys() {
        let phrase = Phrase::from_entropy(&[0x7f; ENTROPY_BYTES]);
        let words: Vec<_> = phrase.words().collect();
        assert_eq!(words.join(" "), TWELVE);
        let again = typed(TWELVE).expect("a valid phrase");
        assert_eq!(again.keys().node(), phrase.keys().node());
    }

    #[test]
    fn case_spaces_and_line_breaks_do_not_matter() {
        let untidy = format!("\n  {}\t", TWELVE.to_uppercase().replace(' ', " \r\n "));
        assert_eq!(typed(&untidy), typed(TWELVE));
        assert!(typed(TWELVE).is_ok());
    }

    #[test]
    fn letters_of_an_asian_keyboard_are_read_as_plain_ones() {
        let wide: String = TWELVE
            .chars()
            .map(|plain| match plain {
                'a'..='z' => char::from_u32(plain as u32 - 'a' as u32 + 'ａ' as u32).expect("wide letters"),
                _ => '\u{3000}',
            })
            .collect();
        assert_eq!(typed(&wide), typed(TWELVE));
    }

    #[test]
    fn every_unknown_word_is_named_with_its_place_and_the_nearest_word() {
        let text = TWELVE.replacen("winner", "winnr", 1).replacen("yellow", "yelow", 1);
        assert_eq!(
            message(&text),
            "not in the list of words: word 2, \"winnr\" (did you mean \"winner\"?); \
             word 12, \"yelow\" (did you mean \"yellow\"?)"
        );
    }

    #[test]
    fn the_nearest_word_is_the_one_that_begins_alike() {
        assert_eq!(nearest("abandn"), "abandon");
        assert_eq!(nearest("recieve"), "receive");
        assert_eq!(nearest("satosi"), "satoshi");
        assert_eq!(nearest("zzz"), "zoo");
    }

    #[test]
    fn a_wrong_number_of_words_is_counted() {
        assert_eq!(message("abandon about"), "a recovery phrase has 12 or 24 words; this one has 2");
        assert_eq!(typed(""), Err(PhraseError::WordCount { got: 0 }));
        // Valid under BIP39, but never given out by PC2.
        let fifteen = [&["abandon"; 14][..], &["address"]].concat().join(" ");
        assert_eq!(typed(&fifteen), Err(PhraseError::WordCount { got: 15 }));
    }

    #[test]
    fn swapped_words_fail_the_checksum_and_are_told_so() {
        let swapped = TWELVE.replacen("legal winner", "winner legal", 1);
        assert_eq!(typed(&swapped), Err(PhraseError::Checksum));
        assert!(message(&swapped).contains("fail the checksum"));
    }

    #[test]
    fn an_endless_text_is_not_looked_at() {
        let endless = "a".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(typed(&endless), Err(PhraseError::TooLong { got: MAX_TEXT_BYTES + 1 }));
    }

    #[test]
    fn no_word_is_in_the_debug_output() {
        assert_eq!(format!("{:?}", typed(TWELVE).expect("a valid phrase")), "Phrase");
        let error = typed(&TWELVE.replacen("year", "yeer", 1)).expect_err("an unknown word");
        assert_eq!(format!("{error:?}"), "UnknownWords { words: [UnknownWord { position: 4 }] }");
    }

    proptest! {
        #[test]
        fn every_new_phrase_reads_back(entropy: [u8; ENTROPY_BYTES]) {
            let phrase = Phrase::from_entropy(&entropy);
            let words: Vec<_> = phrase.words().collect();
            prop_assert_eq!(typed(&words.join(" ")), Ok(phrase));
        }

        #[test]
        fn garbage_never_panics(text: String, words in prop::collection::vec("\\PC{0,20}", 12)) {
            prop_assert!(typed(&text).is_err());
            prop_assert!(typed(&words.join(" ")).is_err());
        }
    }
}
