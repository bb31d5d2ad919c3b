//! Two people: how they become contacts, what they say to each other, and whether all of it came, once and in order.

use crate::node::{Node, within};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// More than any scenario says in one conversation.
const ALL: &str = "5000";

/// What became of the texts of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Acknowledged by the own node.
    pub(crate) sent: usize,
    /// Of those, not on the other's disk.
    pub(crate) lost: usize,
    /// Shown more than once.
    pub(crate) twice: usize,
    /// Shown before one that was sent earlier.
    pub(crate) disordered: usize,
}

impl Account {
    /// Whether nothing was lost, doubled or out of order.
    pub(crate) fn is_clean(self) -> bool {
        self.lost == 0 && self.twice == 0 && self.disordered == 0
    }

    /// Both sides together.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            lost: self.lost + other.lost,
            twice: self.twice + other.twice,
            disordered: self.disordered + other.disordered,
        }
    }
}

/// What one person says to another.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    texts: Vec<String>,
}

impl Speech {
    /// Says the next thing. Counts only when the own node has acknowledged it.
    pub(crate) fn say(&mut self, from: &Node, to: &Node) -> String {
        let text = format!("{} {:04}", from.name, self.texts.len());
        self.say_this(from, to, &text);
        text
    }

    /// Says something of the caller's choice.
    pub(crate) fn say_this(&mut self, from: &Node, to: &Node, text: &str) {
        from.ask(&["send", &to.did, text]);
        self.texts.push(text.to_owned());
    }

    /// What of it the other node shows.
    pub(crate) fn account(&self, from: &Node, to: &Node) -> Account {
        let shown = heard(to, from);
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, text) in shown.iter().enumerate() {
            places.entry(text).or_default().push(place);
        }
        let mut account = Account { sent: self.texts.len(), ..Account::default() };
        let mut last = None;
        for text in &self.texts {
            match places.get(text.as_str()).map(Vec::as_slice) {
                None | Some([]) => account.lost += 1,
                Some([first, more @ ..]) => {
                    account.twice += more.len();
                    account.disordered += usize::from(last.is_some_and(|last| *first < last));
                    last = Some(*first);
                }
            }
        }
        account
    }
}

/// What a node shows of somebody else's texts, oldest first. Nothing while it cannot be asked.
pub(crate) fn heard(node: &Node, from: &Node) -> Vec<String> {
    texts(node, from, false).into_iter().map(|(text, _)| text).collect()
}

/// How many own texts to somebody are in a state.
pub(crate) fn in_state(node: &Node, to: &Node, wanted: impl Fn(&str) -> bool) -> usize {
    texts(node, to, true).iter().filter(|(_, state)| wanted(state)).count()
}

fn texts(node: &Node, with: &Node, mine: bool) -> Vec<(String, String)> {
    let chat = node.try_ask(&["chat", &with.did, "--limit", ALL]).unwrap_or_default();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let items = chat["items"].as_array().into_iter().flatten();
    items.filter(|item| item["mine"] == mine).map(|item| (text(item, "text"), text(item, "state"))).collect()
}

/// One asks, the other accepts. How long it took until both know; `None` when it did not come to that.
pub(crate) fn become_contacts(asking: &Node, asked: &Node, patience: Duration) -> Option<Duration> {
    asking.ask(&["contact", "add", &asked.did]);
    let mut accepted = false;
    within(patience, || {
        if !accepted && standing(asked, asking).as_deref() == Some("asking") {
            accepted = asked.try_ask(&["contact", "accept", &asking.did]).is_ok();
        }
        (standing(asking, asked).as_deref() == Some("accepted")).then_some(())
    })
    .map(|(took, ())| took)
}

fn standing(node: &Node, other: &Node) -> Option<String> {
    let list = node.try_ask(&["contact", "list"]).ok()?;
    let contact = list["items"].as_array()?.iter().find(|contact| contact["did"] == *other.did)?;
    contact["standing"].as_str().map(str::to_owned)
}

/// Waits until a text is shown at the other side; how long that took.
pub(crate) fn until_heard(node: &Node, from: &Node, text: &str, patience: Duration) -> Option<Duration> {
    within(patience, || heard(node, from).iter().any(|heard| heard == text).then_some(()))
        .map(|(took, ())| took)
}
