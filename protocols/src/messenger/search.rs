//! How words are found in messages: what a text is folded to, what a query asks for, and what is shown of a hit.
//!
//! Folding takes away what people do not mean when they search: case, accents, widths, invisible characters. "Zürich", "ZURICH" and "zu\u{308}rich" fold
//! to the same. A query is split at its spaces: each term has to stand in the text as it is, beginning where a word begins; all but the last must end where one ends, so that
//! a search finds while it is typed. Scripts that are written without spaces (Chinese, Japanese, Thai…) have a word wherever a character is. Signs and emoji are
//! found like words.
//!
//! Pure: no tables (`pc2-storage` keeps folded texts), no order, no pages. Everything is bounded: a query by [`limits::MAX_QUERY_BYTES`] and [`MAX_TERMS`], a folded text
//! by [`MAX_FOLDED_BYTES`].

use crate::limits;
use std::ops::Range;
use unicode_normalization::char::decompose_compatible;

/// Most terms of a query; what people type has three.
pub const MAX_TERMS: usize = 8;

/// Longest folded text, in bytes; what follows is not found. Only texts of rare signs that fold to many letters each are cut: every other longest message
/// ([`limits::MAX_TEXT_BYTES`]) has room.
pub const MAX_FOLDED_BYTES: usize = 40 * 1024;

/// What is shown of a text before its first hit, and in all, in characters: two lines.
const BEFORE_HIT: usize = 32;
const SNIPPET: usize = 140;

/// Why there is nothing to search for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Nothing but spaces and invisible characters.
    #[error("say what to search for")]
    Empty,
    /// Longer than anybody types.
    #[error("a search may be {} bytes at most", limits::MAX_QUERY_BYTES)]
    TooLong,
    /// More words than anybody types.
    #[error("a search may have {MAX_TERMS} words at most")]
    TooManyWords,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    terms: Vec<String>,
}

/// A piece of a text, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The piece.
    pub text: String,
    /// It is what was searched for.
    pub hit: bool,
}

impl Query {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`BadQuery`].
    pub fn parse(typed: &str) -> Result<Self, BadQuery> {
        if typed.len() > limits::MAX_QUERY_BYTES {
            return Err(BadQuery::TooLong);
        }
        let folded = fold(typed);
        let terms: Vec<String> =
            folded.split(' ').filter(|term| !term.is_empty()).map(str::to_owned).collect();
        match terms.len() {
            0 => Err(BadQuery::Empty),
            1..=MAX_TERMS => Ok(Self { terms }),
            _ => Err(BadQuery::TooManyWords),
        }
    }

    /// Whether a folded text has it all.
    #[must_use]
    pub fn matches(&self, folded: &str) -> bool {
        self.terms().all(|(term, whole)| next(folded, term, whole, 0).is_some())
    }

    /// Whether texts that stand behind one another can have it: a fast no for most.
    #[must_use]
    pub fn may_match(&self, folded: &str) -> bool {
        self.terms.iter().all(|term| folded.contains(term.as_str()))
    }

    /// The terms, and whether each is a whole word.
    fn terms(&self) -> impl Iterator<Item = (&str, bool)> {
        let last = self.terms.len().saturating_sub(1);
        self.terms.iter().enumerate().map(move |(at, term)| (term.as_str(), at != last))
    }

    /// What to show of a text that has it: the surroundings of the first hit, in pieces.
    #[must_use]
    pub fn snippet(&self, text: &str) -> Vec<Piece> {
        let hits = self.hits(text);
        let first = hits.first().map_or(0, |hit| hit.start);
        let start = text[..first].char_indices().rev().take(BEFORE_HIT).last().map_or(first, |(at, _)| at);
        // Only a word or two before it: from the beginning, then.
        let start =
            if text[..start].chars().take(BEFORE_HIT / 2).count() < BEFORE_HIT / 2 { 0 } else { start };
        let end = text[start..].char_indices().nth(SNIPPET).map_or(text.len(), |(at, _)| start + at);
        let mut pieces = Vec::new();
        let mut put = |from: usize, to: usize, hit: bool| {
            if from < to {
                pieces.push(Piece { text: text[from..to].to_owned(), hit });
            }
        };
        let mut at = start;
        for hit in hits.iter().filter(|hit| hit.end > start && hit.start < end) {
            put(at, hit.start, false);
            put(hit.start.max(start), hit.end.min(end), true);
            at = hit.end;
        }
        put(at, end, false);
        if start > 0 {
            pieces.insert(0, Piece { text: "…".to_owned(), hit: false });
        }
        if end < text.len() {
            pieces.push(Piece { text: "…".to_owned(), hit: false });
        }
        pieces
    }

    /// Where in a text, in its own bytes: in order, without overlaps.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let mut folded = String::with_capacity(text.len());
        // For each byte of the folded text, which character of the text it came from.
        let mut from: Vec<Range<usize>> = Vec::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            let before = folded.len();
            fold_char(c, &mut folded);
            if folded.len() > MAX_FOLDED_BYTES {
                folded.truncate(before);
                break;
            }
            from.resize(folded.len(), at..at + c.len_utf8());
        }
        let mut hits = Vec::new();
        for (term, whole) in self.terms() {
            let mut at = 0;
            while let Some(found) = next(&folded, term, whole, at) {
                at = found + term.len();
                if let (Some(first), Some(last)) = (from.get(found), from.get(at - 1)) {
                    hits.push(first.start..last.end);
                }
            }
        }
        hits.sort_by_key(|hit| (hit.start, hit.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(hits.len());
        for hit in hits {
            match apart.last_mut() {
                Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
                _ => apart.push(hit),
            }
        }
        apart
    }
}

/// A text as it is searched: at most [`MAX_FOLDED_BYTES`], and no line breaks in it.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        let before = folded.len();
        fold_char(c, &mut folded);
        if folded.len() > MAX_FOLDED_BYTES {
            folded.truncate(before);
            break;
        }
    }
    folded
}

fn fold_char(c: char, folded: &mut String) {
    match c {
        'A'..='Z' => folded.push(c.to_ascii_lowercase()),
        '\u{21}'..='\u{7e}' => folded.push(c),
        _ if c.is_whitespace() || c.is_control() => folded.push(' '),
        _ if is_invisible(c) || is_accent(c) => {}
        // Letters that people take for others and Unicode does not take apart.
        'ß' | 'ẞ' => folded.push_str("ss"),
        'æ' | 'Æ' => folded.push_str("ae"),
        'œ' | 'Œ' => folded.push_str("oe"),
        'þ' | 'Þ' => folded.push_str("th"),
        'ø' | 'Ø' => folded.push('o'),
        'ł' | 'Ł' => folded.push('l'),
        'đ' | 'Đ' | 'ð' | 'Ð' => folded.push('d'),
        'ħ' | 'Ħ' => folded.push('h'),
        'ı' => folded.push('i'),
        // Taken apart they would be three times as long, and nobody types half of one.
        '\u{ac00}'..='\u{d7a3}' => folded.push(c),
        _ => decompose_compatible(c, |part| {
            for lower in part.to_lowercase().filter(|lower| !is_accent(*lower)) {
                folded.push(match lower {
                    'ς' => 'σ',
                    _ if lower.is_whitespace() => ' ',
                    _ => lower,
                });
            }
        }),
    }
}

/// Marks that people leave out when they search: accents, and the vowel points of Hebrew and Arabic. Those of Indic scripts make another letter and stay.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c7}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Soft hyphens, joiners, directions, variations: nobody types them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Where a term stands next, from a place on.
fn next(folded: &str, term: &str, whole: bool, from: usize) -> Option<usize> {
    let (first, last) = (term.chars().next()?, term.chars().next_back()?);
    let mut from = from;
    loop {
        let at = from + folded.get(from..)?.find(term)?;
        let begins = folded[..at].chars().next_back().is_none_or(|before| !are_one_word(before, first));
        let after = folded[at + term.len()..].chars().next();
        let ends = !whole || after.is_none_or(|after| !are_one_word(last, after));
        if begins && ends {
            return Some(at);
        }
        from = at + first.len_utf8();
    }
}

/// Whether two characters beside each other belong to the same word.
fn are_one_word(a: char, b: char) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() && !is_dense(c);
    is_letter(a) && is_letter(b)
}

/// Of a script that is written without spaces.
const fn is_dense(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(typed: &str, text: &str) -> bool {
        Query::parse(typed).expect("a query").matches(&fold(text))
    }

    /// The text with brackets around hits.
    fn shown(typed: &str, text: &str) -> String {
        let pieces = Query::parse(typed).expect("a query").snippet(text);
        pieces.into_iter().map(|Piece { text, hit }| if hit { format!("[{text}]") } else { text }).collect()
    }

    #[test]
    fn case_accents_widths_and_invisible_characters_make_no_difference() {
        for (typed, text) in [
            ("ZURICH", "in Zürich"),
            ("zürich", "ZU\u{308}RICH"),
            ("strasse", "Hauptstr. und Straße"),
            ("ελλας", "ΕΛΛΆΣ"),
            ("istanbul", "İSTANBUL"),
            ("cafe", "cafe\u{301}"),
            ("soren", "Søren"),
            ("abc", "ＡＢＣ"),
            ("donaudampf", "Donau\u{ad}dampfschiff"),
            ("привет", "ПРИВЕТ"),
            ("شمس", "شَمْس"),
            ("한국", "한국어"),
        ] {
            assert!(finds(typed, text), "{typed} in {text}");
        }
    }

    #[test]
    fn the_last_word_may_be_half_typed_and_the_others_not() {
        assert!(finds("hel", "oh hello there"));
        assert!(finds("hello th", "Hello, there!"));
        assert!(finds("there hello", "Hello there"), "in any order");
        assert!(!finds("hel there", "hello there"));
        assert!(!finds("ello", "hello"), "not in the middle of a word");
        assert!(finds("ello", "hello ello"), "a later place counts, too");
        assert!(!finds("hello world", "hello"));
    }

    #[test]
    fn scripts_without_spaces_are_found_anywhere_and_signs_as_they_are() {
        assert!(finds("東京", "昨日東京に行った"));
        assert!(finds("に 東京", "昨日東京に行った"));
        assert!(finds("ドイツ", "ﾄﾞｲﾂ語"));
        assert!(finds("สวัส", "กล่าวสวัสดีครับ"));
        assert!(finds("👍🏽", "ok 👍🏽"));
        assert!(finds("c++", "I like C++."));
        assert!(finds("ab-ab", "xab-ab-ab"), "a hit inside one that is none");
        assert!(finds("example.com/x", "see https://example.com/xyz"));
    }

    #[test]
    fn a_query_is_bounded_and_has_something_in_it() {
        assert_eq!(Query::parse(" \u{200b}\u{301} "), Err(BadQuery::Empty));
        assert_eq!(Query::parse(&"x".repeat(limits::MAX_QUERY_BYTES + 1)), Err(BadQuery::TooLong));
        assert_eq!(Query::parse("a b c d e f g h i"), Err(BadQuery::TooManyWords));
    }

    #[test]
    fn a_hit_is_shown_as_it_was_written_with_what_is_around_it() {
        assert_eq!(shown("zur", "Grüezi aus Zürich und zurück"), "Grüezi aus [Zür]ich und [zur]ück");
        assert_eq!(shown("strasse", "Die Straße"), "Die [Straße]");
        assert_eq!(shown("hello he", "hello"), "[hello]", "hits that overlap are one");
        let long = format!("{}needle{}", "hay ".repeat(100), " straw".repeat(100));
        let shown = shown("needle", &long);
        assert!(
            shown.starts_with("…hay ") && shown.contains(" [needle] straw") && shown.ends_with('…'),
            "{shown}"
        );
        assert!(shown.chars().count() <= SNIPPET + 4);
    }

    #[test]
    fn no_text_folds_to_more_than_is_kept_and_none_to_a_line_break() {
        let long = fold(&"\u{fdfa}".repeat(limits::MAX_TEXT_BYTES / 3));
        assert!(long.len() <= MAX_FOLDED_BYTES && !long.is_empty());
        assert_eq!(fold(&"x".repeat(limits::MAX_TEXT_BYTES)).len(), limits::MAX_TEXT_BYTES);
        for c in '\0'..=char::MAX {
            assert!(!fold(&c.to_string()).contains('\n'), "{c:?}");
        }
        let wide = "\u{fdfa}".repeat(limits::MAX_TEXT_BYTES / 3);
        assert!(!Query::parse("صلى").expect("a query").snippet(&wide).is_empty());
    }
}
