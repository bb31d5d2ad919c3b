//! Names of files as they come from others, made safe to stand in a folder of this machine.
//!
//! In: any text. Out: a [`CleanName`] that is one component of a path and nothing else, on Linux, macOS and Windows alike (what is
//! received may be carried on by a stick), that looks like what it is, and is not hidden. Cleaning what is clean changes nothing.
//!
//! | of the text | becomes |
//! |---|---|
//! | everything up to the last `/` or `\`, a drive before it | nothing: who sends a file does not choose the folder |
//! | control characters, what turns the direction of writing, what is invisible | nothing: `fdp.exe` must not be shown as `exe.pdf` |
//! | several blanks in a row | one: an ending must not be pushed out of sight |
//! | characters that Windows does not allow | `_` |
//! | blanks around it, dots behind it | nothing: Windows drops them, and two names would be one |
//! | a dot or a dash before it | `_` before that: nothing is hidden, nothing is taken for an option |
//! | a name of a device (`CON`, `nul.txt`) | `_` before it |
//! | more than 255 bytes | cut at a character, its ending kept |
//! | nothing left | `unnamed` |
//!
//! Not here: whether the name is free ([`super::place`]).

use pc2_protocols::limits::{MAX_FILE_NAME_BYTES, MAX_FILE_PATH_BYTES, MAX_FOLDER_DEPTH};
use std::fmt;

/// What a file is called whose name had nothing to keep.
const UNNAMED: &str = "unnamed";

/// The longest ending that is kept when a name is cut, in bytes, its dot included: longer ones are no endings but sentences.
const MAX_ENDING_BYTES: usize = 32;

/// Names that are devices on Windows, whatever ending follows.
const DEVICES: &[&str] = &["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Of these there are several, with one digit behind the name.
const NUMBERED_DEVICES: &[&str] = &["COM", "LPT"];

/// A name that can stand in any folder. See the [module](self) for what that means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CleanName(String);

impl CleanName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the same file when there is one already: `name (2).ext`. The first is the name itself.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        if number < 2 {
            return self.clone();
        }
        let (stem, ending) = split(&self.0);
        let tail = format!(" ({number}){ending}");
        let stem = cut(stem, MAX_FILE_NAME_BYTES.saturating_sub(tail.len()));
        Self(format!("{}{tail}", stem.trim_end_matches(is_blank)))
    }
}

impl fmt::Display for CleanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path inside a received folder: the folders, then the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CleanPath {
    /// The folders, outermost first.
    pub folders: Vec<CleanName>,
    /// The file.
    pub name: CleanName,
}

impl fmt::Display for CleanPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folders.iter().try_for_each(|folder| write!(f, "{folder}/"))?;
        write!(f, "{}", self.name)
    }
}

/// A path that is no place inside a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// More than [`MAX_FOLDER_DEPTH`] folders.
    #[error("a path with {got} folders is too deep; {MAX_FOLDER_DEPTH} are allowed")]
    TooDeep {
        /// How many.
        got: usize,
    },
    /// More than [`MAX_FILE_PATH_BYTES`].
    #[error("a path of {got} bytes is too long; {MAX_FILE_PATH_BYTES} are allowed")]
    TooLong {
        /// How many.
        got: usize,
    },
}

/// Makes a name of any text.
#[must_use]
pub fn clean_name(text: &str) -> CleanName {
    clean(text.rsplit(is_separator).find(|part| !is_nowhere(part)).unwrap_or_default())
}

/// Makes a path of any text: every component is cleaned, and none leads out of the folder. `/` and `\` both part them.
///
/// # Errors
/// [`BadPath`] when there is more of it than a path may have.
pub fn clean_path(text: &str) -> Result<CleanPath, BadPath> {
    if text.len() > MAX_FILE_PATH_BYTES {
        return Err(BadPath::TooLong { got: text.len() });
    }
    let mut parts: Vec<CleanName> =
        text.split(is_separator).filter(|part| !is_nowhere(part)).map(clean).collect();
    let name = parts.pop().unwrap_or_else(|| clean(""));
    if parts.len() > MAX_FOLDER_DEPTH {
        return Err(BadPath::TooDeep { got: parts.len() });
    }
    let path = CleanPath { folders: parts, name };
    let got = path.to_string().len();
    if got > MAX_FILE_PATH_BYTES { Err(BadPath::TooLong { got }) } else { Ok(path) }
}

fn is_separator(character: char) -> bool {
    matches!(character, '/' | '\\')
}

/// A component that says no name: nothing, here, one up, or the drive that Windows begins with.
fn is_nowhere(part: &str) -> bool {
    matches!(part, "" | "." | "..") || (part.len() == 2 && !without_drive(part).eq(part))
}

/// Windows' `C:name` is relative to a drive.
fn without_drive(part: &str) -> &str {
    match part.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => part.get(2..).unwrap_or_default(),
        _ => part,
    }
}

/// One component.
fn clean(part: &str) -> CleanName {
    let mut name = String::with_capacity(part.len().min(MAX_FILE_NAME_BYTES * 2));
    let mut blanks = 0;
    for character in without_drive(part).chars().filter(|character| !is_unseen(*character)) {
        if is_blank(character) {
            blanks += 1;
            continue;
        }
        match blanks {
            0 => {}
            _ if name.is_empty() => {}
            _ => name.push(' '),
        }
        blanks = 0;
        name.push(if is_forbidden(character) { '_' } else { character });
        // Whatever follows is cut: only an ending could still matter, and this is long enough to find none that counts.
        if name.len() > MAX_FILE_PATH_BYTES {
            break;
        }
    }
    let mut name = name.trim_end_matches(['.', ' ']).to_owned();
    if name.is_empty() {
        name.push_str(UNNAMED);
    }
    if name.starts_with(['.', '-']) || is_device(&name) {
        name.insert(0, '_');
    }
    if name.len() > MAX_FILE_NAME_BYTES {
        let (stem, ending) = split(&name);
        let stem = cut(stem, MAX_FILE_NAME_BYTES.saturating_sub(ending.len()));
        name = format!("{}{ending}", stem.trim_end_matches(['.', ' ']));
    }
    CleanName(name)
}

/// A name and its ending: `.` and what follows the last one. No ending: empty.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && at + 1 < name.len() && name.len() - at <= MAX_ENDING_BYTES => name.split_at(at),
        _ => (name, ""),
    }
}

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// Not allowed on Windows, or in what Windows has formatted.
fn is_forbidden(character: char) -> bool {
    matches!(character, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '/' | '\\')
}

/// Looks like nothing, but takes room.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '\u{2800}'
}

/// Takes no room, but changes what is seen or how it is read: controls, marks of direction, joiners that join nothing, tags, fillers.
/// Joiners that scripts and emoji need (U+200C, U+200D) and selectors of variants stay.
fn is_unseen(character: char) -> bool {
    let line_break = matches!(character, '\u{2028}' | '\u{2029}');
    (character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
        || line_break
        || matches!(
            character,
            '\u{00ad}'
                | '\u{034f}'
                | '\u{061c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether Windows takes a name for a device: what stands before the first dot, blanks ignored.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return true;
    }
    let mut characters = stem.chars();
    let digit = characters.next_back().is_some_and(|last| last.is_ascii_digit() || "¹²³".contains(last));
    digit && NUMBERED_DEVICES.iter().any(|device| characters.as_str().eq_ignore_ascii_case(device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned(text: &str) -> String {
        clean_name(text).to_string()
    }

    #[test]
    fn an_ordinary_name_stays_as_it_is() {
        for name in [
            "report.pdf",
            "Ferien in Österreich (3).jpeg",
            "日本語の名前.txt",
            "archive.tar.gz",
            "no ending",
            "a",
            "نامه‌ها.txt",
            "👩‍👩‍👧.png",
            "CONTRACT.docx",
            "com10.txt",
            "x..y",
            "50% & more + #1 [draft] {v2} 'quoted' ~ $HOME ; rm.sh",
        ] {
            assert_eq!(cleaned(name), name);
        }
    }

    #[test]
    fn a_name_cannot_choose_a_folder() {
        for name in [
            "/etc/passwd",
            "../../passwd",
            "..\\..\\passwd",
            "C:\\Windows\\passwd",
            "C:passwd",
            "\\\\server\\share\\passwd",
            "passwd/",
            "passwd/..",
            "passwd/.",
            "//passwd//",
            "./passwd",
            "x/c:/passwd",
        ] {
            assert_eq!(cleaned(name), "passwd", "{name}");
        }
    }

    #[test]
    fn a_name_of_nothing_is_called_unnamed() {
        for name in
            ["", ".", "..", "...", "/", "\\", "../..", "C:", "C:\\", " ", ". .", "\u{202e}", "\0", "\u{2800}"]
        {
            assert_eq!(cleaned(name), "unnamed", "{name:?}");
        }
    }

    #[test]
    fn what_is_not_seen_is_not_kept() {
        assert_eq!(cleaned("invoice\u{202e}fdp.exe"), "invoicefdp.exe");
        assert_eq!(cleaned("\u{2066}a\u{2069}\u{200f}b\u{200b}.txt"), "ab.txt");
        assert_eq!(cleaned("a\0b\u{7f}\u{1b}[31m.txt"), "ab[31m.txt");
        assert_eq!(cleaned("line\nbreak\ttab\r.txt"), "line break tab .txt");
        assert_eq!(cleaned("tag\u{e0041}\u{feff}.txt"), "tag.txt");
        assert_eq!(cleaned("pay.pdf                                    .exe"), "pay.pdf .exe");
        assert_eq!(cleaned("pay.pdf\u{2800}\u{a0}\u{3000}.exe"), "pay.pdf .exe");
        assert_eq!(cleaned("\u{3164}.txt"), "_.txt");
    }

    #[test]
    fn nothing_is_hidden_or_taken_for_an_option() {
        assert_eq!(cleaned(".bashrc"), "_.bashrc");
        assert_eq!(cleaned("..hidden"), "_..hidden");
        assert_eq!(cleaned(" .ssh"), "_.ssh");
        assert_eq!(cleaned("-rf"), "_-rf");
        assert_eq!(cleaned("\u{200b}.profile"), "_.profile");
    }

    #[test]
    fn what_windows_cannot_have_is_changed() {
        assert_eq!(cleaned("a<b>c:d\"e|f?g*h"), "a_b_c_d_e_f_g_h");
        assert_eq!(cleaned("name. . ."), "name");
        assert_eq!(cleaned("stream.txt:hidden.exe"), "stream.txt_hidden.exe");
        for device in [
            "CON",
            "con.txt",
            "Nul",
            "AUX.tar.gz",
            "com1",
            "LPT9.doc",
            "COM².x",
            "CONIN$",
            "prn .txt",
            "com0",
        ] {
            assert_eq!(cleaned(device), format!("_{device}"));
        }
    }

    #[test]
    fn a_long_name_is_cut_and_keeps_its_ending() {
        let long = cleaned(&format!("{}.jpeg", "x".repeat(300)));
        assert_eq!(long.len(), 255);
        assert!(long.ends_with("x.jpeg"));
        let wide = cleaned(&format!("{}.txt", "語".repeat(200)));
        assert!(wide.len() <= 255 && wide.ends_with("語.txt"));
        let sentence = cleaned(&format!("a.{}", "b".repeat(300)));
        assert_eq!(sentence.len(), 255);
        assert_eq!(cleaned(&"y".repeat(100_000)).len(), 255);
    }

    #[test]
    fn a_taken_name_is_numbered_before_its_ending() {
        let numbered = |name: &str, number| clean_name(name).numbered(number).to_string();
        assert_eq!(numbered("photo.jpg", 1), "photo.jpg");
        assert_eq!(numbered("photo.jpg", 2), "photo (2).jpg");
        assert_eq!(numbered("folder", 10), "folder (10)");
        let long = numbered(&format!("{}.jpeg", "x".repeat(300)), 4_000_000_000);
        assert_eq!(long.len(), 255);
        assert!(long.ends_with("x (4000000000).jpeg"));
    }

    #[test]
    fn a_path_stays_inside_of_its_folder() {
        let path = |text: &str| clean_path(text).map(|path| path.to_string());
        assert_eq!(path("a/b/c.txt"), Ok("a/b/c.txt".into()));
        assert_eq!(path("../../a/./b\\..\\c.txt"), Ok("a/b/c.txt".into()));
        assert_eq!(path("/abs/CON/.git/config"), Ok("abs/_CON/_.git/config".into()));
        assert_eq!(path("C:\\x"), Ok("x".into()));
        assert_eq!(path(""), Ok("unnamed".into()));
        assert_eq!(path(" / /x"), Ok("unnamed/unnamed/x".into()));
        assert_eq!(path(&format!("{}x", "a/".repeat(33))), Err(BadPath::TooDeep { got: 33 }));
        assert!(path(&format!("{}x", "a/".repeat(32))).is_ok());
        assert_eq!(path(&"a".repeat(2_049)), Err(BadPath::TooLong { got: 2_049 }));
    }

    /// Text that likes to be what names must not be.
    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            "[ -~]{0,40}",
            Just("../".to_owned()),
            Just("C:".to_owned()),
            Just("CON".to_owned()),
            Just(" ".to_owned()),
            Just(".".to_owned()),
            Just("\u{202e}".to_owned()),
            Just("\u{2800}\u{3000}".to_owned()),
            "[語é.]{60,120}",
            "[a-z .]{200,300}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn sound(name: &str) -> Result<(), TestCaseError> {
        prop_assert!(!name.is_empty() && name.len() <= 255);
        prop_assert!(!name.contains(['/', '\\', '\0', ':']));
        prop_assert!(!name.chars().any(|c| c.is_control() || is_unseen(c) || is_forbidden(c)));
        prop_assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']));
        prop_assert!(!is_device(name));
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_comes_a_clean_name_is_one_component_and_stays_the_same(text in nasty(), number in 2u32..) {
            let name = clean_name(&text);
            sound(name.as_str())?;
            prop_assert_eq!(clean_name(name.as_str()), name.clone());
            let numbered = name.numbered(number);
            sound(numbered.as_str())?;
            prop_assert_ne!(numbered, name);
        }

        #[test]
        fn whatever_comes_a_clean_path_leads_nowhere_else(text in nasty()) {
            if let Ok(path) = clean_path(&text) {
                for name in path.folders.iter().chain([&path.name]) {
                    sound(name.as_str())?;
                }
                prop_assert_eq!(clean_path(&path.to_string()), Ok(path));
            }
        }
    }
}
