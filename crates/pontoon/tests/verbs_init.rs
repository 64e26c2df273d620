//! `init` asks the cloud, and what it writes is accepted there.

#![allow(clippy::unwrap_used, clippy::panic)]

mod embedded;

use std::fs;

use embedded::{Cloud, get, text};
use pontoon_cloud::openstack::network::{NewPort, WantedFixedIp};

#[test]
fn the_first_file_of_a_running_cloud_converges_there() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["init", "first"]);
    let result = cloud.last(0, &["up", "first"]);
    assert_eq!(result["outcome"], "converged");
    assert_eq!(get(result["endpoints"][0]["url"].as_str().unwrap()), 200);
}

#[test]
fn a_first_file_stays_clear_of_what_others_hold() {
    let cloud = Cloud::instant();
    cloud.as_neighbour(async |client| {
        let network = client.networks(&[("name", "default")]).await.unwrap().remove(0);
        for address in ["192.168.0.100", "192.168.0.101", "192.168.0.180"] {
            let wanted = WantedFixedIp { ip_address: Some(address.to_owned()), ..WantedFixedIp::default() };
            let port = NewPort { network_id: network.id.clone(), fixed_ips: Some(vec![wanted]), ..NewPort::default() };
            client.create_port(&port).await.unwrap();
        }
    });
    cloud.ends_with(0, &["init", "first"]);
    let file = fs::read_to_string(cloud.stack.path().join("first/pontoon.yaml")).unwrap();
    assert!(file.contains("  containers: 192.168.0.181-192.168.0.254\n"), "{file}");
    assert_eq!(cloud.last(0, &["up", "first"])["outcome"], "converged");
}

#[test]
fn a_second_stack_fits_beside_the_first_one() {
    let cloud = Cloud::instant();
    cloud.ends_with(0, &["up"]);
    cloud.ends_with(0, &["init", "second"]);
    assert_eq!(cloud.last(0, &["up", "second"])["outcome"], "converged");
    assert_eq!(cloud.last(0, &["up"])["outcome"], "unchanged", "the first one is as it was");
}

#[test]
fn any_cloud_of_clouds_yaml_can_be_asked() {
    let cloud = Cloud::instant();
    // The same cloud under another name is one that the program knows nothing of.
    let clouds = fs::read_to_string(cloud.clouds_yaml()).unwrap().replace("  embedded:", "  mine:");
    let clouds_yaml = cloud.stack.path().join("clouds.yaml");
    fs::write(&clouds_yaml, clouds).unwrap();
    let pontoon = |arguments: &[&str]| {
        let output = cloud.command(arguments).env("OS_CLIENT_CONFIG_FILE", &clouds_yaml).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, told) = pontoon(&["init", "there", "--cloud", "mine"]);
    assert_eq!(code, Some(0), "{told}");
    let file = fs::read_to_string(cloud.stack.path().join("there/pontoon.yaml")).unwrap();
    for line in ["\ncloud: mine\n", "\n    image: \"Ubuntu 24.04\"   # or ", "\n    flavor: dc1.2x4.40   # or "] {
        assert!(file.contains(line), "`{line}` is missing in\n{file}");
    }
    let (code, plan, told) = pontoon(&["plan", "there"]);
    assert_eq!(code, Some(0), "{plan}{told}");
    let (code, _, told) = pontoon(&["init", "elsewhere", "--cloud", "nonesuch"]);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("error: "), "{told}");
    assert!(!cloud.stack.path().join("elsewhere").exists(), "nothing is written where nothing is known");
}
