//! Tables of who is picked.

use std::collections::HashSet;
use std::sync::Mutex;

use super::*;
use crate::context::lock;
use crate::metadata::Metadata;

/// Instances `a`, `b`, … of some weights.
fn instances(weights: &[u32]) -> Vec<Instance> {
    let name = |at: usize| char::from(b'a' + u8::try_from(at).unwrap()).to_string();
    weights.iter().enumerate().map(|(at, weight)| Instance::new(name(at)).with_weight(*weight)).collect()
}

/// What a client would know of them.
#[derive(Default)]
struct Fake {
    count: usize,
    down: HashSet<usize>,
    loads: Mutex<Vec<usize>>,
}

impl Usable for Fake {
    fn len(&self) -> usize {
        self.count
    }

    fn is_usable(&self, at: usize) -> bool {
        at < self.count && !self.down.contains(&at)
    }

    fn load(&self, at: usize) -> usize {
        lock(&self.loads).get(at).copied().unwrap_or(0)
    }
}

fn pick(picker: &dyn Pick, fake: &Fake, key: Option<&str>) -> Option<usize> {
    let mut metadata = Metadata::new();
    metadata.append("user", "kim").unwrap();
    let context = Context::new(None, None, None, metadata);
    picker.pick(&Candidates { context: &context, hash_key: key, instances: fake })
}

/// Who takes so many calls.
fn sequence(picker: &dyn Pick, fake: &Fake, calls: usize) -> String {
    let name = |at: usize| char::from(b'a' + u8::try_from(at).unwrap());
    (0..calls).map(|_| pick(picker, fake, None).map_or('-', name)).collect()
}

fn counts(sequence: &str, instances: usize) -> Vec<usize> {
    let count = |at: usize| sequence.bytes().filter(|name| usize::from(name - b'a') == at).count();
    (0..instances).map(count).collect()
}

/// Whether two sequences are one, begun at different places.
fn is_rotation(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.repeat(2).contains(b)
}

/// Balancer, weights, who is down, the turns of some rounds from any start on.
type Row = (&'static dyn Balance, &'static [u32], &'static [usize], &'static str);

#[test]
fn turns_are_taken_in_order() {
    let rows: &[Row] = &[
        (&WeightedRoundRobin, &[10, 10, 10], &[], "abcabc"),
        (&WeightedRoundRobin, &[7], &[], "aaa"),
        (&WeightedRoundRobin, &[5, 1, 1], &[], "aabacaa"),
        (&WeightedRoundRobin, &[4, 2, 2], &[], "abcaabca"),
        (&WeightedRoundRobin, &[3, 1, 2], &[2], "aabaaaba"),
        (&WeightedRoundRobin, &[], &[], "---"),
        (&WeightedRoundRobin, &[1, 1], &[0, 1], "---"),
        (&WeightedRoundRobin, &[1, 2], &[0, 1], "---"),
        (&InterleavedWeightedRoundRobin, &[10, 10, 10], &[], "abcabc"),
        (&InterleavedWeightedRoundRobin, &[30, 10, 20], &[], "abcaca"),
        (&InterleavedWeightedRoundRobin, &[], &[], "---"),
        (&InterleavedWeightedRoundRobin, &[1_000_000, 1], &[0], "bbbb"),
        (&InterleavedWeightedRoundRobin, &[3, 2], &[0, 1], "---"),
        (&WeightedRandom, &[], &[], "--"),
        (&WeightedRandom, &[2, 1], &[0], "bb"),
        (&WeightedRandom, &[2, 1], &[0, 1], "--"),
        (&LeastLoaded, &[], &[], "--"),
        (&LeastLoaded, &[2, 1], &[0], "bb"),
        (&LeastLoaded, &[2, 1], &[0, 1], "--"),
    ];
    for seed in 0..20 {
        fastrand::seed(seed);
        for (balance, weights, down, want) in rows {
            let fake = Fake { count: weights.len(), down: down.iter().copied().collect(), ..Fake::default() };
            let picker = balance.picker(&instances(weights));
            let got = sequence(&*picker, &fake, want.len());
            // The interleaved one begins each round anew, at the place where it began.
            let begins_anew =
                format!("{balance:?}").starts_with("Interleaved") && down.is_empty() && !weights.is_empty();
            if begins_anew {
                assert_eq!(counts(&got, weights.len()), counts(want, weights.len()), "{balance:?} {weights:?}: {got}");
            } else {
                assert!(is_rotation(want, &got), "{balance:?} {weights:?} without {down:?}: {got}, not {want}");
            }
        }
    }
}

#[test]
fn calls_are_spread_by_weight_also_where_some_instances_are_down() {
    let balances: [(&dyn Balance, f64); 4] = [
        (&WeightedRoundRobin, 0.002),
        (&InterleavedWeightedRoundRobin, 0.002),
        (&WeightedRandom, 0.02),
        // All are idle here.
        (&LeastLoaded, 0.02),
    ];
    let rows: &[(&[u32], &[usize])] = &[
        (&[1, 1, 1, 1], &[]),
        (&[10, 20, 30], &[]),
        (&[1, 1, 1, 1], &[1]),
        (&[10, 20, 30], &[2]),
        (&[10, 20, 70], &[0]),
    ];
    for (balance, tolerance) in balances {
        for (weights, down) in rows {
            fastrand::seed(7);
            let fake = Fake { count: weights.len(), down: down.iter().copied().collect(), ..Fake::default() };
            let calls = 12_000;
            let got = counts(&sequence(&*balance.picker(&instances(weights)), &fake, calls), weights.len());
            let total: u32 = weights.iter().enumerate().filter(|(at, _)| !down.contains(at)).map(|(_, it)| it).sum();
            for (at, weight) in weights.iter().enumerate() {
                let want = if down.contains(&at) { 0.0 } else { f64::from(*weight) / f64::from(total) };
                let share = f64::from(u32::try_from(got[at]).unwrap()) / f64::from(u32::try_from(calls).unwrap());
                let close = (share - want).abs() <= tolerance;
                assert!(close, "{balance:?} {weights:?} without {down:?}: {at} took {share}, not {want}");
            }
        }
    }
}

#[test]
fn many_clients_do_not_begin_with_the_same_instance() {
    for weights in [&[1, 1, 1, 1][..], &[4, 1, 2, 1]] {
        fastrand::seed(1);
        for balance in [&WeightedRoundRobin as &dyn Balance, &InterleavedWeightedRoundRobin] {
            let fake = Fake { count: weights.len(), ..Fake::default() };
            let first = |_| sequence(&*balance.picker(&instances(weights)), &fake, 1);
            let firsts = (0..100).map(first).collect::<HashSet<_>>();
            assert!(firsts.len() > 2, "{balance:?} {weights:?}: only {firsts:?} were first");
        }
    }
}

#[test]
fn the_less_busy_of_two_evens_loads_out() {
    fastrand::seed(3);
    // The last instance never finishes what it has; the second takes twice as much as the others.
    let weights = [1, 2, 1, 1];
    let fake = Fake { count: 4, loads: Mutex::new(vec![0, 0, 0, 50]), ..Fake::default() };
    let picker = LeastLoaded.picker(&instances(&weights));
    for _ in 0..100 {
        let at = pick(&*picker, &fake, None).unwrap();
        lock(&fake.loads)[at] += 1;
    }
    let loads = lock(&fake.loads).clone();
    assert_eq!(loads[3], 50, "{loads:?}");
    assert!(
        (22..=28).contains(&loads[0]) && (45..=55).contains(&loads[1]) && (22..=28).contains(&loads[2]),
        "{loads:?}"
    );
}

#[test]
fn a_key_stays_with_its_instance() {
    let ring = ConsistentHash::new();
    let all = instances(&[10, 10, 10, 20]);
    let keys = (0..10_000).map(|number| format!("key-{number}")).collect::<Vec<_>>();
    let fake = Fake { count: 4, ..Fake::default() };
    let picker = ring.picker(&all);
    let owners = |picker: &dyn Pick, fake: &Fake| {
        keys.iter().map(|key| pick(picker, fake, Some(key)).unwrap()).collect::<Vec<_>>()
    };
    let before = owners(&*picker, &fake);
    assert_eq!(before, owners(&*ring.picker(&all), &fake));
    // By weight: a fifth each, and two for the last.
    for (at, weight) in [10.0, 10.0, 10.0, 20.0].into_iter().enumerate() {
        let count = before.iter().filter(|owner| **owner == at).count();
        let share = f64::from(u32::try_from(count).unwrap()) / 10_000.0;
        assert!((share - weight / 50.0).abs() < 0.03, "{at} owns {share}");
    }
    // Without one, its keys alone move; whether it is down or gone is the same.
    let down = Fake { count: 4, down: [1].into(), ..Fake::default() };
    let without = owners(&*picker, &down);
    for (before, after) in before.iter().zip(&without) {
        assert!(if *before == 1 { *after != 1 } else { before == after });
    }
    let mut fewer = all.clone();
    fewer.remove(1);
    let gone = owners(&*ring.picker(&fewer), &Fake { count: 3, ..Fake::default() });
    let renamed = gone.iter().map(|at| if *at == 0 { 0 } else { at + 1 }).collect::<Vec<_>>();
    assert_eq!(without, renamed);
    // The order of the list says nothing.
    let mut reversed = all.clone();
    reversed.reverse();
    let backwards = owners(&*ring.picker(&reversed), &fake).iter().map(|at| 3 - at).collect::<Vec<_>>();
    assert_eq!(before, backwards);
}

#[test]
fn a_ring_is_the_same_in_every_process() {
    let picker = ConsistentHash::new().picker(&instances(&[10, 10, 10]));
    let fake = Fake { count: 3, ..Fake::default() };
    let owners = ["kim", "lee", "ada", "bob", "eve"].map(|key| pick(&*picker, &fake, Some(key)).unwrap());
    assert_eq!(owners, [2, 0, 2, 1, 0]);
}

#[test]
fn a_key_may_be_made_of_the_call_and_none_is_no_instance() {
    let fake = Fake { count: 2, ..Fake::default() };
    let list = instances(&[1, 1]);
    for picker in [ConsistentHash::new().picker(&list), ConsistentHash::by(|_| None).picker(&list)] {
        assert_eq!(pick(&*picker, &fake, None), None);
    }
    assert_eq!(pick(&*ConsistentHash::new().picker(&list), &fake, Some("")), None);
    assert_eq!(pick(&*ConsistentHash::by(|_| Some(String::new())).picker(&list), &fake, Some("key")), None);
    let by_user = ConsistentHash::by(|cx| cx.metadata().get("user").map(Into::into)).picker(&list);
    assert_eq!(pick(&*by_user, &fake, None), pick(&*ConsistentHash::new().picker(&list), &fake, Some("kim")));
    assert_eq!(pick(&*ConsistentHash::new().picker(&[]), &Fake::default(), Some("key")), None);
}

#[test]
fn a_ring_does_not_grow_with_the_numbers_of_a_registry() {
    let huge = instances(&[u32::MAX, u32::MAX, 1]);
    let ring = ConsistentHash::new();
    let points = ring.points(&huge);
    assert!(points.iter().sum::<u64>() <= 2 * consistent_hash::MOST_POINTS && points[2] >= 1, "{points:?}");
    assert_eq!(ring.clone().weighted(false).points(&huge), [100, 100, 100]);
    assert_eq!(ring.virtual_nodes(3).points(&instances(&[10, 20])), [30, 60]);
}
