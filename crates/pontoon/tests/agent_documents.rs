//! What `up` writes for an agent, and what an agent reads: two crates that know nothing of each other.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use pontoon_agent::catalogue::MonitoringPoint;
use pontoon_agent::daemon::{Announced, DEFAULT_PATH, Settings};
use pontoon_core::key::{Key, Kind};
use pontoon_core::render::{self, AgentDocument};
use pontoon_core::spec::model::{self, Engine};

fn settings(engine: Engine) -> Settings {
    let subnet = "192.168.0.0/24".parse().unwrap();
    let document = AgentDocument { stack: "blog".into(), host: "lxd0".into(), subnet, engine };
    Settings::parse(Path::new(DEFAULT_PATH), &render::agent_settings(&document)).unwrap()
}

#[test]
fn an_agent_reads_the_settings_that_are_written_for_it() {
    let settings = settings(Engine::Lxd);
    assert_eq!((settings.stack.as_str(), settings.host.as_str()), ("blog", "lxd0"));
    assert_eq!(settings.bridge, render::BRIDGE);
    assert_eq!(settings.networks, ["192.168.0.0/24".parse().unwrap()]);
    assert_eq!(settings.engine_sockets.first().unwrap(), Path::new("/var/snap/lxd/common/lxd/unix.socket"));
    assert_eq!(DEFAULT_PATH, render::AGENT_SETTINGS);
}

#[test]
fn an_agent_looks_where_up_writes_and_listens_where_the_host_lets_in() {
    let settings = settings(Engine::Incus);
    assert_eq!(settings.state, Path::new(render::AGENT_STATE_DIRECTORY));
    assert_eq!(settings.state.join("keyring"), Path::new(render::AGENT_KEYRING));
    assert_eq!(settings.announce, Path::new(render::ANNOUNCE_DIRECTORY));
    assert_eq!(settings.picture, Path::new(render::AGENT_PICTURE));
    assert_eq!(settings.seeds, Path::new(render::AGENT_SEEDS));
    assert_eq!(settings.ring_port, render::RING_PORT);
    assert_eq!(settings.exchange_port, render::EXCHANGE_PORT);
    assert_eq!(settings.dns_port, render::AGENT_DNS_PORT);
}

#[tokio::test]
async fn an_agent_reads_the_keys_that_are_written_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyring");
    std::fs::write(&path, render::keyring("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=")).unwrap();
    assert_eq!(pontoon_ring::driver::read_keyring(&path).await.unwrap().keys().count(), 1);
}

#[test]
fn an_agent_reads_every_monitoring_point_that_a_file_may_have() {
    use model::MonitoringPoint as InFile;
    let points = [
        (InFile::Http("/".into()), MonitoringPoint::Http("/".into())),
        (InFile::Tcp(5432), MonitoringPoint::Tcp(5432)),
        (InFile::Metrics("/metrics".into()), MonitoringPoint::Metrics("/metrics".into())),
        (InFile::Exec(vec!["true".into()]), MonitoringPoint::Exec(vec!["true".into()])),
        (InFile::Unit("hugo.service".into()), MonitoringPoint::Unit("hugo.service".into())),
        (InFile::CloudInit, MonitoringPoint::CloudInit),
    ];
    let (in_file, read): (Vec<_>, Vec<_>) = points.into_iter().unzip();
    let service = model::Service {
        image: model::ContainerImage::File { path: "hugo.tar.gz".into(), fingerprint: "00".into() },
        replicas: 1,
        address: None,
        port: Some(8080),
        user_data: None,
        hosts: "lxd".into(),
        limits: model::Limits::default(),
        announce: model::Announce {
            capabilities: vec!["blog".into()],
            monitor: in_file,
            check: model::Check { interval: 60, ..model::Check::default() },
        },
    };
    let profile = render::profile(&Key::new("blog", Kind::Profile, "lxd0/hugo"), &service);
    let announced = Announced::parse(profile.config.get(render::ANNOUNCE_CONFIG).unwrap()).unwrap();
    assert_eq!(announced.monitor, read);
    let check = announced.check.unwrap();
    assert_eq!((check.interval.as_secs(), check.timeout.as_secs(), check.rise, check.fall), (60, 2, 2, 3));
    assert_eq!(announced.port, Some(8080));
    assert_eq!(announced.capabilities, ["blog".into()].into());
}
