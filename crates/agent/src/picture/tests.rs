use super::*;

const WHOLE: &str = r#"{"network": "default", "external": "external", "attachment": "pair-mac", "reason": "it takes pairs",
 "hosts": {"lxd0": {"address": "192.168.0.14", "floating_ip": "185.98.151.85"}},
 "services": {"hugo": {"replicas": 1, "port": 8080}},
 "containers": {"hugo-0": {"service": "hugo", "host": "lxd0", "address": "192.168.0.100", "mac": "00:16:3e:91:2c:9c"}},
 "balancers": {"web": {"service": "hugo", "protocol": "http", "listen": 80, "method": "round-robin",
  "vip": "192.168.0.200", "floating_ip": "185.98.151.139", "allow": ["0.0.0.0/0"]}}}"#;

fn parsed(text: &str) -> Result<Picture, PictureError> {
    parse(Path::new("stack.json"), text.as_bytes())
}

#[test]
fn a_picture_says_who_leads_where() {
    let picture = parsed(WHOLE).unwrap();
    assert_eq!(picture.attachment.as_deref(), Some("pair-mac"));
    let web = &picture.balancers["web"];
    assert_eq!((web.service.as_deref(), web.listen), (Some("hugo"), Some(80)));
    assert_eq!(web.floating_ip, Some("185.98.151.139".parse().unwrap()));
    assert_eq!(picture.containers["hugo-0"].host.as_deref(), Some("lxd0"));
    assert_eq!(picture.services["hugo"].replicas, Some(1));
    let again: Picture = serde_json::from_str(&serde_json::to_string(&picture).unwrap()).unwrap();
    assert_eq!(again, picture, "what is shown of it can be read as it");
}

#[test]
fn whatever_is_absent_or_unknown_is_no_error() {
    assert_eq!(parsed("{}").unwrap(), Picture::default());
    let later = parsed(r#"{"colour": "blue", "balancers": {"web": {"tls": {"key": 1}}}, "error": "made up"}"#).unwrap();
    assert_eq!(later.balancers["web"], Balancer::default());
    assert_eq!(later.error, None, "no file says that it could not be read");
}

#[test]
fn a_bad_file_is_named_with_line_and_column() {
    for (text, said) in [
        (
            "{\n \"balancers\": {\"web\": {\"listen\": 99999}}}",
            "`stack.json`, line 2, column 38: invalid value: integer `99999`, expected u16",
        ),
        (
            "{\n\"hosts\": {\"lxd0\": {\"address\": \"here\"}}}",
            "`stack.json`, line 2, column 36: invalid IP address syntax",
        ),
        ("{\"hosts\"", "`stack.json`, line 1, column 8: EOF while parsing an object"),
        ("", "`stack.json`, line 1, column 0: EOF while parsing a value"),
    ] {
        let error = parsed(text).unwrap_err();
        assert_eq!(error.to_string(), said);
        assert!(error.hint().is_some());
    }
}

#[test]
fn who_watches_goes_on_with_the_last_good_picture_and_is_told_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stack.json");
    let (sender, mut watched) = watch::channel(Arc::default());
    renew(&path, &sender).unwrap();
    assert!(!watched.has_changed().unwrap(), "no file is an empty picture");

    std::fs::write(&path, WHOLE).unwrap();
    renew(&path, &sender).unwrap();
    let good = watched.borrow_and_update().clone();
    assert_eq!(good.balancers.len(), 1);
    renew(&path, &sender).unwrap();
    assert!(!watched.has_changed().unwrap(), "the same file is no news");

    std::fs::write(&path, "{\"hosts\": 3}").unwrap();
    renew(&path, &sender).unwrap_err();
    let after = watched.borrow_and_update().clone();
    assert_eq!(after.balancers, good.balancers);
    assert!(after.error.as_ref().unwrap().contains("line 1, column 11"), "{:?}", after.error);

    std::fs::write(&path, WHOLE).unwrap();
    renew(&path, &sender).unwrap();
    assert_eq!(**watched.borrow_and_update(), *good, "the error is gone with its cause");
}
