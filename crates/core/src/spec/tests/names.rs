//! Names: what they may look like, and that no two machines share one.

use super::*;

#[test]
fn a_name_has_to_be_a_label() {
    let such = "such as `my-blog`";
    wrong("stack: blog", "stack: «My_Blog»", "`My_Blog` cannot be the name of a stack", such);
    wrong("  lxd:", "  «my.hosts»:", "`my.hosts` cannot be the name of a host group", "such as `my-hosts`");
    let hosts = GOOD.replace("    port: 8080", "    port: 8080\n  «-»: {image: 'ubuntu:24.04'}");
    let label = "it becomes part of a host name (RFC 1123), such as `web-1`";
    wrong_text(&hosts, "`-` cannot be the name of a service", label);
    wrong("  web:", "  «wéb»:", "`wéb` cannot be the name of a balancer", "such as `w-b`");
    wrong(
        "    port: 8080",
        "    port: 8080\n  «2048»: {image: 'ubuntu:24.04'}",
        "service `2048` begins with a digit",
        "its containers are named after it, and neither LXD nor Incus takes a name like that",
    );
}

#[test]
fn a_name_has_to_fit_where_it_is_used() {
    let name = "b".repeat(41);
    let message = format!("the name of stack `{name}` has 41 characters");
    wrong("stack: blog", &format!("stack: «{name}»"), &message, "shorten it");
    stack_of(&changed("stack: blog", &format!("stack: {}", "b".repeat(40))));

    let long = "s".repeat(61);
    let ten = format!("    port: 8080\n  {long}: {{image: 'ubuntu:24.04', replicas: 4}}");
    stack_of(&changed("    port: 8080", &ten));
    let eleven = format!("    port: 8080\n  «{long}»: {{image: 'ubuntu:24.04', replicas: 11}}");
    let wide = GOOD.replace("10.0.0.109", "10.0.0.199").replace("    port: 8080", &eleven);
    let message = format!("the name of container `{long}-10` would have 64 characters");
    wrong_text(&wide, &message, "shorten the name");
    let group = format!("  «{}»:", "h".repeat(63));
    let message = format!("the name of host `{}0` would have 64 characters", "h".repeat(63));
    wrong("  lxd:", &group, &message, "shorten the name");
}

#[test]
fn a_name_that_is_given_twice_is_pointed_at() {
    let text = changed("balancers:", "  «hugo»: {image: 'images:debian/12'}\nbalancers:");
    let (text, (line, column, _)) = unmarked(&text);
    let errors = load_text(&text).unwrap_err();
    assert_eq!(errors.list.len(), 1, "{}", errors.render());
    let error = &errors.list[0];
    assert_eq!((error.place.line(), error.place.column()), (line, column));
    assert_eq!(error.message, "`hugo` is given twice");
    assert_eq!(error.hint.as_deref(), Some("remove one of the two, or give it another name"));
    assert_eq!(error.note.as_ref().unwrap().0.line(), 13, "and says where it was given first");
}

#[test]
fn no_two_hosts_share_a_name() {
    let second = "{image: i, flavor: f, key: k, ssh_from: [10.0.0.0/8]}";
    let text = GOOD
        .replace("    flavor: small", "    count: 11\n    flavor: small")
        .replace("services:", &format!("  «lxd1»: {second}\nservices:"))
        .replace("    port: 8080", "    port: 8080\n    hosts: lxd");
    wrong_text(
        &text,
        "host groups `lxd` and `lxd1` would both have a host `lxd10`",
        "rename a group, such as `lxd1-` and a letter",
    );
    stack_of(&text.replace(['«', '»'], "").replace("count: 11", "count: 10"));
}

#[test]
fn nothing_else_is_called_like_a_container() {
    let text = GOOD
        .replace("port: 8080", "port: 8080\n    replicas: 6")
        .replace("balancers:", "  «hugo-5»: {image: 'ubuntu:24.04'}\nbalancers:");
    wrong_text(
        &text,
        "service `hugo-5` is called like a container of service `hugo`",
        "rename one of the two services",
    );
    stack_of(&text.replace(['«', '»'], "").replace("replicas: 6", "replicas: 5"));

    let text = GOOD
        .replace("10.0.0.109", "10.0.0.199")
        .replace("  lxd:", "  «hugo-1»:")
        .replace("port: 8080", "port: 8080\n    replicas: 11");
    wrong_text(&text, "host and container would both be called `hugo-10`", "rename the host group");
    stack_of(&text.replace(['«', '»'], "").replace("replicas: 11", "replicas: 10"));
}

#[test]
fn what_a_name_refers_to_has_to_exist() {
    wrong(
        "service: hugo",
        "service: «hgo»",
        "balancer `web` names service `hgo`, which does not exist",
        "did you mean `hugo`?",
    );
    wrong(
        "service: hugo",
        "service: «wordpress»",
        "balancer `web` names service `wordpress`, which does not exist",
        "the file has `hugo`",
    );
    wrong(
        "port: 8080",
        "port: 8080\n    hosts: «incus»",
        "service `hugo` names host group `incus`, which does not exist",
        "the file has `lxd`",
    );
    wrong(
        "services:\n  hugo:",
        "  big: {image: i, flavor: f, key: k, ssh_from: [10.0.0.0/8]}\nservices:\n  «hugo»:",
        "service `hugo` does not say on which hosts it runs",
        "add `hosts: …`; the groups are `lxd`, `big`",
    );
}

#[test]
fn a_balanced_service_needs_a_port() {
    let text = GOOD.replace("    port: 8080\n", "").replace("service: hugo", "service: «hugo»");
    wrong_text(&text, "service `hugo` of balancer `web` has no port", "add `port: …` to service `hugo`");
}
