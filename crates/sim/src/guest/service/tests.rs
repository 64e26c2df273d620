#![allow(clippy::unwrap_used)]
use super::*;

fn ports(text: &str) -> Vec<u16> {
    services(&Declared::read(Some(&format!("#cloud-config\n{text}")), None))
        .iter()
        .map(|service| service.port)
        .collect()
}

#[test]
fn a_unit_listens_when_a_command_starts_it() {
    let unit = "write_files:\n- path: /etc/systemd/system/hugo.service\n  content: |\n    [Service]\n    ExecStart=/usr/bin/hugo server --bind 0.0.0.0 --port 8080\n";
    assert_eq!(ports(&format!("{unit}runcmd:\n- systemctl enable --now hugo\n")), [8080]);
    assert_eq!(ports(unit), [] as [u16; 0]);
}

#[test]
fn a_unit_that_runs_a_written_script_listens_where_the_script_binds() {
    for bind in [r#"Server(("0.0.0.0", 8080), Handler)"#, "listen('0.0.0.0:8080')", r#"Server(("", 8080), Handler)"#] {
        let script = format!("- path: /opt/front/server.py\n  content: |\n    {bind}\n");
        let unit = "- path: /etc/systemd/system/front.service\n  content: |\n    [Service]\n    ExecStart=/usr/bin/python3 /opt/front/server.py\n";
        assert_eq!(ports(&format!("write_files:\n{script}{unit}runcmd:\n- systemctl start front\n")), [8080], "{bind}");
    }
}

#[test]
fn the_ways_to_name_a_port_are_known() {
    for (command, port) in [
        ("python3 -m http.server 8081 --directory /srv", 8081),
        ("python3 -m http.server", 8000),
        ("server --port=9000", 9000),
        ("server -p 9001", 9001),
        ("server --listen :9002", 9002),
        ("server --bind 0.0.0.0:9003", 9003),
        ("server --listen=[::]:9004", 9004),
        ("hugo server -D", 1313),
    ] {
        assert_eq!(ports(&format!("runcmd:\n- {command:?}\n")), [port], "{command}");
    }
}

#[test]
fn asking_a_port_is_not_listening_on_it() {
    assert_eq!(ports("runcmd:\n- curl -s 127.0.0.1:8080\n- systemctl start foo\n"), [] as [u16; 0]);
}

#[test]
fn a_web_server_package_listens_on_80() {
    assert_eq!(ports("packages: [nginx, git]\n"), [80]);
}

#[test]
fn written_files_are_served_and_anything_else_says_that_it_is_simulated() {
    let mut files = Files::installed();
    let service =
        Service { port: 80, started_by: StartedBy::Unit("web.service".into()), root: Some("/srv/www".into()) };
    let page = answer(&files, &service, "c1", "lxd0", "/");
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("simulated") && text.contains("c1") && text.contains("lxd0") && text.contains("web.service"));
    files.write("/srv/www/index.html", b"<p>hello</p>".to_vec(), None);
    files.write("/srv/secret", b"no".to_vec(), None);
    assert_eq!(answer(&files, &service, "c1", "lxd0", "/").body, b"<p>hello</p>");
    assert_eq!(answer(&files, &service, "c1", "lxd0", "/../secret").status, "404 Not Found");
}

#[tokio::test]
async fn one_request_gets_one_answer() {
    let (mut client, server) = tokio::io::duplex(1024);
    let files = Files::installed();
    let service = Service { port: 80, started_by: StartedBy::Package("nginx".into()), root: None };
    let serving = serve(server, |path| answer(&files, &service, "c1", "lxd0", path));
    let asking = async {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    };
    let ((), text) = tokio::join!(serving, asking);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("simulated"));
}
