//! Whatever a container sends, others are announced as before, and all within the limits.

use proptest::prelude::*;

use super::*;
use crate::catalogue::limits::container_fits;

/// What may be said, though it may be too much.
fn proper() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof!["[ -~]{0,256}", Just("\"".repeat(256)), Just("x".repeat(256))];
    let point = prop_oneof![
        (1..u16::MAX).prop_map(|port| json!({ "tcp": port })),
        "/[!-~]{0,200}".prop_map(|path| json!({ "metrics": path })),
    ];
    let health = (prop::sample::select(vec!["passing", "warning", "critical"]), text.clone());
    (
        prop::collection::btree_set("[a-z][a-z0-9._-]{0,62}", 0..32),
        prop::collection::vec(point, 0..9),
        prop::collection::btree_map("[a-z]{1,63}", text, 0..17),
        prop::option::of(health),
    )
        .prop_map(|(capabilities, monitor, says, health)| {
            let health = health.map(|(state, output)| json!({"state": state, "output": output, "ttl": 30}));
            let said =
                json!({"port": 8080, "capabilities": capabilities, "monitor": monitor, "says": says, "health": health});
            said.to_string().into_bytes()
        })
}

/// JSON that is sometimes nearly what it should be.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        "[a-z0-9._-]{0,70}",
        "/[a-z]{0,300}",
        any::<String>(),
        Just("hugo-1".to_owned()),
        Just("\"".repeat(256)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u32>().prop_map(Value::from),
        (0..65536_u32).prop_map(Value::from),
        text.clone().prop_map(Value::from),
        Just(json!("cloud-init")),
        Just(json!("critical")),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "port",
            "capabilities",
            "monitor",
            "says",
            "health",
            "state",
            "output",
            "ttl",
            "http",
            "tcp",
            "exec",
            "metrics",
            "unit",
            "name",
            "address",
            "service",
        ])
        .prop_map(str::to_owned),
        text.clone(),
    ];
    let any_json = leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    });
    let point = prop_oneof![
        (0..65536_u32).prop_map(|port| json!({ "tcp": port })),
        text.clone().prop_map(|path| json!({ "http": path })),
        text.clone().prop_map(|unit| json!({ "unit": unit })),
        text.clone().prop_map(|command| json!({ "exec": [command] })),
    ];
    let formed = (
        prop::option::of(0..65536_u32),
        prop::collection::vec(text.clone(), 0..40),
        prop::collection::vec(point, 0..10),
        prop::collection::btree_map(text.clone(), text.clone(), 0..20),
        prop::option::of((prop::sample::select(vec!["passing", "warning", "critical"]), text, any::<u16>())),
    )
        .prop_map(|(port, capabilities, monitor, says, health)| {
            let health = health.map(|(state, output, ttl)| json!({"state": state, "output": output, "ttl": ttl}));
            json!({"port": port, "capabilities": capabilities, "monitor": monitor, "says": says, "health": health})
        });
    prop_oneof![
        4 => proper(),
        2 => formed.prop_map(|value| value.to_string().into_bytes()),
        2 => any_json.prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_a_container_sends_others_are_unchanged_and_all_is_within_the_limits(
        bodies in prop::collection::vec((0..3_u8, body()), 1..6),
        grows in any::<bool>(),
        port in prop_oneof![Just(None), Just(Some(8080)), (1..u16::MAX).prop_map(Some)],
    ) {
        let mut book = Book::new("lxd0".into(), BTreeMap::new());
        let mut containers = both();
        containers.insert("hugo-0".into(), declared("one", port));
        book.set(Time::ZERO, containers.clone());
        let other = book.document("hugo-1", "two").unwrap();
        for (how, body) in &bodies {
            let act = match how {
                0 => Act::Replace(body),
                1 => Act::Merge(body),
                _ => Act::Health(body),
            };
            // It may say it or not.
            let _ = book.act(Time::ZERO, "hugo-0", "one", act);
        }
        prop_assert_eq!(book.document("hugo-1", "two").unwrap(), other);
        let words = book.news().unwrap_or_default();
        prop_assert!(words.keys().all(|name| &**name == "hugo-0"));
        let host = if grows { grown() } else { containers["hugo-0"].container.clone() };
        if let Some(said) = words.get("hugo-0") {
            let merged = merge(&host, said);
            prop_assert!(container_fits("hugo-0", &merged));
            prop_assert_eq!((&merged.service, merged.address), (&host.service, host.address));
            prop_assert!(host.port.is_none() || merged.port == host.port);
            prop_assert!(merged.capabilities.is_superset(&host.capabilities));
            prop_assert!(merged.monitor.starts_with(&host.monitor));
            prop_assert!(!said.monitor.iter().any(|point| matches!(point, MonitoringPoint::Exec(_))));
            prop_assert!(merged.health.state >= host.health.state);
            if !grows {
                // Its checks have much to say.
                let output = "\n".repeat(256);
                let ill = Container { health: Health { state: State::Critical, output }, ..host.clone() };
                prop_assert_eq!(merge(&ill, said).health, ill.health);
                prop_assert!(said.capabilities.is_subset(&merged.capabilities), "what was taken is announced");
                prop_assert!(said.monitor.iter().all(|point| merged.monitor.contains(point)));
                prop_assert_eq!(&merged.says, &said.says);
            }
        }
        let kept = to_keep(&mut book).unwrap_or_default();
        let bytes = serde_json::to_vec(&kept).unwrap();
        prop_assert_eq!(serde_json::from_slice::<BTreeMap<Name, Kept>>(&bytes).unwrap(), kept);
    }
}
