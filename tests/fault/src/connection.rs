//! One connection, passed on.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::carry::carry;
use crate::counts::Counters;
use crate::script::{Door, Script, Way};

/// Passes `peer` on to the script's target, until both have ended or one is reset: then both are.
pub(crate) async fn serve(peer: TcpStream, scripts: watch::Receiver<Script>, counters: Arc<Counters>) {
    pass(peer, scripts, &counters).await;
    counters.ended();
}

async fn pass(mut peer: TcpStream, mut scripts: watch::Receiver<Script>, counters: &Counters) {
    let cuts = scripts.borrow_and_update().cuts;
    let let_in = scripts.wait_for(|script| script.door != Door::Silent || script.cuts != cuts).await;
    let target = let_in.ok().filter(|script| script.cuts == cuts).map(|script| script.target);
    let Some(target) = target else {
        let _gone = peer.set_zero_linger();
        return;
    };
    let Ok(mut target) = TcpStream::connect(target).await else {
        counters.unreachable();
        let _gone = peer.set_zero_linger();
        return;
    };
    // What one side writes in one go the other gets at once.
    let _kept_default = (peer.set_nodelay(true), target.set_nodelay(true));
    let broken = {
        let (mut peer_in, mut peer_out) = peer.split();
        let (mut target_in, mut target_out) = target.split();
        let up = carry(Way::Up, &mut peer_in, &mut target_out, scripts.clone(), counters);
        let down = carry(Way::Down, &mut target_in, &mut peer_out, scripts.clone(), counters);
        tokio::select! {
            biased;
            _ = scripts.wait_for(|script| script.cuts != cuts) => true,
            ended = async { tokio::try_join!(up, down) } => ended.is_err(),
        }
    };
    if broken {
        let _gone = (peer.set_zero_linger(), target.set_zero_linger());
    }
}
