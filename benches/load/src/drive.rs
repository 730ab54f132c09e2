//! Runs the work, measures it, prints the line.

use std::{
    future::Future,
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, task::JoinHandle};

use crate::{
    Args, Error,
    histogram::{Histogram, Quantiles},
    process,
};

/// The counts of one stream.
// A cache line pair of its own: the streams run on several cores.
#[repr(align(128))]
#[derive(Debug)]
pub struct Worker {
    messages: AtomicU64,
    errors: AtomicU64,
    latencies: Histogram,
}

impl Worker {
    fn new() -> Self {
        Self { messages: AtomicU64::new(0), errors: AtomicU64::new(0), latencies: Histogram::new() }
    }

    /// Counts messages that have no latency.
    pub fn count(&self, messages: usize) {
        // A worker has one writer at a time, so this need not be one atomic step.
        self.messages.store(self.messages.load(Relaxed) + messages as u64, Relaxed);
    }

    /// Counts one message and the time since `start`.
    pub fn round_trip(&self, start: Instant) {
        if PHASE.load(Relaxed) == MEASURE {
            self.latencies.add(start.elapsed().as_nanos() as u64);
        }
        self.count(1);
    }

    fn fail(&self, err: &Error) {
        self.errors.fetch_add(1, Relaxed);
        if !TOLD.swap(true, Relaxed) {
            eprintln!("error: {err:?}");
        }
    }
}

/// Whether the run is over: work that loops has to look.
pub fn stopped() -> bool {
    PHASE.load(Relaxed) == STOP
}

/// Repeats `work` on each of [`Args::streams`] tasks, prints the JSON line of `peer`, and ends the process.
///
/// `work` gets its stream's number and returns soon after [`stopped`]; streams that have not after three seconds are
/// reported as stuck. `conns` is what the line says, for peers whose connections are not [`Args::conns`].
pub fn drive<F, W>(runtime: &Runtime, peer: &str, args: &'static Args, conns: usize, work: F) -> !
where
    F: Fn(usize, Arc<Worker>) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), Error>> + Send + 'static,
{
    let work = Arc::new(work);
    let workers: Vec<_> = (0..args.streams).map(|_| Arc::new(Worker::new())).collect();
    let tasks: Vec<_> = workers
        .iter()
        .cloned()
        .enumerate()
        .map(|(stream, worker)| runtime.spawn(repeat(work.clone(), stream, worker)))
        .collect();

    thread::sleep(args.warm);
    let begin = Sample::new(args, &workers);
    PHASE.store(MEASURE, Relaxed);
    thread::sleep(args.seconds);
    let end = Sample::new(args, &workers);
    PHASE.store(STOP, Relaxed);
    let stuck = wait(&tasks);

    let Args { scenario, streams, size, .. } = args;
    let seconds = (end.at - begin.at).as_secs_f64();
    let messages = end.messages - begin.messages;
    let per_second = messages as f64 / seconds;
    let megabytes = per_second * *size as f64 / 1e6;
    let quantiles = Quantiles::new(workers.iter().map(|worker| &worker.latencies));
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| quantiles.micros(share));
    let client_cpu = end.client_cpu - begin.client_cpu;
    let server_cpu = end.server_cpu - begin.server_cpu;
    let rss = args.server_pid.map_or(0.0, |pid| process::peak_megabytes(&pid.to_string()));
    let errors: u64 = workers.iter().map(|worker| worker.errors.load(Relaxed)).sum();
    println!(
        "{{\"peer\":\"{peer}\",\"scenario\":\"{scenario}\",\"conns\":{conns},\"streams\":{streams},\"size\":{size},\
         \"seconds\":{seconds:.3},\"messages\":{messages},\"msgs_per_s\":{per_second:.0},\"mb_per_s\":{megabytes:.2},\
         \"p50_us\":{p50},\"p99_us\":{p99},\"p999_us\":{p999},\"client_cpu_s\":{client_cpu:.2},\
         \"server_cpu_s\":{server_cpu:.2},\"server_rss_mb\":{rss:.1},\"errors\":{errors},\"stuck\":{stuck}}}"
    );
    exit(0);
}

async fn repeat<F, W>(work: Arc<F>, stream: usize, worker: Arc<Worker>)
where
    F: Fn(usize, Arc<Worker>) -> W,
    W: Future<Output = Result<(), Error>>,
{
    while !stopped() {
        if let Err(err) = work(stream, worker.clone()).await {
            if stopped() {
                break;
            }
            worker.fail(&err);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Gives the streams time to end. Returns how many have not.
fn wait(tasks: &[JoinHandle<()>]) -> usize {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let stuck = tasks.iter().filter(|task| !task.is_finished()).count();
        if stuck == 0 || Instant::now() > deadline {
            return stuck;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// All counts at one instant.
struct Sample {
    at: Instant,
    messages: u64,
    client_cpu: f64,
    server_cpu: f64,
}

impl Sample {
    fn new(args: &Args, workers: &[Arc<Worker>]) -> Self {
        Self {
            at: Instant::now(),
            messages: workers.iter().map(|worker| worker.messages.load(Relaxed)).sum(),
            client_cpu: process::cpu_seconds("self"),
            server_cpu: args.server_pid.map_or(0.0, |pid| process::cpu_seconds(&pid.to_string())),
        }
    }
}

static PHASE: AtomicU8 = AtomicU8::new(WARM);
const WARM: u8 = 0;
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// Only the first error of a run is printed.
static TOLD: AtomicBool = AtomicBool::new(false);
