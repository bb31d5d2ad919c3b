//! What only shows between public addresses. Not run by itself, since no machine may take them; in a network namespace of its own any can be had:
//!
//! `unshare -n sh -c 'ip link set lo up; for ip in 192.0.2.1 198.51.100.1 203.0.113.1; do ip addr add $ip dev lo; done; exec "$0" public --ignored' <this test program>`

use crate::support::{Setup, address};
use pc2_protocols::net::{NetInput, Prefix, Reach};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs public addresses, see the head of this file"]
async fn peers_try_to_reach_a_node_at_its_public_addresses_and_say_whether_they_did() {
    let mut testers = Vec::new();
    for (seed, ip) in [(1, "192.0.2.1"), (2, "198.51.100.1")] {
        let tester = Setup::on(seed, &format!("/ip4/{ip}/tcp/0")).start();
        // What it contributes is known before anybody connects.
        tester.view().await;
        testers.push(tester);
    }
    let listen = ["/ip4/203.0.113.1/tcp/0", "/ip4/203.0.113.1/udp/0/quic-v1"].map(address);
    let mut a = Setup::tcp(3).listen(listen.to_vec());
    for tester in &testers {
        a = a.bootstrap(tester.peer().await);
    }
    let mut a = a.start();
    // Linux has each peer see us at its own address here, where nobody of us listens: that is tried in vain.
    let (mut yes, mut no) = (BTreeSet::new(), BTreeSet::new());
    while yes.len() < 4 || no.is_empty() {
        if let Reach::Probed { address, by, prefix, reachable } = a.relay.reach(Some).await {
            assert!(matches!(prefix, Prefix::V4([192, 0, 2] | [198, 51, 100])));
            assert_eq!(reachable, address.as_str().contains("203.0.113.1"), "{address}");
            let told = if reachable { &mut yes } else { &mut no };
            assert!(told.insert((address, by)), "told once");
        }
    }
    let view = a.view().await;
    assert_eq!(view.proved.len(), 2, "{:?}", view.proved);
    assert_eq!(view.addresses.iter().collect::<BTreeSet<_>>(), view.proved.iter().collect());
    // The tries were no new connections with anybody, and are over.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let view = a.view().await;
    assert!(view.peers.len() == 2 && view.peers.iter().all(|peer| peer.connections == 1), "{:?}", view.peers);
    while let Some(input) = a.record.at_once() {
        assert!(!matches!(input, NetInput::PeerDown { .. }));
    }
}
