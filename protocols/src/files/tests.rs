//! File transfer between machines of several people, over a data plane that is made of sets of groups.

#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod bench;
mod holders;
mod receiving;
mod restart;
mod serving;
mod turns;

use super::*;
use crate::time::UnixMillis;
use bench::{Nature, World, file, folder, groups, node, offer_id};
use rows::{Decided, Failure};
use std::time::Duration;

/// A day that is no round number.
const START: UnixMillis = UnixMillis(1_800_000_000_123);

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;
