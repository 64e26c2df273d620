#!/usr/bin/python3
"""Fills the lab with what a cloud has before its first tenant comes. Run by up.sh inside the lab.

    seed.py identity    projects, users, roles, the catalogue
    seed.py cloud       images, flavors, networks, key pairs
    seed.py ready       waits until the agents and the compute host are there

Everything is looked up before it is made, so that a run that was cut short can be repeated.
"""

import os
import sys
import time

import openstack

PASSWORD = os.environ["password"]
INTERNET = os.environ["internet"]
INTERNAL = os.environ["internal"]
STATE = os.environ["state"]
IMAGES = {"host": os.environ["host_image"], "amphora": os.environ["amphora_image"]}

# name, type, port and path of each service.
CATALOGUE = [
    ("glance", "image", ":9292"),
    ("placement", "placement", ":8778"),
    ("neutron", "network", ":9696"),
    ("nova", "compute", ":8774/v2.1"),
    ("octavia", "load-balancer", ":9876"),
    ("heat", "orchestration", ":8004/v1/%(project_id)s"),
]

# id, name, MiB of memory, processors, GiB of disk; only the administrator's services see the last one.
FLAVORS = [
    ("1", "m1.small", 1024, 1, 8),
    ("2", "m1.medium", 1536, 2, 8),
    ("200", "amphora", 768, 2, 4),
]

# What is left out costs seconds of every boot under emulation; net.ifnames names the card as clouds do.
KERNEL_COMMAND_LINE = (
    "root=/dev/vda ro console=ttyS0 console=tty0 net.ifnames=1 random.trust_cpu=on "
    "systemd.show_status=0 apparmor=0 mitigations=off"
)

admin = openstack.connect(cloud="lab-admin")


def identity():
    keystone = admin.identity
    roles = {role.name: role for role in keystone.roles()}
    for name in ("service", "load-balancer_member", "load-balancer_admin", "creator", "heat_stack_owner", "heat_stack_user"):
        if name not in roles:
            roles[name] = keystone.create_role(name=name)

    service = project("service")
    for name in ("glance", "nova", "placement", "neutron", "octavia", "heat"):
        give(service, user(name, service), roles["admin"], roles["service"])
    for name in ("lab", "stranger"):
        tenant = project(name)
        member = ("member", "load-balancer_member", "creator", "heat_stack_owner")
        give(tenant, user(name, tenant), *(roles[role] for role in member))
    give(keystone.find_project("admin"), keystone.find_user("admin"), roles["load-balancer_admin"])

    for name, kind, rest in CATALOGUE:
        entry = keystone.find_service(name) or keystone.create_service(name=name, type=kind)
        known = {endpoint.interface for endpoint in keystone.endpoints(service_id=entry.id)}
        for interface, address in (("public", INTERNET), ("internal", INTERNAL), ("admin", INTERNAL)):
            if interface not in known:
                keystone.create_endpoint(
                    service_id=entry.id, interface=interface, url=f"http://{address}{rest}", region_id="RegionOne"
                )

    # Heat keeps the users that it makes for stacks in a domain of their own.
    domain = keystone.find_domain("heat") or keystone.create_domain(name="heat")
    keeper = keystone.find_user("heat_domain_admin", domain_id=domain.id) or keystone.create_user(
        name="heat_domain_admin", password=PASSWORD, domain_id=domain.id
    )
    keystone.assign_domain_role_to_user(domain, keeper, roles["admin"])


def project(name):
    return admin.identity.find_project(name) or admin.identity.create_project(name=name, domain_id="default")


def user(name, home):
    return admin.identity.find_user(name) or admin.identity.create_user(
        name=name, password=PASSWORD, domain_id="default", default_project_id=home.id
    )


def give(to_project, to_user, *roles):
    for role in roles:
        admin.identity.assign_project_role_to_user(to_project, to_user, role)


def cloud():
    for number, name, memory, processors, disk in FLAVORS:
        if not admin.compute.find_flavor(name):
            admin.compute.create_flavor(
                id=number, name=name, ram=memory, vcpus=processors, disk=disk, is_public=name != "amphora"
            )
    image("Debian 12", "host")
    admin.image.add_tag(image("amphora", "amphora"), "amphora")
    external = external_network()
    tenant_network(external)
    shared_network(external)
    amphora_network()
    with open(f"{STATE}/id_lab.pub") as file:
        public_key = file.read().strip()
    for name, of in (("lab", "lab"), ("lab", "lab-stranger"), ("octavia", "lab-octavia")):
        nova = openstack.connect(cloud=of).compute
        if not nova.find_keypair(name):
            nova.create_keypair(name=name, public_key=public_key)


def image(name, kind):
    """A disk with its kernel and ramdisk beside it, which Nova boots directly."""
    for found in admin.image.images(name=name):
        if found.status == "active":
            return found
    common = {"visibility": "public", "wait": True, "validate_checksum": False}
    parts = {
        part: admin.image.create_image(
            name=f"{name} ({part})", filename=f"{IMAGES[kind]}.{part}", disk_format=form, container_format=form, **common
        ).id
        for part, form in (("vmlinuz", "aki"), ("initrd", "ari"))
    }
    return admin.image.create_image(
        name=name,
        filename=f"{IMAGES[kind]}.qcow2",
        disk_format="qcow2",
        container_format="bare",
        min_disk=4,
        min_ram=512,
        kernel_id=parts["vmlinuz"],
        ramdisk_id=parts["initrd"],
        os_command_line=KERNEL_COMMAND_LINE,
        hw_rng_model="virtio",
        **common,
    )


def external_network():
    neutron = admin.network
    network = neutron.find_network("external") or neutron.create_network(
        name="external", provider_network_type="flat", provider_physical_network="external", is_router_external=True
    )
    if not neutron.find_subnet("external"):
        neutron.create_subnet(
            name="external",
            network_id=network.id,
            ip_version=4,
            cidr="203.0.113.0/24",
            gateway_ip=INTERNET,
            allocation_pools=[{"start": "203.0.113.50", "end": "203.0.113.250"}],
            is_dhcp_enabled=False,
        )
    return network


def tenant_network(external):
    """The network of the walk-through: 192.168.0.0/24, all of it Neutron's to give away."""
    neutron = openstack.connect(cloud="lab").network
    network = neutron.find_network("default") or neutron.create_network(name="default")
    subnet = neutron.find_subnet("default")
    if not subnet:
        # Neutron's DHCP server takes any free address when it comes. In a small pool it cannot take one that an example
        # names; then the pool is what a tenant finds on other clouds.
        subnet = neutron.create_subnet(
            name="default",
            network_id=network.id,
            ip_version=4,
            cidr="192.168.0.0/24",
            gateway_ip="192.168.0.1",
            allocation_pools=[{"start": "192.168.0.2", "end": "192.168.0.9"}],
            dns_nameservers=[INTERNET],
        )
    wait_until(lambda: list(neutron.ports(network_id=network.id, device_owner="network:dhcp")))
    neutron.update_subnet(subnet, allocation_pools=[{"start": "192.168.0.2", "end": "192.168.0.254"}])
    router(neutron, "default", external, subnet)


def shared_network(external):
    """A network that everybody may use and only the administrator owns: no tenant may set pairs there."""
    neutron = admin.network
    network = neutron.find_network("shared") or neutron.create_network(name="shared", is_shared=True)
    subnet = neutron.find_subnet("shared") or neutron.create_subnet(
        name="shared",
        network_id=network.id,
        ip_version=4,
        cidr="192.168.0.0/24",
        gateway_ip="192.168.0.1",
        allocation_pools=[{"start": "192.168.0.2", "end": "192.168.0.20"}],
    )
    router(neutron, "shared", external, subnet)


def router(neutron, name, external, subnet):
    if not neutron.find_router(name):
        made = neutron.create_router(name=name, external_gateway_info={"network_id": external.id})
        neutron.add_interface_to_router(made, subnet_id=subnet.id)


def amphora_network():
    """Where Octavia's controller meets its amphorae, and who may knock there."""
    neutron = admin.network
    service = admin.identity.find_project("service")
    network = neutron.find_network("amphorae") or neutron.create_network(
        name="amphorae",
        project_id=service.id,
        provider_network_type="flat",
        provider_physical_network="management",
    )
    if not neutron.find_subnet("amphorae"):
        neutron.create_subnet(
            name="amphorae",
            project_id=service.id,
            network_id=network.id,
            ip_version=4,
            cidr="172.31.0.0/24",
            gateway_ip=None,
            allocation_pools=[{"start": "172.31.0.50", "end": "172.31.0.250"}],
        )
    group = next(iter(neutron.security_groups(name="amphorae", project_id=service.id)), None)
    if not group:
        group = neutron.create_security_group(name="amphorae", project_id=service.id)
        for protocol, port in (("icmp", None), ("tcp", 22), ("tcp", 9443)):
            neutron.create_security_group_rule(
                project_id=service.id,
                security_group_id=group.id,
                direction="ingress",
                ether_type="IPv4",
                protocol=protocol,
                port_range_min=port,
                port_range_max=port,
            )
    for name, value in (("amphora-network", network.id), ("amphora-group", group.id)):
        with open(f"{STATE}/{name}", "w") as file:
            file.write(value)


def ready():
    wait_until(
        lambda: sum(agent.is_alive for agent in admin.network.agents()) >= 4
        and all(service.state == "up" for service in admin.compute.services())
        and list(admin.compute.hypervisors())
    )


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"seed.py {sys.argv[1]}: gave up after {seconds} s")
        time.sleep(0.5)


if __name__ == "__main__":
    {"identity": identity, "cloud": cloud, "ready": ready}[sys.argv[1]]()
