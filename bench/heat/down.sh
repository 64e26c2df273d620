#!/bin/bash
# Takes away what up.sh made.
set -euo pipefail
if openstack stack show blog >/dev/null 2>&1; then openstack stack delete --yes --wait blog; fi
openstack subnet set --no-allocation-pool --allocation-pool start=192.168.0.2,end=192.168.0.254 default
