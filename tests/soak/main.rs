//! Opens and drops streams and calls in every way in which they can end, and looks whether anything stays behind: memory, tasks,
//! descriptors, connections, calls that still count, calls that an observer heard the start of and not the finish, or both twice.
//!
//! A binary of its own: it counts what the whole process allocates. `THRILL_SOAK_STREAMS` says how many streams, 100,000 unless it
//! is set.

mod service;
mod tally;
mod target;
mod ways;
mod wire;

use std::alloc::System;
use std::fmt;
use std::time::{Duration, Instant};

use cap::Cap;
use tokio::task::JoinSet;

use tally::Tally;
use target::Target;
use ways::{WAYS, Way};

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

/// How many streams run at a time.
const AT_A_TIME: usize = 64;

/// What may stay in the tables and buffers of the some fifty connections, both ends of which are here: they grow to the size that
/// the most streams at a time ever needed, 20 KiB an end. It is 20 bytes for each of the default number of streams, so that no
/// stream leaves anything.
const SLACK: usize = 2 << 20;

/// What may stay once servers and clients are gone: threads keep some of what they needed most, a few bytes for each stream at most.
const SLACK_OF_ALL: usize = 256 << 10;

/// How long what has ended may take to be cleared away.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    bytes: usize,
    tasks: usize,
    descriptors: usize,
    /// Those that servers count.
    connections: usize,
    /// Those that clients opened.
    dialled: usize,
    calls: usize,
    /// Started, as observers heard, and not finished.
    unfinished: usize,
}

impl Held {
    fn now(target: Option<&Target>, tally: &Tally) -> Self {
        Self {
            bytes: ALLOCATED.allocated(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            descriptors: std::fs::read_dir("/dev/fd").map_or(0, Iterator::count),
            connections: target.map_or(0, Target::connections),
            dialled: wire::open(),
            calls: target.map_or(0, Target::concurrent_calls),
            unfinished: tally.unfinished(),
        }
    }

    fn is_within(&self, before: &Self, slack: usize) -> bool {
        self.bytes <= before.bytes + slack
            && self.tasks <= before.tasks
            && self.descriptors <= before.descriptors
            && self.connections <= before.connections
            && self.dialled <= before.dialled
            && self.calls == 0
            && self.unfinished == 0
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, tasks, descriptors, connections, dialled, calls, unfinished } = self;
        write!(f, "{} KiB, {tasks} tasks, {descriptors} descriptors, {connections} connections", bytes / 1024)?;
        write!(f, " ({dialled} dialled), {calls} calls, {unfinished} unfinished")
    }
}

/// Looks what is held until it is what it should be, or the patience is over.
async fn settled(look: impl Fn() -> Held, is_settled: impl Fn(&Held) -> bool) -> Held {
    let began = Instant::now();
    loop {
        let held = look();
        if is_settled(&held) || began.elapsed() > PATIENCE {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks what is held once that no longer becomes less.
async fn at_rest(look: impl Fn() -> Held) -> Held {
    let mut last = settled(&look, |held| held.calls + held.unfinished == 0).await;
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(500) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let held = look();
        if (held.tasks, held.descriptors, held.connections) != (last.tasks, last.descriptors, last.connections) {
            since = Instant::now();
        }
        last = held;
    }
    last
}

/// Lets so many streams end in every way.
async fn run(target: &Target, streams: usize) {
    let shares = WAYS.iter().map(|way| way.share).sum::<usize>();
    for Way { name, share, streams: at_once, end } in WAYS {
        let began = Instant::now();
        let rounds = (streams * share / shares / at_once).max(1);
        let mut running = JoinSet::new();
        for round in 0..rounds {
            if running.len() == (AT_A_TIME / at_once).max(1) {
                running.join_next().await.unwrap().unwrap();
            }
            running.spawn(end(target.clone(), round));
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        println!("{:>8} {name} in {:.1?}", rounds * at_once, began.elapsed());
    }
}

#[test]
fn nothing_stays_behind() {
    let streams = std::env::var("THRILL_SOAK_STREAMS").map_or(100_000, |streams| streams.parse().unwrap());
    // Handlers panic as they are told to.
    std::panic::set_hook(Box::new(|panic| {
        if panic.location().is_none_or(|place| !place.file().ends_with("service.rs")) {
            eprintln!("{panic}");
        }
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tally = Tally::default();
        // What a process makes once: threads' own memory, tables that grow to their size.
        let first = Target::new(&tally).await;
        run(&first, streams / 100).await;
        first.end().await;
        let empty = at_rest(|| Held::now(None, &tally)).await;
        println!("empty:  {empty}");

        let target = Target::new(&tally).await;
        let look = || Held::now(Some(&target), &tally);
        run(&target, streams / 10).await;
        target.connect().await;
        let before = at_rest(look).await;
        println!("before: {before}");

        let began = Instant::now();
        run(&target, streams).await;
        let took = began.elapsed();
        target.connect().await;
        let after = settled(look, |held| held.is_within(&before, SLACK)).await;
        println!("after:  {after}\n{streams} streams in {took:.1?}, {tally}");
        assert!(after.is_within(&before, SLACK), "something stayed behind\nbefore: {before}\nafter:  {after}");
        tally.check();

        target.end().await;
        let look = || Held::now(None, &tally);
        let end = settled(look, |held| held.is_within(&empty, SLACK_OF_ALL)).await;
        println!("end:    {end}");
        assert!(end.is_within(&empty, SLACK_OF_ALL), "something outlives its clients and servers: {end}");
    });
}
