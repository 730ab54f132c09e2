//! Where calls go: discovery, balancing, and what happens when instances come, go and die.

use std::collections::{BTreeMap, HashSet};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thrill::balance::{ConsistentHash, InterleavedWeightedRoundRobin, LeastLoaded, WeightedRandom, WeightedRoundRobin};
use thrill::discovery::{Discover, Dns, Instance, List};
use thrill::net::{BoxIo, Connect};
use thrill::{Error, Origin, Result, Running, Server, async_trait};
use thrill_tests::contract::{CounterClient, CounterServer};
use thrill_tests::handler::Handler;
use tokio::net::TcpListener;

use crate::public_api::{EdgeStreamClient, Note, Script, Served, assert_error, at_once, within};

/// A server whose answers are its name.
async fn named(name: &'static str) -> Served {
    Script::new().ask(move |_, _, _| async move { Ok(Note::of(name)) }).serve().await
}

/// A server that counts for itself.
async fn counter() -> Running {
    Server::new().add(CounterServer::new(Handler::default())).bind("127.0.0.1:0").await.unwrap().spawn()
}

async fn ask(client: &EdgeStreamClient) -> Result<String> {
    within(client.ask(Note::default()).into_future()).await.map(|note| note.text().to_owned())
}

/// Who answers so many calls.
async fn who(client: &EdgeStreamClient, calls: usize) -> String {
    let mut names = String::new();
    for _ in 0..calls {
        names.push_str(&ask(client).await.unwrap());
    }
    names
}

fn count(names: &str, name: char) -> usize {
    names.chars().filter(|it| *it == name).count()
}

/// Calls until what answers is what a test waits for.
async fn until(client: &EdgeStreamClient, want: &str) {
    let calling = async { while !want.contains(&ask(client).await.unwrap()) {} };
    within(calling).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_changes_moves_new_calls_and_leaves_streams_alone() {
    let (a, b) = (named("a").await, named("b").await);
    let list = List::new([a.addr.clone()]);
    let client = EdgeStreamClient::builder("edge").discover(list.clone()).build().unwrap();
    assert_eq!(who(&client, 3).await, "aaa");
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of("1")).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("1")));

    list.set([b.addr.clone()]);
    until(&client, "b").await;
    assert_eq!(who(&client, 20).await, "b".repeat(20));
    // The stream goes on where it was opened, and the server keeps its connection until it is done.
    for number in 0..10 {
        stream.send(Note::of(number.to_string())).await.unwrap();
        assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of(number.to_string())));
    }
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);

    list.set([a.addr.clone(), b.addr.clone()]);
    until(&client, "a").await;
    let names = who(&client, 20).await;
    assert_eq!((count(&names, 'a'), count(&names, 'b')), (10, 10), "{names}");

    list.set::<Instance>([]);
    let empty = async {
        loop {
            if let Err(err) = ask(&client).await {
                break err;
            }
        }
    };
    let err = within(empty).await;
    assert_eq!(err.to_string(), "service discovery error: service \"edge\" has no instance");
    assert_eq!((err.code().0, err.origin()), (14, Origin::Network));
    assert!(matches!(err, Error::NoInstance(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_an_instance_that_is_gone_are_closed_once_nothing_runs_on_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let other = named("b").await;
    let list = List::new([addr]);
    let client = EdgeStreamClient::builder("edge").discover(list.clone()).connection_pool_size(1).build().unwrap();
    let stream = client.talk().await.unwrap();
    let (mut socket, _) = within(listener.accept()).await.unwrap();
    list.set([other.addr.clone()]);
    // What still goes to the first is answered by no one.
    let moved = async { while client.ask(Note::default()).timeout(Duration::from_millis(50)).await.is_err() {} };
    within(moved).await;
    let read_to_end = async {
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut bytes).await
    };
    tokio::pin!(read_to_end);
    // Still there: its stream runs.
    let early = tokio::time::timeout(Duration::from_millis(50), &mut read_to_end).await;
    assert!(early.is_err(), "the connection was closed under its stream: {early:?}");
    drop(stream);
    at_once(read_to_end).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn resting_connections_to_an_instance_that_is_gone_are_closed() {
    let (a, b) = (counter().await, counter().await);
    let (at_a, at_b) = (a.local_address().to_string(), b.local_address().to_string());
    let list = List::new([at_a]);
    let client = CounterClient::builder("counter").discover(list.clone()).build().unwrap();
    assert_eq!(within(client.increment(1).into_future()).await.unwrap(), 1);
    list.set([at_b]);
    within(async { while client.increment(1).await.unwrap() != 1 {} }).await;
    assert_eq!(within(client.increment(1).into_future()).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_balancer_spreads_calls_by_weight() {
    let (a, b) = (named("a").await, named("b").await);
    let instances = || {
        let (a, b) = (Instance::new(&a.addr).with_weight(30), Instance::new(&b.addr));
        EdgeStreamClient::builder("edge").discover(List::new([a, b])).connection_pool_size(1)
    };
    let clients = [
        (instances(), 30),
        (instances().balance(WeightedRoundRobin), 30),
        (instances().balance(InterleavedWeightedRoundRobin), 30),
    ];
    for (builder, want) in clients {
        let names = who(&builder.build().unwrap(), 40).await;
        assert!(count(&names, 'a').abs_diff(want) <= 1, "{names}");
    }
    for builder in [instances().balance(WeightedRandom), instances().balance(LeastLoaded)] {
        let names = who(&builder.build().unwrap(), 200).await;
        // Less than one in 10^9 draws is outside by chance; the balancers' own tables are exact.
        assert!(count(&names, 'a') > 110 && count(&names, 'b') > 2, "{names}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_to_one_instance_and_to_another_when_it_is_gone() {
    let servers = [named("a").await, named("b").await, named("c").await];
    let addresses = || servers.iter().map(|it| it.addr.clone());
    let builder = EdgeStreamClient::builder("edge").host_ports(addresses()).connection_pool_size(1);
    let client = builder.balance(ConsistentHash::new()).build().unwrap();
    let owner = async |key: &str| {
        let call = client.ask(Note::default()).hash_key(key);
        within(call.into_future()).await.map(|note| note.text().to_owned())
    };
    let mut owners = BTreeMap::new();
    for key in (0..30).map(|number| format!("user-{number}")) {
        let first = owner(&key).await.unwrap();
        for _ in 0..3 {
            assert_eq!(owner(&key).await.unwrap(), first);
        }
        owners.insert(key, first);
    }
    assert_eq!(owners.values().collect::<HashSet<_>>().len(), 3, "{owners:?}");
    assert_error(ask(&client).await, 14, "set `hash_key` on the call");

    let [a, _b, _c] = servers;
    within(a.running.shutdown()).await;
    for (key, before) in &owners {
        let now = owner(key).await.unwrap();
        assert!(if before == "a" { now != "a" } else { now == *before }, "{key} went from {before} to {now}");
    }

    let by_metainfo = ConsistentHash::by(|cx| cx.transient("USER").map(str::to_owned));
    let builder = EdgeStreamClient::builder("edge").host_ports([&_b.addr, &_c.addr]);
    let client = builder.balance(by_metainfo).build().unwrap();
    let call = || client.ask(Note::default()).transient("USER", "kim");
    let first = within(call().into_future()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(within(call().into_future()).await.unwrap(), first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_stay_open_are_load() {
    let (a, b) = (named("a").await, named("b").await);
    let builder = EdgeStreamClient::builder("edge").host_ports([&a.addr, &b.addr]).balance(LeastLoaded);
    let client = builder.build().unwrap();
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(client.talk().await.unwrap());
    }
    // Ten each: with one more on one side, the other is taken.
    let held = client.talk().host_port(&a.addr).await.unwrap();
    assert_eq!(who(&client, 20).await, "b".repeat(20));
    drop(held);
    let names = {
        drop(streams);
        who(&client, 60).await
    };
    assert!(count(&names, 'a') > 10, "streams that ended still count: {names}");
}

/// An address where no one listens.
async fn refusing() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// Connects by TCP, and remembers where to.
#[derive(Clone, Debug, Default)]
struct Dialled(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Connect for Dialled {
    async fn connect(&self, address: &str) -> std::io::Result<BoxIo> {
        self.0.lock().unwrap().push(address.to_owned());
        thrill::net::tcp::TcpConnect.connect(address).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_instance_is_passed_over_within_the_call_and_left_alone_afterwards() {
    let (dead, served) = (refusing().await, named("a").await);
    let dialled = Dialled::default();
    let client = EdgeStreamClient::builder("edge")
        .host_ports([dead.clone(), served.addr.clone()])
        .connection_pool_size(1)
        .connector(dialled.clone())
        .build()
        .unwrap();
    assert_eq!(who(&client, 30).await, "a".repeat(30));
    let to_dead = dialled.0.lock().unwrap().iter().filter(|it| **it == dead).count();
    assert_eq!(to_dead, 1, "a dead instance was dialled again at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_comes_back_takes_calls_again() {
    let (a, b) = (named("a").await, named("b").await);
    let client = EdgeStreamClient::builder("edge").host_ports([&a.addr, &b.addr]).build().unwrap();
    assert_eq!(count(&who(&client, 10).await, 'a'), 5);
    let addr = a.addr.clone();
    within(a.running.shutdown()).await;
    assert_eq!(who(&client, 10).await, "b".repeat(10));
    let again = Script::new().ask(|_, _, _| async { Ok(Note::of("A")) });
    let _again = again.serve_with(Server::new(), &addr).await;
    until(&client, "A").await;
    assert_eq!(count(&who(&client, 10).await, 'A'), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_instances_failed_lately_they_are_tried_all_the_same() {
    let (a, b) = (refusing().await, refusing().await);
    let dialled = Dialled::default();
    let builder = EdgeStreamClient::builder("edge").host_ports([&a, &b]).connector(dialled.clone());
    let client = builder.build().unwrap();
    for _ in 0..2 {
        assert_error(ask(&client).await, 14, "cannot connect to");
    }
    let dialled = dialled.0.lock().unwrap();
    assert_eq!(dialled.iter().filter(|it| **it == a).count(), 2);
    assert_eq!(dialled.iter().filter(|it| **it == b).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_choose_among_instances() {
    let (a, b) = (named("a").await, named("b").await);
    let list = List::new([
        Instance::new(&a.addr).with_tag("zone", "east").with_tag("tier", "1"),
        Instance::new(&b.addr).with_tag("zone", "west").with_tag("tier", "1"),
    ]);
    let builder = || EdgeStreamClient::builder("edge").discover(list.clone());
    let client = builder().tag("zone", "east").build().unwrap();
    assert_eq!(who(&client, 5).await, "aaaaa");
    let west = client.ask(Note::default()).tag("zone", "west");
    assert_eq!(within(west.into_future()).await.unwrap(), Note::of("b"));
    let none = client.ask(Note::default()).tag("tier", "2");
    assert_error(within(none.into_future()).await, 14, "none of the 2 instances of service \"edge\" has the tags");
    let names = who(&builder().tag("tier", "1").build().unwrap(), 10).await;
    assert_eq!(count(&names, 'a'), 5);
}

/// A source that fails, answers, and fails.
#[derive(Debug)]
struct Flaky {
    answers: Vec<Option<String>>,
}

#[async_trait]
impl Discover for Flaky {
    async fn next(&mut self, service: &str) -> Result<Vec<Instance>> {
        assert_eq!(service, "edge");
        match self.answers.pop() {
            None => std::future::pending().await,
            Some(None) => Err(Error::new("the registry is away")),
            Some(Some(address)) => Ok(vec![Instance::new(address)]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_asked_again_and_its_last_answer_stays() {
    let (served, connector) = Script::new().ask(|_, _, _| async { Ok(Note::of("a")) }).serve_in_memory(Server::new());
    let answers = vec![None, Some("memory".to_owned()), None];
    let builder = EdgeStreamClient::builder("edge").discover(Flaky { answers }).connector(connector);
    let client = builder.build().unwrap();
    for _ in 0..2 {
        let text = "service discovery error: service \"edge\": the registry is away";
        assert_eq!(ask(&client).await.unwrap_err().to_string(), text);
    }
    let begin = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_ok(&client).await;
    assert!(begin.elapsed() < Duration::from_secs(2));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&client).await.unwrap(), "a");
    within(served.running.shutdown()).await;
}

async fn until_ok(client: &EdgeStreamClient) {
    within(async {
        while ask(client).await.is_err() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_says_nothing_costs_a_call_its_connect_timeout_or_its_deadline() {
    let builder = EdgeStreamClient::builder("edge").discover(Flaky { answers: Vec::new() });
    let client = builder.connect_timeout(Duration::from_millis(300)).build().unwrap();
    let begin = tokio::time::Instant::now();
    let text = "nothing was heard of service \"edge\" within the option `connect_timeout` of 300ms";
    assert_error(client.talk().await, 14, text);
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
    let begin = tokio::time::Instant::now();
    assert_error(client.talk().timeout(Duration::from_millis(100)).await, 4, "deadline exceeded");
    assert_eq!(begin.elapsed(), Duration::from_millis(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_ends_with_its_client() {
    #[derive(Debug)]
    struct Watched {
        addr: String,
        _alive: tokio::sync::mpsc::UnboundedSender<()>,
    }
    #[async_trait]
    impl Discover for Watched {
        async fn next(&mut self, _service: &str) -> Result<Vec<Instance>> {
            if self.addr.is_empty() {
                std::future::pending().await
            }
            Ok(vec![Instance::new(std::mem::take(&mut self.addr))])
        }
    }
    let served = named("a").await;
    let (alive, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let source = Watched { addr: served.addr.clone(), _alive: alive };
    let client = EdgeStreamClient::builder("edge").discover(source).build().unwrap();
    assert_eq!(ask(&client).await.unwrap(), "a");
    drop(client);
    assert_eq!(at_once(ended.recv()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved() {
    let served = named("a").await;
    let port = served.addr.rsplit(':').next().unwrap();
    let client = EdgeStreamClient::builder("edge").discover(Dns::new(format!("localhost:{port}"))).build().unwrap();
    assert_eq!(who(&client, 4).await, "aaaa");
    let nowhere = Dns::new("nowhere.invalid:1")
        .resolve_with(|_| async { Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no such name")) });
    let client = EdgeStreamClient::builder("edge").discover(nowhere).build().unwrap();
    let text = "service discovery error: service \"edge\": cannot resolve \"nowhere.invalid:1\": no such name";
    assert_error(ask(&client).await, 14, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_pong_calls_are_balanced_too() {
    let (a, b) = (counter().await, counter().await);
    let dead = refusing().await;
    let addresses = [a.local_address().to_string(), dead, b.local_address().to_string()];
    let client = CounterClient::builder("counter").host_ports(addresses).build().unwrap();
    let mut counts = Vec::new();
    for _ in 0..10 {
        counts.push(within(client.increment(1).into_future()).await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
}
