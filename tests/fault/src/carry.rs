//! One way of one connection: octets carried from the source to the sink, and what is done to them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::counts::Counters;
use crate::script::{Fault, Script, Way};

/// The most that is carried in one go.
const PIECE: usize = 64 << 10;
/// How long a trickle waits between two pieces, at the least: timers are not finer.
const FINEST: Duration = Duration::from_millis(10);

/// The connection is to be reset, on both sides.
#[derive(Debug)]
pub(crate) struct Broken;

/// Carries what comes from `from` to `to` until its end, doing what the script says for this way.
///
/// # Errors
/// [`Broken`]: a side is gone, or the script wants it so.
pub(crate) async fn carry(
    way: Way,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    mut scripts: watch::Receiver<Script>,
    counters: &Counters,
) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    let mut rule = scripts.borrow_and_update().way(way).clone();
    // Octets since the rule was set.
    let mut passed = 0;
    let mut inserted = false;
    // Whether the sink was told of an end already, which cannot be taken back.
    let mut told = false;
    loop {
        let next = scripts.borrow_and_update().way(way).clone();
        if next.number != rule.number {
            (rule, passed, inserted) = (next, 0, false);
        }
        match &rule.fault {
            Fault::Cut { after } if passed >= *after => return Err(Broken),
            Fault::HalfClose { after } if passed >= *after && !told => {
                told = true;
                to.shutdown().await.map_err(|_| Broken)?;
            }
            Fault::Insert { after, octets } if passed >= *after && !inserted && !told => {
                inserted = true;
                to.write_all(octets).await.map_err(|_| Broken)?;
            }
            _ => {}
        }
        let n = tokio::select! {
            biased;
            changed = scripts.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Err(Broken),
            },
            read = from.read(&mut piece[..most(&rule.fault, passed)]), if rule.fault != Fault::Stall => {
                read.map_err(|_| Broken)?
            }
        };
        pause(&rule.fault, n, &mut scripts, way, rule.number).await;
        if n == 0 {
            let is_kept = told || rule.fault == Fault::Swallow;
            // A sink that is gone needs no end.
            let _gone = if is_kept { Ok(()) } else { to.shutdown().await };
            return Ok(());
        }
        if !told && rule.fault != Fault::Swallow {
            let given = harmed(&rule.fault, &mut piece[..n], passed);
            to.write_all(given).await.map_err(|_| Broken)?;
            counters.passed(way, given.len());
        }
        passed += n as u64;
    }
}

/// The most that may be read now, so that what happens after so many octets happens exactly there.
fn most(fault: &Fault, passed: u64) -> usize {
    let most = match fault {
        Fault::Cut { after } | Fault::HalfClose { after } | Fault::Insert { after, .. }
            if passed < *after =>
        {
            after - passed
        }
        Fault::Trickle { per_second } => u64::from((*per_second).max(1)).div_ceil(100),
        _ => PIECE as u64,
    };
    usize::try_from(most).unwrap_or(PIECE).min(PIECE)
}

/// Waits as long as the fault keeps `n` octets back, or until it is another one.
async fn pause(fault: &Fault, n: usize, scripts: &mut watch::Receiver<Script>, way: Way, number: u64) {
    let time = match fault {
        Fault::Delay(time) => *time,
        Fault::Trickle { per_second } if n > 0 => {
            (Duration::from_secs(n as u64) / (*per_second).max(1)).max(FINEST)
        }
        _ => return,
    };
    tokio::select! {
        () = sleep(time) => {}
        _changed = scripts.wait_for(|script| script.way(way).number != number) => {}
    }
}

/// What becomes of a piece, of which `passed` octets came before.
fn harmed<'a>(fault: &Fault, piece: &'a mut [u8], passed: u64) -> &'a [u8] {
    if let Fault::Flip { every } = fault {
        for (octet, number) in piece.iter_mut().zip(passed + 1..) {
            if number % (*every).max(1) == 0 {
                *octet = !*octet;
            }
        }
    }
    piece
}
