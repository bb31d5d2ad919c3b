//! What is kept of sessions, wallets, keys and the log, and what is not.

use super::{log::MAX_LOG, *};
use crate::wallet::fake;

const NOW: UnixMillis = UnixMillis(1_000_000_000);
const ACCOUNT: NodeId = NodeId::from_bytes([1; 32]);

fn kept() -> Kept {
    Kept::new(ACCOUNT, AccessRows::default())
}

fn address(seed: u8) -> Address {
    fake::Wallet::new(seed).address()
}

fn secret() -> Secret {
    Secret::draw().expect("randomness")
}

impl Kept {
    /// Who a caller is by now.
    fn browser_of(&self, caller: &Caller) -> Caller {
        match caller {
            Caller::Browser { session, .. } => self.browser(*session, NOW),
            other => panic!("no browser: {other:?}"),
        }
    }
}

fn by_link(kept: &mut Kept) -> Caller {
    let secret = secret();
    kept.begin_by_link(&secret, "a browser", NOW);
    kept.browser(secret.hash(), NOW)
}

fn by_wallet(kept: &mut Kept, seed: u8, before: &Caller) -> Result<Caller, KeptError> {
    let secret = secret();
    kept.begin_by_wallet(&secret, address(seed), before, "a browser", NOW)?;
    Ok(kept.browser(secret.hash(), NOW))
}

#[test]
fn only_the_owner_by_a_link_makes_a_wallet_the_owners_and_only_the_first() {
    let mut kept = kept();
    for stranger in [Caller::Nobody, Caller::CommandLine] {
        assert_eq!(by_wallet(&mut kept, 1, &stranger), Err(KeptError::NotAdded));
    }
    let link = by_link(&mut kept);
    let owner = by_wallet(&mut kept, 1, &link).expect("the first one");
    assert_eq!((owner.role(), owner.wallet()), (Some(Role::Owner), Some(address(1))));
    let link = by_link(&mut kept);
    assert_eq!(by_wallet(&mut kept, 2, &link), Err(KeptError::NotAdded));
    assert_eq!(by_wallet(&mut kept, 2, &owner), Err(KeptError::NotAdded));
}

#[test]
fn who_was_signed_out_while_the_wallet_signed_makes_nobody_the_owner() {
    let mut kept = kept();
    let link = by_link(&mut kept);
    assert!(kept.still(&link, NOW));
    let Caller::Browser { session, .. } = &link else { panic!("the owner") };
    kept.sign_out(session);
    assert!(!kept.still(&link, NOW));
    assert_eq!(by_wallet(&mut kept, 1, &link), Err(KeptError::NotAdded));
}

#[test]
fn a_role_that_changes_changes_what_is_signed_in_already() {
    let mut kept = kept();
    let by = Caller::CommandLine;
    kept.add_wallet(address(1), Role::Member, " Ann ", &by, NOW).expect("added");
    let Ok(Caller::Browser { session, role: Role::Member, .. }) = by_wallet(&mut kept, 1, &Caller::Nobody)
    else {
        panic!("a member");
    };
    let changed = kept.change_wallet(address(1), Some(Role::Admin), None, &by, NOW).expect("changed");
    assert_eq!((changed.role, changed.label.as_str()), (WebRole::Admin, "Ann"));
    assert_eq!(kept.browser(session, NOW).role(), Some(Role::Admin));
    kept.remove_wallet(address(1), &by, NOW).expect("removed");
    assert_eq!(kept.browser(session, NOW), Caller::Nobody);
    assert!(kept.take_changes().contains(&AccessChange::RemoveSession { token_hash: session.0 }));
}

#[test]
fn what_is_on_disk_is_what_is_in_force() {
    let mut kept = kept();
    let link = by_link(&mut kept);
    let owner = by_wallet(&mut kept, 1, &link).expect("the first one");
    kept.add_key(&secret(), "bot", Scopes::default(), None, &owner, NOW).expect("made");
    let mut rows = AccessRows::default();
    for change in kept.take_changes() {
        match change {
            AccessChange::PutSession(row) => rows.sessions.push(row),
            AccessChange::RemoveSession { token_hash } => {
                rows.sessions.retain(|row| row.token_hash != token_hash)
            }
            AccessChange::PutWallet(row) => rows.wallets.push(row),
            AccessChange::PutKey(row) => rows.keys.push(row),
            AccessChange::PutSecurity(row) => rows.log.push(row),
            other => panic!("{other:?}"),
        }
    }
    let again = Kept::new(ACCOUNT, rows.clone());
    assert_eq!((&again.sessions, &again.wallets), (&kept.sessions, &kept.wallets));
    assert_eq!((&again.keys, &again.log), (&kept.keys, &kept.log));
    let elsewhere = Kept::new(NodeId::from_bytes([2; 32]), rows);
    assert!(elsewhere.sessions.is_empty() && elsewhere.wallets.is_empty() && elsewhere.keys.is_empty());
}

#[test]
fn the_oldest_session_of_the_same_person_makes_room_and_nobody_elses() {
    let mut kept = kept();
    kept.add_wallet(address(1), Role::Member, "", &Caller::CommandLine, NOW).expect("added");
    let link = by_link(&mut kept);
    for number in 0..200 {
        let begun =
            kept.begin_by_wallet(&secret(), address(1), &Caller::Nobody, "", UnixMillis(NOW.0 + number));
        assert_eq!(begun, Ok(()));
    }
    assert_eq!(kept.sessions.len(), MAX_SESSIONS + 1);
    let Caller::Browser { session, .. } = link else { panic!("the owner") };
    assert_eq!(kept.browser(session, NOW).role(), Some(Role::Owner));
}

#[test]
fn wallets_keys_and_names_are_bounded() {
    let mut kept = kept();
    let by = Caller::CommandLine;
    for number in 0..MAX_WALLETS {
        let address = Address([u8::try_from(number).expect("small"); 20]);
        kept.add_wallet(address, Role::Member, "", &by, NOW).expect("added");
        kept.add_key(&secret(), "", Scopes::default(), None, &by, NOW).expect("made");
    }
    let added = kept.add_wallet(Address([200; 20]), Role::Member, "", &by, NOW);
    assert_eq!(added, Err(KeptError::Full(MAX_WALLETS)));
    let made = kept.add_key(&secret(), "", Scopes::default(), None, &by, NOW);
    assert_eq!(made, Err(KeptError::Full(MAX_KEYS)));
    for label in ["a\u{7}b", "a\nb", &"é".repeat(101)] {
        let renamed = kept.change_wallet(Address([1; 20]), None, Some(label), &by, NOW);
        assert_eq!(renamed, Err(KeptError::BadLabel));
    }
}

#[test]
fn the_owners_last_wallet_stays_unless_the_command_line_takes_it() {
    let mut kept = kept();
    let link = by_link(&mut kept);
    let owner = by_wallet(&mut kept, 1, &link).expect("the first one");
    let link = by_link(&mut kept);
    for by in [&owner, &link] {
        assert_eq!(kept.remove_wallet(address(1), by, NOW), Err(KeptError::LastOwner));
        let demoted = kept.change_wallet(address(1), Some(Role::Member), None, by, NOW);
        assert_eq!(demoted, Err(KeptError::LastOwner));
    }
    assert_eq!(kept.browser_of(&owner).role(), Some(Role::Owner), "nothing has happened");
    assert!(kept.change_wallet(address(1), Some(Role::Owner), Some("Mine"), &owner, NOW).is_ok());

    kept.add_wallet(address(2), Role::Owner, "", &owner, NOW).expect("another one");
    kept.remove_wallet(address(1), &owner, NOW).expect("one is left");
    assert_eq!(kept.remove_wallet(address(2), &link, NOW), Err(KeptError::LastOwner));
    // It may be stolen, and there may be no other.
    assert_eq!(kept.remove_wallet(address(2), &Caller::CommandLine, NOW), Ok(()));
    assert!(kept.wallets().is_empty());
}

#[test]
fn what_others_do_again_and_again_is_counted_and_pushes_nothing_out() {
    let mut kept = kept();
    let link = by_link(&mut kept);
    kept.add_wallet(address(1), Role::Member, "", &link, NOW).expect("added");
    for second in 0..3_000 {
        let now = NOW.after(Duration::from_secs(second));
        kept.begin_by_wallet(&secret(), address(1), &Caller::Nobody, "", now).expect("signed in");
        kept.refused(2, now);
        let member = kept.sessions.iter().find(|(_, row)| row.wallet.is_some()).map(|(hash, _)| *hash);
        let member = kept.browser(member.expect("a session"), now);
        kept.end_sessions(&member, |_| true, now).expect("ended");
    }
    let log: Vec<_> = kept.log().map(|row| row.event.clone()).collect();
    assert_eq!(
        log,
        [
            SecurityEvent::SessionsEnded(3_000),
            SecurityEvent::Refused(6_000),
            SecurityEvent::WalletUsed(3_000),
            SecurityEvent::WalletAdded(address(1).0, WebRole::Member),
            SecurityEvent::LinkUsed,
        ]
    );
    let hours_later = NOW.after(Duration::from_secs(3 * 3_600));
    kept.refused(1, hours_later);
    assert_eq!(kept.log().next().map(|row| &row.event), Some(&SecurityEvent::Refused(1)), "another time");
}

#[test]
fn the_log_is_a_ring_and_a_flood_of_refusals_is_one_entry() {
    let mut kept = kept();
    for _ in 0..1_500 {
        by_link(&mut kept);
    }
    assert_eq!(kept.log.len(), MAX_LOG);
    assert_eq!(kept.log().next().map(|row| row.number), Some(1_499));
    let removed = kept.take_changes().into_iter().filter_map(|change| match change {
        AccessChange::RemoveSecurity { number, .. } => Some(number),
        _ => None,
    });
    assert!(removed.eq(0..500));
    for second in 0..1_000 {
        kept.refused(2, NOW.after(Duration::from_secs(second)));
    }
    assert_eq!(kept.log().next().map(|row| &row.event), Some(&SecurityEvent::Refused(2_000)));
    assert_eq!(kept.log.len(), MAX_LOG);
}
