//! Wallets and keys, as lines for people.

use pc2_web::dto::{Key, KeyList, Role, Wallet, WalletList};

/// `pc2 wallet list`.
pub(crate) fn wallets(list: &WalletList) -> String {
    if list.items.is_empty() {
        return "None yet: you sign in by `pc2 login-link`. Add one with `pc2 wallet add 0x… --role owner`."
            .to_owned();
    }
    list.items.iter().map(wallet).collect::<Vec<_>>().join("\n")
}

/// One of them.
pub(crate) fn wallet(wallet: &Wallet) -> String {
    let role = match wallet.role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    };
    format!("{}  {role:<6}  {}", wallet.address, wallet.label).trim_end().to_owned()
}

/// `pc2 key list`.
pub(crate) fn keys(list: &KeyList) -> String {
    let scopes = format!("Scopes: {}", list.scopes.join(" "));
    let keys: Vec<String> = list.items.iter().map(key).collect();
    if keys.is_empty() { format!("None yet.\n{scopes}") } else { format!("{}\n{scopes}", keys.join("\n")) }
}

fn key(key: &Key) -> String {
    let used = if key.last_used.is_some() { "used" } else { "never used" };
    format!("{}  {}  ({used})\n    {}", key.id, key.label, key.scopes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_is_one_line_and_nothing_trails() {
        let shown = wallet(&Wallet {
            address: "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1".into(),
            role: Role::Admin,
            label: String::new(),
            added: 1,
            added_by: None,
        });
        assert_eq!(shown, "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1  admin");
    }

    #[test]
    fn without_wallets_the_next_step_is_told() {
        assert!(wallets(&WalletList { items: Vec::new() }).contains("pc2 wallet add"));
    }
}
