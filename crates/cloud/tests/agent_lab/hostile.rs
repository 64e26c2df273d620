//! A container that means ill, beside others on its host.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::asking::until;
use crate::lab::machine;
use crate::town::{STACK, container, host_of, in_town};

/// The one that means ill, and one beside it.
const HOSTILE: &str = "jobs";
const NEIGHBOUR: &str = "cache";
/// How long a neighbour asks, and how often: no more than a busy service does.
const WHILE: Duration = Duration::from_secs(4);
const EVERY: Duration = Duration::from_millis(10);
/// Of a neighbour's questions, those that are answered within a second while somebody floods, at least. The rest is for
/// processors that have other things to do.
const LEAST: f64 = 0.9;

#[test]
fn a_container_that_floods_its_socket_is_slow_to_itself_alone() {
    in_town(async |town| {
        let agent = town.agent(host_of(NEIGHBOUR));
        let hostile = container(HOSTILE);
        let flood = town.stack.run_in(host_of(HOSTILE), &hostile, &["python3", "-c", SOCKET_FLOOD]);
        let meanwhile = async {
            let announce = ["/dev/pontoon/bin/pontoon", "announce", "--says", "still=heard"];
            town.stack.run_in(host_of(NEIGHBOUR), &container(NEIGHBOUR), &announce).await;
            for agent in town.agents() {
                until("the neighbour's word", async || {
                    let known = agent.container(&container(NEIGHBOUR)).await?;
                    if known["says"]["still"] == "heard" && known["serves"] == true {
                        Ok(())
                    } else {
                        Err(known.to_string())
                    }
                })
                .await;
            }
            answered_share(agent.address, 8600).await
        };
        let (said, share) = tokio::join!(flood, meanwhile);
        assert!(share >= LEAST, "{share:.3} of the questions are answered beside {said}");
        town.is_well().await;
        // And who has done so can speak again.
        let announce = ["/dev/pontoon/bin/pontoon", "announce", "--clear"];
        until("the flood to be over", async || {
            let output = town.stack.try_in(host_of(HOSTILE), &hostile, &announce).await;
            if output.code == 0 { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
        })
        .await;
        town.stack.run_in(host_of(NEIGHBOUR), &container(NEIGHBOUR), &announce).await;
    });
}

#[test]
fn a_container_that_floods_the_dns_of_its_host_leaves_answers_to_others() {
    in_town(async |town| {
        let (agent, hostile) = (town.agent(host_of(NEIGHBOUR)), container(HOSTILE));
        for port in [8600, 53] {
            let script = DNS_FLOOD.replace("SERVER", &agent.address.to_string()).replace("PORT", &port.to_string());
            let command = ["python3", "-c", &script];
            let flood = town.stack.run_in(host_of(HOSTILE), &hostile, &command);
            let before = dropped();
            let meanwhile = async {
                until("the kernel to drop what is too much", async || {
                    if dropped() > before { Ok(()) } else { Err("nothing is dropped".to_owned()) }
                })
                .await;
                answered_share(agent.address, port).await
            };
            let (said, share) = tokio::join!(flood, meanwhile);
            assert!(share >= LEAST, "port {port}: {share:.3} of the questions are answered beside {said}");
        }
        town.is_well().await;
    });
}

/// How many questions the kernel of the flood's host has kept from its servers.
fn dropped() -> u64 {
    let table = machine("run", host_of(HOSTILE), &["nft", "list", "table", "inet", "pontoon-questions"]);
    let counted = table.split("counter packets ").skip(1).filter_map(|rest| rest.split(' ').next());
    counted.map(|number| number.parse::<u64>().unwrap()).sum()
}

/// How much of what a client asks is answered.
async fn answered_share(server: Ipv4Addr, port: u16) -> f64 {
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    socket.connect(SocketAddr::from((server, port))).await.unwrap();
    let (begun, mut turn) = (Instant::now(), tokio::time::interval(EVERY));
    let (mut asked, mut answered) = (0_u16, 0_u16);
    while begun.elapsed() < WHILE {
        turn.tick().await;
        asked += 1;
        socket.send(&question(asked)).await.unwrap();
        let mut bytes = [0; 1500];
        let answer = timeout(Duration::from_secs(1), async {
            loop {
                let length = socket.recv(&mut bytes).await.unwrap();
                if length > 12 && bytes[..2] == asked.to_be_bytes() {
                    break u16::from_be_bytes([bytes[6], bytes[7]]);
                }
            }
        });
        answered += u16::from(answer.await.is_ok_and(|records| records > 0));
    }
    f64::from(answered) / f64::from(asked)
}

/// A question for the address of the neighbour's service.
fn question(id: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in [NEIGHBOUR, "service", STACK, "internal"] {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// Connections that say nothing, that say half of something, too much, rubbish, and all the time something else: one kind
/// after the other, from eight threads each.
const SOCKET_FLOOD: &str = r#"
import socket, threading, time
counts, held = {}, []
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(1)
    s.connect("/dev/pontoon/announce/socket")
    return s
def ask(text):
    s = connect()
    try:
        s.sendall(text)
        s.recv(1000)
    finally:
        s.close()
def put(body, length=None):
    ask(b"PUT /v1/self HTTP/1.1\r\nHost: agent\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body)
def silent():
    held.append(connect())
def half():
    s = connect()
    held.append(s)
    s.sendall(b"PUT /v1/self HTTP/1.1\r\nHost: agent\r\nContent-Le")
def oversized(): put(b"[" * 1000000, 99999999)
def malformed(): put(b'{"says": [1, {"capabilities": null')
def rubbish(): ask(bytes(range(256)) * 16)
def busy(): put(b'{"says": {"n": "%d"}}' % counts["busy"])
def again(act, end):
    while time.time() < end:
        try:
            act()
            counts[act.__name__] += 1
        except OSError:
            pass
for act in [silent, half, oversized, malformed, rubbish, busy]:
    counts[act.__name__] = 0
    threads = [threading.Thread(target=again, args=(act, time.time() + 2)) for _ in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
    for s in held: s.close()
    held.clear()
print(counts)
"#;

/// Questions for names that there are and that there are not, as fast as they can be sent, and some that are no questions.
const DNS_FLOOD: &str = r#"
import random, socket, struct, time
end = time.time() + 8
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
sent = 0
def name(*labels): return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"
while time.time() < end:
    for _ in range(100):
        word = b"x%08x" % random.getrandbits(32)
        host = name(word, b"service", b"lab", b"internal") if sent % 2 else name(b"town", b"capability", b"lab", b"internal")
        packet = struct.pack(">HHHHHH", random.getrandbits(16), 0x100, 1, 0, 0, 0) + host + struct.pack(">HH", random.choice([1, 16, 33, 255]), 1)
        if sent % 50 == 0: packet = random.randbytes(random.randrange(1, 600))
        try:
            s.sendto(packet, ("SERVER", PORT))
        except OSError:
            pass
        sent += 1
print(sent, "questions")
"#;
