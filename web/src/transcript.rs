//! A conversation as a document that people keep: one HTML file, without script, that needs no node and no network to be read.
//!
//! In: the entries of a conversation, oldest first. Out: pieces of the document. Names, texts, emojis and names of files are somebody else's: each is
//! escaped, control characters are replaced, and the direction of a text ends with it. Should a browser see it otherwise, the document itself forbids
//! scripts and everything that would be loaded. What disappears is counted and left out: a copy would outlive it.
//!
//! The form stands in docs/exporting.md. Not here: where the entries come from ([`crate::api::export`]).

use crate::{api::content::misleads, convert, dto};
use pc2_protocols::{messenger::marks::Entry, time::UnixMillis};
use std::fmt::Write as _;
use time::{Date, OffsetDateTime};

/// How it looks: as calm as the page, on a screen and on paper.
const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{max-width:44rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{margin:2rem 0 .5rem;font-size:1rem;font-weight:600;text-align:center}\
article{margin:.75rem 0;padding:.5rem .75rem;border:1px solid #8886;border-radius:.75rem;break-inside:avoid}\
article.mine{margin-left:15%}article.theirs{margin-right:15%}\
article:target{outline:2px solid}\
header,.line,.about,footer,.files{font-size:.875rem;opacity:.8}header b{margin-right:.5em}\
p{margin:.25rem 0;white-space:pre-wrap;overflow-wrap:anywhere}.line{text-align:center}\
blockquote{margin:.25rem 0;padding-left:.75rem;border-left:3px solid #8888;overflow-wrap:anywhere}\
blockquote a{color:inherit;text-decoration:none}\
ul{margin:.25rem 0 0;padding:0;list-style:none;font-size:.875rem}li{display:inline;margin-right:1em}\
footer{margin:3rem 0 2rem;text-align:center}";

/// Who speaks, as the owner calls them.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub(crate) name: String,
    pub(crate) did: String,
}

/// A document that is being written. Bounded: it keeps no entry.
#[derive(Debug)]
pub(crate) struct Transcript {
    me: Speaker,
    them: Speaker,
    /// Of the last entry.
    day: Option<Date>,
    written: u64,
    left_out: u64,
}

impl Transcript {
    pub(crate) const fn new(me: Speaker, them: Speaker) -> Self {
        Self { me, them, day: None, written: 0, left_out: 0 }
    }

    /// What comes before the entries.
    pub(crate) fn head(&self, now: UnixMillis) -> String {
        let mut out = String::from(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Conversation with ",
        );
        escape(&mut out, &self.them.name);
        let _infallible = write!(out, "</title>\n<style>{STYLE}</style>\n<h1>Conversation with ");
        name(&mut out, &self.them.name);
        out.push_str("</h1>\n<p class=\"about\">Between ");
        for (speaker, after) in [(&self.me, " and "), (&self.them, ", ")] {
            name(&mut out, &speaker.name);
            out.push_str(" (");
            escape(&mut out, &speaker.did);
            out.push(')');
            out.push_str(after);
        }
        let now = moment(now.0);
        let _infallible = writeln!(
            out,
            "as it was on this PC2 on {} at {}. All times are UTC.</p>",
            date(now.date()),
            clock(now)
        );
        out
    }

    /// One entry; nothing for what is none.
    pub(crate) fn entry(&mut self, mut entry: Entry) -> String {
        // What it answers may disappear while it stays.
        entry.quoted = entry.quoted.filter(|quoted| quoted.0.content.lasts.is_none());
        let Some(message) = convert::entry(entry) else { return String::new() };
        if message.disappears_after.is_some() {
            self.left_out = self.left_out.saturating_add(1);
            return String::new();
        }
        let at = moment(message.at);
        let mut out = String::new();
        if self.day != Some(at.date()) {
            self.day = Some(at.date());
            let _infallible = writeln!(out, "<h2>{}</h2>", date(at.date()));
        }
        match &message.body {
            dto::MessageBody::Timer { seconds } => self.line(&mut out, &message, *seconds, at),
            dto::MessageBody::Text | dto::MessageBody::File { .. } => {
                self.written = self.written.saturating_add(1);
                self.article(&mut out, &message, at);
            }
        }
        out
    }

    /// What comes after the entries. A document without it is not whole.
    pub(crate) fn foot(&self) -> String {
        let mut out = format!("<footer>{}", counted(self.written, "message"));
        if self.left_out > 0 {
            let _infallible = write!(out, "; not in here: {} that disappear", self.left_out);
        }
        out.push_str(". The end.</footer>\n</html>\n");
        out
    }

    fn speaker(&self, mine: bool) -> &Speaker {
        if mine { &self.me } else { &self.them }
    }

    /// Somebody chose how long messages last.
    fn line(&self, out: &mut String, message: &dto::Message, seconds: Option<u32>, at: OffsetDateTime) {
        out.push_str("<p class=\"line\">");
        name(out, &self.speaker(message.mine).name);
        match seconds {
            Some(seconds) => {
                let _infallible = write!(out, " set new messages to disappear after {} ", lasting(seconds));
            }
            None => out.push_str(" set new messages to stay "),
        }
        stamp(out, at);
        out.push_str("</p>\n");
    }

    fn article(&self, out: &mut String, message: &dto::Message, at: OffsetDateTime) {
        out.push_str("<article id=\"m-");
        escape(out, &message.id);
        out.push_str(if message.mine { "\" class=\"mine\">" } else { "\" class=\"theirs\">" });
        out.push_str("<header><b>");
        name(out, &self.speaker(message.mine).name);
        out.push_str("</b>");
        stamp(out, at);
        if let Some(edited) = message.edited_at.map(moment) {
            out.push_str(" · edited ");
            if edited.date() != at.date() {
                let _infallible = write!(out, "{}, ", date(edited.date()));
            }
            stamp(out, edited);
        }
        out.push_str(match (message.mine, message.state) {
            (true, dto::MessageState::Waiting | dto::MessageState::Stored) => " · not delivered yet",
            (true, dto::MessageState::NotDelivered) => " · not delivered",
            _ => "",
        });
        out.push_str("</header>\n");
        if let Some(quote) = &message.quote {
            out.push_str("<blockquote><a href=\"#m-");
            escape(out, &quote.id);
            out.push_str("\"><b>");
            name(out, &self.speaker(quote.mine).name);
            out.push_str("</b> ");
            name(out, if quote.deleted { "Message deleted" } else { &quote.text });
            out.push_str("</a></blockquote>\n");
        }
        self.said(out, message);
        if !message.reactions.is_empty() {
            out.push_str("<ul>");
            for reaction in &message.reactions {
                out.push_str("<li>");
                name(out, &reaction.emoji);
                out.push(' ');
                name(out, &self.speaker(reaction.mine).name);
                out.push_str("</li>");
            }
            out.push_str("</ul>\n");
        }
        out.push_str("</article>\n");
    }

    fn said(&self, out: &mut String, message: &dto::Message) {
        if message.deleted {
            out.push_str("<p><em>Message deleted</em></p>\n");
            return;
        }
        out.push_str("<p dir=\"auto\">");
        let dto::MessageBody::File { name: file, size, files, what, .. } = &message.body else {
            escape(out, &message.text);
            out.push_str("</p>\n");
            return;
        };
        let plain: String = file.chars().map(|c| if misleads(c) { '_' } else { c }).collect();
        escape(out, &plain);
        let kind = match what {
            dto::OfferedKind::File => "File".to_owned(),
            dto::OfferedKind::Folder => format!("Folder, {}", counted(*files, "file")),
        };
        let _infallible = writeln!(out, "</p>\n<p class=\"files\">{kind}, {size} bytes</p>");
    }
}

/// A length of time in its largest whole unit.
fn lasting(seconds: u32) -> String {
    let units = [(604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).unwrap_or((1, "second"));
    counted((seconds / size).into(), unit)
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A text within a line: its direction ends with it.
fn name(out: &mut String, text: &str) {
    out.push_str("<bdi>");
    escape(out, text);
    out.push_str("</bdi>");
}

/// Somebody else's text, as text. Characters that are none become visible.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' => {}
            '\n' | '\t' => out.push(c),
            _ if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
    }
}

/// A point in time that a calendar has.
fn moment(unix_millis: u64) -> OffsetDateTime {
    let seconds = i64::try_from(unix_millis / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

fn clock(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

fn stamp(out: &mut String, at: OffsetDateTime) {
    let (day, clock, second) = (date(at.date()), clock(at), at.second());
    let _infallible = write!(out, "<time datetime=\"{day}T{clock}:{second:02}Z\">{clock}</time>");
}

/// The name of the file, before the characters are taken out that a file's name cannot have.
pub(crate) fn file_name(them: &str, now: UnixMillis) -> String {
    format!("PC2 conversation with {them} {}.html", date(moment(now.0).date()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pc2_protocols::{
        id::{ConversationId, DeviceId, MsgId, NodeId},
        messenger::{
            content::{Body, Content, Hlc},
            marks::Marks,
            rows::{MessageRow, MessageState},
        },
    };

    const ME: NodeId = NodeId::from_bytes([1; 32]);
    const THEM: NodeId = NodeId::from_bytes([2; 32]);

    /// 2026-11-26T11:12:33Z.
    const AT: u64 = 1_795_691_553_000;

    const HOSTILE: &str = "</p><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\0\u{1b}[2J\u{202e}";

    fn row(sender: NodeId, number: u8, body: Body) -> MessageRow {
        let content = Content {
            id: MsgId::from_bytes([number; 16]),
            device: DeviceId::from_bytes([0; 16]),
            seq: number.into(),
            prev_hash: [0; 32],
            parents: Vec::new(),
            hlc: Hlc((AT + u64::from(number)) << 16),
            body,
            lasts: None,
        };
        let (conversation, state) = (ConversationId::direct(THEM), MessageState::Received);
        MessageRow {
            account: ME,
            conversation,
            sender,
            content,
            state,
            stored: UnixMillis(AT),
            chain_broken: false,
        }
    }

    fn text(sender: NodeId, number: u8, said: &str) -> MessageRow {
        row(sender, number, Body::Text { text: said.to_owned(), reply_to: None })
    }

    fn transcript(them: &str) -> Transcript {
        let speaker = |name: &str| Speaker { name: name.to_owned(), did: "did:boson:x".to_owned() };
        Transcript::new(speaker("Ada"), speaker(them))
    }

    #[test]
    fn nothing_that_somebody_wrote_can_run_or_be_anything_but_text() {
        let mut transcript = transcript(HOSTILE);
        let mut out = transcript.head(UnixMillis(AT));
        let target = text(THEM, 1, HOSTILE);
        let mut marks = Marks::at(target.content.hlc);
        marks.note(&row(ME, 2, Body::Reaction { target: target.content.id, emoji: Some(HOSTILE.into()) }));
        marks.note(&row(THEM, 3, Body::Edit { target: target.content.id, text: HOSTILE.into() }));
        out += &transcript.entry(Entry { row: target.clone(), marks: marks.clone(), quoted: None });
        let quoted = Some(Box::new((target, marks)));
        out += &transcript.entry(Entry { row: text(ME, 4, HOSTILE), marks: Marks::default(), quoted });
        out += &transcript.foot();
        for tag in out.split('<').skip(1) {
            let tag = tag.split(['>', ' ']).next().expect("a name").trim_start_matches('/');
            let known =
                "!doctype html meta title style h1 h2 p article header b bdi time blockquote a ul li footer";
            assert!(known.split(' ').any(|one| one == tag), "{tag}");
        }
        assert!(!out.contains('\0') && !out.contains('\u{1b}') && !out.contains("onerror=alert(1)>"));
        assert!(out.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
        assert!(out.ends_with("</html>\n"));
    }

    #[test]
    fn a_conversation_reads_as_it_was() {
        let mut transcript = transcript("Bob");
        let head = transcript.head(UnixMillis(AT));
        assert!(head.contains("<bdi>Ada</bdi> (did:boson:x) and <bdi>Bob</bdi>"), "{head}");
        assert!(head.contains("on 2026-11-26 at 11:12."), "{head}");
        let target = text(THEM, 1, "one\ntwo");
        let mut marks = Marks::at(target.content.hlc);
        marks.note(&row(ME, 2, Body::Reaction { target: target.content.id, emoji: Some("👍".into()) }));
        let first = transcript.entry(Entry { row: target.clone(), marks: marks.clone(), quoted: None });
        let id = target.content.id;
        assert!(first.starts_with(&format!("<h2>2026-11-26</h2>\n<article id=\"m-{id}\" class=\"theirs\">")));
        assert!(first.contains("<time datetime=\"2026-11-26T11:12:33Z\">11:12</time>"), "{first}");
        assert!(first.contains("one\ntwo</p>") && first.contains("<li><bdi>👍</bdi> <bdi>Ada</bdi></li>"));
        let answer = text(ME, 3, "three");
        let answer = transcript.entry(Entry {
            row: answer,
            marks: Marks::default(),
            quoted: Some(Box::new((target, marks))),
        });
        assert!(!answer.contains("<h2>"), "the same day");
        assert!(answer.contains(&format!("<a href=\"#m-{id}\"><b><bdi>Bob</bdi></b> <bdi>one\ntwo</bdi>")));
        let mut gone = text(THEM, 5, "SECRET");
        gone.content.lasts = Some(60);
        let quoted = Some(Box::new((gone.clone(), Marks::default())));
        assert_eq!(transcript.entry(Entry { row: gone, marks: Marks::default(), quoted: None }), "");
        let line = row(THEM, 6, Body::Timer { lasts: Some(60) });
        let line = transcript.entry(Entry { row: line, marks: Marks::default(), quoted: None });
        assert!(line.contains("<bdi>Bob</bdi> set new messages to disappear after 1 minute "), "{line}");
        let answer = Entry { row: text(ME, 7, "four"), marks: Marks::default(), quoted };
        assert!(!transcript.entry(answer).contains("SECRET"));
        assert!(transcript.foot().contains("3 messages; not in here: 1 that disappear"));
    }
}
