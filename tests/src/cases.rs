//! The cases that a client runs against a server of the echo contract: a mirror of the Kitex peer's own.

pub mod grpc;
pub mod pingpong;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Why a case failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a case gives.
pub type Verdict = Result<(), Failure>;

/// One behaviour of a server.
#[derive(Clone, Copy)]
pub struct Case {
    /// Group and name, `grpc.bidi`.
    pub name: &'static str,
    run: fn(String) -> Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

impl Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// As in the Kitex peer.
const TIME: Duration = Duration::from_secs(20);

impl Case {
    /// Runs the case against the server at an address.
    ///
    /// # Errors
    /// What was wrong.
    pub async fn run(self, addr: &str) -> Verdict {
        // In a task of its own, so that a panic is this case's failure.
        let task = tokio::spawn((self.run)(addr.to_owned()));
        match tokio::time::timeout(TIME, task).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(panic)) => Err(panic.into()),
            Err(_) => Err(format!("no answer in {TIME:?}").into()),
        }
    }
}

/// All cases, in the order they run.
#[must_use]
pub fn all() -> Vec<Case> {
    [grpc::CASES, pingpong::CASES].concat()
}

/// Whether a case is among those asked for: names or groups, separated by commas; all where empty.
#[must_use]
pub fn is_selected(name: &str, only: &str) -> bool {
    let in_group = |group: &str| name.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    only.is_empty() || only.split(',').any(in_group)
}

/// Runs cases one after another, prints a line for each and the sum; answers how many failed.
pub async fn run(addr: &str, only: &str) -> usize {
    let (mut passed, mut failed) = (0, 0);
    for case in all().into_iter().filter(|case| is_selected(case.name, only)) {
        match case.run(addr).await {
            Ok(()) => {
                passed += 1;
                println!("ok   {}", case.name);
            }
            Err(err) => {
                failed += 1;
                println!("FAIL {}: {err}", case.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if passed + failed == 0 { 1 } else { failed }
}

/// Compares.
#[expect(clippy::needless_pass_by_value, reason = "expected values are mostly made in the call")]
fn want<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, expected: U) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("{what}: got {got:?}, want {expected:?}").into()) }
}

/// Looks for a part of an error's text.
fn want_error<T: Debug>(got: Result<T, impl std::fmt::Display>, part: &str) -> Verdict {
    match got {
        Ok(value) => Err(format!("no error, but {value:?}").into()),
        Err(err) if err.to_string().contains(part) => Ok(()),
        Err(err) => Err(format!("{part:?} is not in {err:?}", err = err.to_string()).into()),
    }
}
