#!/usr/bin/python3
"""The floor of the blog stack, measured.

    floor.py up      a bare server from its request to the first ssh login, and then one container's boot on it;
                     an empty balancer, and then the listener, pool, member and monitor that must follow it:
                     both at the same time, since neither needs the other
    floor.py down    takes both away

What belongs to the way there and not to the floor (making the server a container host, bringing the image) happens
between the two halves of the first part with the clock stopped; it would only make the floor higher.
"""

import subprocess
import sys
import threading
import time

import openstack

CLOUD = openstack.connect()
NAME = "floor"
SSH = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
HERE = sys.path[0]


def up():
    parts = {"server and container": server_and_container, "balancer and its parts": balancer_and_parts}
    seconds = {}
    threads = [threading.Thread(target=lambda name=name: seconds.update({name: parts[name]()})) for name in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in parts:
        print(f"{name}: {seconds[name]:.1f} s")
    print(f"floor: {max(seconds.values()):.1f} s")


def server_and_container():
    compute, network = CLOUD.compute, CLOUD.network
    group = network.create_security_group(name=NAME)
    network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22
    )
    port = network.create_port(network_id=network.find_network("default").id, name=NAME, security_groups=[group.id])
    address = network.create_ip(
        floating_network_id=network.find_network("external").id, port_id=port.id, description=NAME
    ).floating_ip_address

    begun = time.monotonic()
    compute.create_server(
        name=NAME,
        image_id=CLOUD.image.find_image("Debian 12").id,
        flavor_id=compute.find_flavor("m1.medium").id,
        key_name="lab",
        networks=[{"port": port.id}],
    )
    host = f"debian@{address}"
    until(lambda: on(host, "true", check=False).returncode == 0)
    to_ssh = time.monotonic() - begun

    prepare(host)
    begun = time.monotonic()
    on(host, "sudo lxc launch hugo hugo </dev/null && sudo lxc exec hugo -- cloud-init status --wait </dev/null")
    container = time.monotonic() - begun
    print(f"server to ssh {to_ssh:.1f} s, container {container:.1f} s", flush=True)
    return to_ssh + container


def prepare(host):
    """A container host with the image on it, by the shortest way; nobody waits for it here."""
    with open(f"{HERE}/../../target/lab/container.tar.zst", "rb") as image:
        on(host, "cat >container.tar.zst", stdin=image)
    on(host, "sudo cloud-init status --wait; sudo lxd init --auto --storage-backend dir </dev/null")
    on(host, "sudo lxc image import container.tar.zst --alias hugo </dev/null")


def balancer_and_parts():
    octavia = CLOUD.load_balancer
    subnet = CLOUD.network.find_subnet("default")
    begun = time.monotonic()
    balancer = octavia.create_load_balancer(name=NAME, vip_subnet_id=subnet.id)

    def settle():
        until(lambda: octavia.get_load_balancer(balancer.id).provisioning_status == "ACTIVE")

    settle()
    empty = time.monotonic() - begun
    listener = octavia.create_listener(name=NAME, load_balancer_id=balancer.id, protocol="HTTP", protocol_port=80)
    settle()
    pool = octavia.create_pool(name=NAME, listener_id=listener.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    settle()
    octavia.create_member(pool.id, address="192.168.0.100", protocol_port=8080, subnet_id=subnet.id)
    settle()
    octavia.create_health_monitor(name=NAME, pool_id=pool.id, type="HTTP", delay=5, timeout=4, max_retries=3)
    settle()
    seconds = time.monotonic() - begun
    print(f"balancer {empty:.1f} s, its parts {seconds - empty:.1f} s", flush=True)
    return seconds


def down():
    octavia, compute, network = CLOUD.load_balancer, CLOUD.compute, CLOUD.network
    balancer = octavia.find_load_balancer(NAME)
    if balancer:
        # Nobody can delete one that is being made, as that of a run that was cut short is.
        until(lambda: not octavia.get_load_balancer(balancer.id).provisioning_status.startswith("PENDING"))
        octavia.delete_load_balancer(balancer, cascade=True)
        until(lambda: not octavia.find_load_balancer(NAME))
    server = compute.find_server(NAME)
    if server:
        compute.delete_server(server)
        compute.wait_for_delete(compute.get_server(server.id))
    for address in network.ips(description=NAME):
        network.delete_ip(address)
    for port in network.ports(name=NAME):
        network.delete_port(port)
    for group in network.security_groups(name=NAME):
        network.delete_security_group(group)


def on(host, command, check=True, **options):
    return subprocess.run([*SSH, "-o", "ConnectTimeout=3", host, command], check=check, capture_output=True, **options)


def until(condition, seconds=1800):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("floor.py: gave up")
        time.sleep(1)


{"up": up, "down": down}[sys.argv[1]]()
