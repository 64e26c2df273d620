use std::net::Ipv4Addr;

use pontoon_ring::driver;
use pontoon_ring::wire::Layers;
use pontoon_ring::wire::keyring::{Key, Keyring};
use pontoon_ring::{serf, swim};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: &[u8] = b"{\"v\":1,\"a\":5,\"m\":[1,7,99]}";

/// A member by itself, for its keys.
async fn exchange(name: &str, key: u8) -> Exchange {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let mut config = driver::Config::new(serf::Config::new(swim::Config::local(name, address)));
    config.layers = Layers { keyring: Some(Keyring::new(Key::from_bytes(&[key; 32]).unwrap())), ..Layers::default() };
    Exchange { name: name.into(), ring: driver::start(config).await.unwrap(), counts: Arc::default() }
}

fn loopback() -> IpAddr {
    Ipv4Addr::LOCALHOST.into()
}

/// An owner that answers each question with the same, and where.
async fn owner(name: &str, key: u8, networks: &str, seats: (usize, usize)) -> SocketAddr {
    let listener = TcpListener::bind((loopback(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut asked) = mpsc::channel::<Asked>(4);
    let door = Door::new(vec![networks.parse().unwrap()], seats.0, seats.1);
    tokio::spawn(exchange(name, key).await.serve(listener, door, sender));
    tokio::spawn(async move {
        while let Some(asked) = asked.recv().await {
            if asked.ask.id != 0 {
                let _ = asked.reply.send(Bytes::from_static(ANSWER));
            }
        }
    });
    address
}

async fn asked(asker: &Exchange, owner: &str, at: SocketAddr, id: u32) -> Result<Bytes, ExchangeError> {
    asker.ask(loopback(), owner.into(), at, Ask::new(id, None), PATIENCE).await
}

fn closed(answer: &Result<Bytes, ExchangeError>) -> bool {
    matches!(answer, Err(ExchangeError::Connection(_)))
}

#[tokio::test]
async fn an_owner_answers_whoever_has_the_key() {
    let at = owner("lxd0", 1, "127.0.0.0/8", (8, 8)).await;
    let asker = exchange("lxd1", 1).await;
    assert_eq!(asked(&asker, "lxd0", at, 5).await.unwrap(), ANSWER);
    let counted = &asker.counts.exchange;
    assert_eq!((counted.answered.get(), counted.failed.get()), (1, 0));
    assert!(counted.sent_bytes.get() > 0 && counted.received_bytes.get() > ANSWER.len() as u64);
    assert!(closed(&asked(&asker, "lxd0", at, 0).await), "the catalogue does not want to answer");
    assert_eq!((counted.answered.get(), counted.failed.get()), (1, 1));
}

#[tokio::test]
async fn a_stranger_hears_nothing() {
    let at = owner("lxd0", 1, "127.0.0.0/8", (8, 8)).await;
    assert!(closed(&asked(&exchange("lxd1", 2).await, "lxd0", at, 5).await), "with another key");
    assert!(closed(&asked(&exchange("lxd1", 1).await, "lxd7", at, 5).await), "for another host");
    let elsewhere = owner("lxd0", 1, "10.0.0.0/8", (8, 8)).await;
    assert!(closed(&asked(&exchange("lxd1", 1).await, "lxd0", elsewhere, 5).await), "from another network");
}

/// Whoever answers at this address, once.
async fn impostor(reply: impl FnOnce(Vec<u8>) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((loopback(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let question = frame::read(&mut stream, QUESTION_MAX).await.unwrap();
        let _ = stream.write_all(&reply(question)).await;
        // It stays open, so that only the bytes count.
        let _ = stream.read_u8().await;
    });
    address
}

fn framed(sealed: &[u8]) -> Vec<u8> {
    [&u32::try_from(sealed.len()).unwrap().to_be_bytes()[..], sealed].concat()
}

#[tokio::test]
async fn an_answer_counts_for_its_own_question_only() {
    let keys = Keyring::new(Key::from_bytes(&[1; 32]).unwrap());
    let asker = exchange("lxd1", 1).await;
    let seal = move |head: &Head| framed(&frame::seal(&keys, Direction::Answer, head, ANSWER).unwrap());
    let old = Head { from: "lxd0".into(), to: "lxd1".into(), nonce: [7; 16] };
    let sealed = seal(&old);
    let replayed = impostor(move |_| sealed).await;
    assert!(matches!(asked(&asker, "lxd0", replayed, 5).await, Err(ExchangeError::NotTheAnswer)));

    // The question itself, sent back.
    let mirror = impostor(|question| framed(&question)).await;
    assert!(matches!(asked(&asker, "lxd0", mirror, 5).await, Err(ExchangeError::Sealed(_))));

    // Another member at the owner's address says with the right nonce who it is.
    let open = Keyring::new(Key::from_bytes(&[1; 32]).unwrap());
    let other = impostor(move |question| {
        let (head, _) = frame::open(&open, Direction::Ask, &question).unwrap();
        seal(&Head { from: "lxd2".into(), to: head.from, nonce: head.nonce })
    })
    .await;
    assert!(matches!(asked(&asker, "lxd0", other, 5).await, Err(ExchangeError::NotTheAnswer)));
}

#[tokio::test]
async fn what_is_too_long_is_not_read() {
    let asker = exchange("lxd1", 1).await;
    let long = impostor(|_| u32::MAX.to_be_bytes().to_vec()).await;
    assert!(matches!(asked(&asker, "lxd0", long, 5).await, Err(ExchangeError::TooLong { .. })));

    let at = owner("lxd0", 1, "127.0.0.0/8", (8, 8)).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(&framed(&[1; QUESTION_MAX + 1])).await.unwrap();
    let ended = timeout(PATIENCE, stream.read(&mut [0; 8])).await.expect("it hangs up");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn one_that_is_slow_waits_for_itself_alone() {
    let asker = exchange("lxd1", 1).await;
    let silent = impostor(|_| vec![0, 0]).await;
    let limit = Duration::from_millis(200);
    let late = asker.ask(loopback(), "lxd0".into(), silent, Ask::new(5, None), limit).await;
    assert!(matches!(late, Err(ExchangeError::Late(_))));

    // Those who connect and say nothing have the seats of their address, and nobody else's.
    let at = owner("lxd0", 1, "127.0.0.0/8", (8, 2)).await;
    let _silent = [TcpStream::connect(at).await.unwrap(), TcpStream::connect(at).await.unwrap()];
    let other = IpAddr::from([127, 0, 0, 77]);
    let answer = asker.ask(other, "lxd0".into(), at, Ask::new(5, None), PATIENCE).await;
    assert_eq!(answer.unwrap(), ANSWER);
    // Their time is over after a while.
    let began = std::time::Instant::now();
    while asked(&asker, "lxd0", at, 5).await.is_err() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn keys_may_change_between_two_questions() {
    let asker = exchange("lxd1", 1).await;
    let at = owner("lxd0", 2, "127.0.0.0/8", (8, 8)).await;
    assert!(closed(&asked(&asker, "lxd0", at, 5).await));
    for change in [2]
        .map(|key| Key::from_bytes(&[key; 32]).unwrap())
        .into_iter()
        .flat_map(|key| [serf::KeyChange::Install(key.clone()), serf::KeyChange::Use(key)])
    {
        assert!(asker.ring.change_keys(change, 0).await.unwrap().is_complete());
    }
    assert_eq!(asked(&asker, "lxd0", at, 5).await.unwrap(), ANSWER);
}
