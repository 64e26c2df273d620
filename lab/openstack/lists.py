#!/usr/bin/python3
"""Prints every list of a tenancy as JSON: what kind of thing, and one line for each with its name and what it is made of.

Two of them compared tell what a run left behind. Ids and times are left out where they say nothing, kept where the name
is not enough.
"""

import json

import openstack

tenancy = openstack.connect()
network, project = tenancy.network, tenancy.current_project_id


def own(things):
    return [thing for thing in things if thing.project_id == project]


def lines(things, *fields):
    return sorted(" ".join(f"{field}={getattr(thing, field)}" for field in fields) for thing in things)


print(
    json.dumps(
        {
            "servers": lines(tenancy.compute.servers(), "name", "status"),
            "server groups": lines(tenancy.compute.server_groups(), "name"),
            "key pairs": lines(tenancy.compute.keypairs(), "name"),
            "networks": lines(own(network.networks()), "name", "tags"),
            "subnets": lines(own(network.subnets()), "name", "allocation_pools", "dns_nameservers", "tags"),
            "routers": lines(own(network.routers()), "name", "external_gateway_info"),
            "ports": lines(own(network.ports()), "device_owner", "name", "fixed_ips", "allowed_address_pairs"),
            "floating IPs": lines(own(network.ips()), "floating_ip_address", "port_id"),
            "security groups": lines(own(network.security_groups()), "name", "description"),
            "rules": lines(own(network.security_group_rules()), "id"),
            "load balancers": lines(tenancy.load_balancer.load_balancers(), "name", "provisioning_status"),
            "listeners": lines(tenancy.load_balancer.listeners(), "name"),
            "pools": lines(tenancy.load_balancer.pools(), "name"),
            "health monitors": lines(tenancy.load_balancer.health_monitors(), "name"),
        }
    )
)
