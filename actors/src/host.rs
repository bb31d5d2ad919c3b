//! The one actor: steps a machine, survives its panics, rebuilds it.
//!
//! In: the messages of [`messages`](crate::messages). Out: what the machine's [`Shell`] makes of its outputs.
//! Each message is one turn on the actor thread: nothing in it waits. What happens to the machine is decided in [`life`];
//! here is what actix needs for it:
//! - A panic is caught inside the turn; actix would never restart the actor otherwise. The actor is then stopped, its supervisor
//!   calls `restarting`, and the machine is rebuilt on a blocking thread, while the mailbox waits and keeps its messages.
//! - The hooks `stopping`, `stopped` and `Drop` hold no logic: a panic there would end the process.
//! - actix drains a full mailbox before it lets anything else run on the thread; so the host steps aside every few turns.
//!
//! A host gets its mailbox before its [`Parts`]: hosts, shells and the network know each other in a circle. It
//! handles nothing until the parts have come.
//!
//! Not here: what a machine's outputs do (each shell), when machines are started and stopped (`tree`).

mod life;

use crate::{
    messages::{Call, Durable, FromNet, Input, Ping, Report, Settle, Shutdown, Wake},
    shell::{Inbox, Shell},
};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, ArbiterHandle, AsyncContext, Context, Handler, Supervised,
    Supervisor, WrapFuture,
};
use life::Life;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::sync::oneshot;

pub(crate) use life::Parts;

/// Turns in a row before other hosts on the thread get theirs.
const TURNS_IN_A_ROW: u32 = 64;

/// How long a rebuild may take before callers are told so instead of waiting. A start with 100,000 messages takes under a second.
const REBUILD_PATIENCE: Duration = Duration::from_secs(10);

/// Where a host waits for its parts. Dropping it ends the host.
pub(crate) type Seat<S> = oneshot::Sender<Parts<S>>;

/// One machine as an actor.
pub(crate) struct Host<S: Shell> {
    seat: Option<oneshot::Receiver<Parts<S>>>,
    life: Option<Box<Life<S>>>,
    mailbox: usize,
    turns: u32,
}

/// A message by which callers reach a host.
pub(crate) type CallTo<S> = Call<<S as Shell>::Command, <S as Shell>::Reply, <S as Shell>::Refusal>;

impl<S: Shell> Host<S> {
    /// Starts a host with a mailbox for so many messages. It begins with its parts.
    pub(crate) fn spawn(arbiter: &ArbiterHandle, mailbox: usize) -> (Addr<Self>, Seat<S>) {
        let (seat, parts) = oneshot::channel();
        let address = Supervisor::start_in_arbiter(arbiter, move |_| Self {
            seat: Some(parts),
            life: None,
            mailbox,
            turns: 0,
        });
        (address, seat)
    }

    /// One turn: whatever panics in it, the host lives.
    fn turn(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Life<S>)) {
        let Some(life) = &mut self.life else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            work(life);
            life.end_of_turn();
        }));
        if outcome.is_err() {
            life.panicked();
        }
        if life.is_broken() {
            ctx.stop();
            return;
        }
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(TURNS_IN_A_ROW) {
            ctx.wait(tokio::task::yield_now().into_actor(self));
        }
    }

    /// Brings the next life of the machine about, on a blocking thread. The mailbox waits meanwhile.
    fn rebuild(&mut self, ctx: &mut Context<Self>) {
        let Some(life) = &mut self.life else { return };
        let death = life.death();
        let job = life.rebuild_job(REBUILD_PATIENCE);
        let outcome = async move {
            match tokio::time::timeout(REBUILD_PATIENCE, job).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(life::fault("it panicked while it was being built")),
                Err(_) => Err(life::fault("storage did not answer in time")),
            }
        };
        let address = ctx.address();
        ctx.wait(outcome.into_actor(self).map(move |outcome, host, ctx| {
            host.turn(ctx, |life| life.rebuilt(outcome));
            // Behind everything that the earlier life still had under way.
            address.do_send(Settle { death });
        }));
    }
}

impl<S: Shell> Actor for Host<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(self.mailbox);
        if let Some(seat) = self.seat.take() {
            let address = ctx.address();
            ctx.wait(seat.into_actor(self).map(|parts, host, ctx| match parts {
                Ok(parts) => {
                    host.life = Some(Box::new(Life::new(parts, address)));
                    host.rebuild(ctx);
                }
                Err(_) => ctx.terminate(),
            }));
        }
    }
}

impl<S: Shell> Supervised for Host<S> {
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        self.rebuild(ctx);
    }
}

impl<S: Shell> Handler<Input<S::In>> for Host<S> {
    type Result = ();

    fn handle(&mut self, Input(input): Input<S::In>, ctx: &mut Context<Self>) {
        self.turn(ctx, |life| life.input(input));
    }
}

impl<S: Shell> Handler<FromNet> for Host<S> {
    type Result = ();

    fn handle(&mut self, FromNet(input): FromNet, ctx: &mut Context<Self>) {
        if let Some(input) = S::from_net(input) {
            self.turn(ctx, |life| life.input(input));
        }
    }
}

impl<S: Shell> Handler<CallTo<S>> for Host<S> {
    type Result = ();

    fn handle(&mut self, Call { command, answer }: CallTo<S>, ctx: &mut Context<Self>) {
        self.turn(ctx, |life| life.call(command, answer));
    }
}

impl<S: Shell> Handler<Durable<S::Out>> for Host<S> {
    type Result = ();

    fn handle(&mut self, Durable(written): Durable<S::Out>, ctx: &mut Context<Self>) {
        self.turn(ctx, |life| life.durable(written));
    }
}

impl<S: Shell> Handler<Wake> for Host<S> {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Context<Self>) {
        self.turn(ctx, |life| life.wake());
    }
}

impl<S: Shell> Handler<Settle> for Host<S> {
    type Result = ();

    fn handle(&mut self, Settle { death }: Settle, ctx: &mut Context<Self>) {
        self.turn(ctx, |life| life.settle(death));
    }
}

impl<S: Shell> Handler<Ping> for Host<S> {
    type Result = ();

    fn handle(&mut self, Ping { pong }: Ping, ctx: &mut Context<Self>) {
        self.turn(ctx, |_| drop(pong));
    }
}

impl<S: Shell> Handler<Report> for Host<S> {
    type Result = ();

    fn handle(&mut self, Report { to }: Report, ctx: &mut Context<Self>) {
        // Whoever asked may have stopped waiting.
        self.turn(ctx, |life| drop(to.send(life.report())));
    }
}

impl<S: Shell> Handler<Shutdown> for Host<S> {
    type Result = ();

    fn handle(&mut self, Shutdown { done }: Shutdown, ctx: &mut Context<Self>) {
        self.turn(ctx, |life| life.close(done));
    }
}

/// The way for machines and the network into a host.
pub(crate) fn inbox<S: Shell>(address: &Addr<Host<S>>) -> Inbox<S::In> {
    Inbox::new(address.clone().recipient())
}

#[cfg(test)]
mod tests;
