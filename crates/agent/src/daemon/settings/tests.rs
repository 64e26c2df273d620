use super::*;

fn parsed(text: &str) -> Result<Settings, String> {
    Settings::parse(Path::new("agent.json"), text).map_err(|error| error.to_string())
}

fn wrong(text: &str) -> String {
    parsed(text).err().unwrap_or_default()
}

const WHOLE: &str = r#"{"stack": "blog", "host": "lxd0", "bridge": "br0", "networks": ["192.168.0.0/24"],
    "engine_sockets": ["/var/snap/lxd/common/lxd/unix.socket"], "from_the_future": {"a": 1}}"#;

#[test]
fn what_is_not_said_is_as_usual_and_what_is_unknown_is_ignored() {
    let settings = parsed(WHOLE).unwrap();
    assert_eq!((settings.stack.as_str(), settings.host.as_str()), ("blog", "lxd0"));
    let ports = [settings.ring_port, settings.exchange_port, settings.http_port, settings.dns_port, settings.rpc_port];
    assert_eq!(ports, [7946, 7947, 8500, 8600, 7373]);
    assert_eq!(settings.state, Path::new("/var/lib/pontoon/agent"));
    assert_eq!(settings.seeds, Path::new("/etc/pontoon/seeds"));
    assert_eq!(settings.address, None);
}

#[test]
fn a_bad_file_is_named_with_its_line_and_field() {
    let start = "{\n\"stack\": \"blog\",\n\"host\": \"lxd0\",\n\"networks\": [\"10.0.0.0/24\"],\n";
    for (text, message) in [
        (
            format!("{start}\"ring_port\": \"x\"}}"),
            "`agent.json`, line 5: `ring_port`: invalid type: string \"x\", expected u16",
        ),
        (
            format!("{start}\"http_port\": 70000}}"),
            "`agent.json`, line 5: `http_port`: invalid value: integer `70000`, expected u16",
        ),
        (format!("{start}\"address\": \"here\"}}"), "`agent.json`, line 5: `address`: invalid IP address syntax"),
        (
            format!("{start}\"engine_sockets\": [\"a\", 5]}}"),
            "`agent.json`, line 5: `engine_sockets[1]`: invalid type: integer `5`, expected path string",
        ),
        (format!("{start}\"dns_port\": 1}} x"), "`agent.json`, line 5: trailing characters"),
        ("{\n\"stack\": \"blog\"\n}".to_owned(), "`agent.json`, line 3: missing field `host`"),
        (
            "{\n\"stack\": \"a b\"}".to_owned(),
            "`agent.json`, line 2: `stack`: `a b` is no name: it has to be 1 to 63 letters, digits and hyphens",
        ),
        (
            "{\"stack\": \"a\", \"host\": \"b\",\n\"networks\": []}".to_owned(),
            "`agent.json`, line 2: `networks`: there has to be one network",
        ),
        ("{\"stack\": \"a\",\n}".to_owned(), "`agent.json`, line 2: trailing comma"),
    ] {
        assert_eq!(wrong(&text), message);
    }
}

#[test]
fn seeds_are_addresses_one_a_line() {
    let path = Path::new("seeds");
    let text = "# the first hosts\n192.168.0.14\n\n192.168.0.15:7000   # another port\n";
    let seeds = seeds_in(path, text, 7946).unwrap();
    assert_eq!(seeds, ["192.168.0.14:7946".parse().unwrap(), "192.168.0.15:7000".parse().unwrap()]);
    let error = seeds_in(path, "192.168.0.14\nlxd0\n", 7946).unwrap_err();
    assert_eq!(error.to_string(), "`seeds`, line 2: `lxd0` is no address such as 192.168.0.14 or 192.168.0.14:7946");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let error = Settings::read(Path::new("/nowhere/agent.json")).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read `/nowhere/agent.json`");
    assert!(error.hint().unwrap().contains("pontoon up"));
    let settings = Settings { seeds: "/nowhere/seeds".into(), ..parsed(WHOLE).unwrap() };
    assert_eq!(settings.seeds().await.unwrap(), []);
}
